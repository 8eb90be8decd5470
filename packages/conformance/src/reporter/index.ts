import { isDeepStrictEqual } from 'node:util'
import type { ReportedEvent, Reporter, RunEnd } from '@plumbline/core'
import { contractCheck, type Check } from '../check'
import { declareSuite, type SuiteOptions } from '../runner'
import { heldAfter } from './held'
import { FAILED, INTERRUPTED, toldRun, withRunFolder, type ToldRun } from './run'

/** What the suite is told about a reporter. */
export interface ReporterSubject {
  /** A new one each time; what it talks to (a server, say) must be there. */
  readonly factory: () => Reporter | Promise<Reporter>
  /** How long the end of the suite's small run may take, in milliseconds; core waits ten seconds. 5,000 when absent. */
  readonly endMs?: number
}

const TIME = Date.UTC(2026, 0, 1)

/** The contract of a reporter. */
export const reporterChecks: readonly Check<ReporterSubject>[] = [
  reporterCheck(
    'reporter/takes-a-whole-run',
    'It takes every type of event, from the start to the end, without failing.',
    async (subject, told) => {
      await tell(await subject.factory(), told)
      return undefined
    },
  ),

  reporterCheck(
    'reporter/takes-what-it-does-not-know',
    'An event of a type that it does not know, and fields that it does not know, are left alone.',
    async (subject, told) => {
      const later = { type: 'energy', joules: 12, of: { stage: 'sft' } } as unknown as ReportedEvent
      const more = told.events.map((event) => ({ ...event, added: { later: [1] } }))
      await tell(await subject.factory(), { ...told, events: [later, ...more, later] })
      return undefined
    },
  ),

  reporterCheck(
    'reporter/ends-whenever-it-is-told',
    'The end may come at any time: after the start, in the middle of a stage, of a run that failed or was interrupted.',
    async (subject, told) => {
      for (const end of [FAILED, INTERRUPTED]) {
        for (const count of [0, 1, 5]) await tell(await subject.factory(), { ...told, events: told.events.slice(0, count), end })
      }
      return undefined
    },
  ),

  reporterCheck(
    'reporter/starts-at-the-start',
    'Making one does nothing that has to be given up: doctor makes it as well.',
    async (subject) =>
      heldSentence(
        'After the factory',
        await heldAfter(async () => {
          await subject.factory()
        }),
      ),
  ),

  reporterCheck(
    'reporter/gives-up-what-it-holds',
    'After the end it holds no timer and no server that keeps the process.',
    async (subject, told) => heldSentence('After the end', await heldAfter(async () => tell(await subject.factory(), told))),
  ),

  reporterCheck(
    'reporter/ends-in-time',
    'The end of a small run is taken within seconds; what comes later is lost.',
    async (subject, told) => {
      const { endMs = 5_000 } = subject
      const reporter = await subject.factory()
      await tellUntilEnd(reporter, told)
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<string>((resolve) => {
        timer = setTimeout(() => resolve(`The end took longer than ${endMs} ms.`), endMs)
      })
      const taken = Promise.resolve(reporter.end?.(told.end, TIME)).then(() => undefined)
      return Promise.race([taken, late]).finally(() => clearTimeout(timer))
    },
  ),

  reporterCheck('reporter/leaves-its-input-alone', 'It changes nothing that it is told.', async (subject, told) => {
    await tell(await subject.factory(), told)
    return isDeepStrictEqual(told, toldRun(told.run.run)) ? undefined : `Afterwards it is ${JSON.stringify(told)}.`
  }),

  reporterCheck(
    'reporter/keeps-stdout-clean',
    'It writes nothing to the standard output, which holds the results.',
    async (subject, told) => {
      const { stdout } = process
      // What is put back is the method as it was found.
      const original = stdout.write
      let written = ''
      stdout.write = (text: string | Uint8Array) => {
        written += String(text)
        return true
      }
      try {
        await tell(await subject.factory(), told)
      } finally {
        stdout.write = original
      }
      return written === '' ? undefined : `It wrote ${JSON.stringify(written.slice(0, 200))}.`
    },
  ),
]

/** Declares the conformance tests of a reporter. */
export function testReporter({ factory, endMs, ...options }: ReporterSubject & SuiteOptions): void {
  declareSuite(options.name ?? 'reporter', reporterChecks, { factory, endMs }, options)
}

function reporterCheck(
  id: string,
  contract: string,
  problem: (subject: ReporterSubject, told: ToldRun) => Promise<string | undefined>,
): Check<ReporterSubject> {
  return contractCheck(id, contract, (subject) => withRunFolder((folder) => problem(subject, toldRun(folder))))
}

/** As core does: each call when the one before is finished. */
async function tell(
  reporter: Reporter,
  told: { readonly run: ToldRun['run']; readonly events: readonly ReportedEvent[]; readonly end: RunEnd },
): Promise<void> {
  await tellUntilEnd(reporter, told)
  await reporter.end?.(told.end, TIME + told.events.length)
}

async function tellUntilEnd(reporter: Reporter, { run, events }: Pick<ToldRun, 'run' | 'events'>): Promise<void> {
  await reporter.start?.(run)
  for (const [index, event] of events.entries()) await reporter.event(event, TIME + index)
}

function heldSentence(when: string, held: readonly string[]): string | undefined {
  return held.length === 0 ? undefined : `${when} it holds what keeps the process: ${held.join(', ')}.`
}
