import type { ReportedEvent, Reporter, RunEnd } from '@plumbline/core'

/** A reporter with one thing wrong, and the check that must say so. */
export interface PlantedReporter {
  readonly name: string
  readonly caughtBy: string
  readonly factory: () => Reporter
}

/** A sound reporter, as small as it gets: keeps the last loss of every stage. */
export class LastLossReporter implements Reporter {
  readonly losses = new Map<string, number>()
  outcome = ''

  start(): void | Promise<void> {
    this.losses.clear()
  }

  event(event: ReportedEvent): void | Promise<void> {
    const loss = event.type === 'progress' ? event.metrics?.loss : undefined
    if (event.type === 'progress' && loss !== undefined) this.losses.set(`${event.stage} ${event.variant ?? ''}`, loss)
  }

  end({ outcome }: RunEnd): void | Promise<void> {
    this.outcome = outcome
  }
}

function planted(name: string, caughtBy: string, change: (reporter: LastLossReporter) => void): PlantedReporter {
  return {
    name,
    caughtBy,
    factory: () => {
      const reporter = new LastLossReporter()
      change(reporter)
      return reporter
    },
  }
}

/** Each planted timer, so that a test which is done can stop them. */
const timers: NodeJS.Timeout[] = []

export function stopPlantedReporters(): void {
  for (const timer of timers.splice(0)) clearInterval(timer)
}

const beat = (): void => {
  timers.push(setInterval(() => undefined, 1_000))
}

export const plantedReporters: readonly PlantedReporter[] = [
  planted('every-event-has-a-stage', 'reporter/takes-a-whole-run', (reporter) => {
    reporter.event = (event) => {
      reporter.losses.set((event as { readonly stage: string }).stage.toUpperCase(), 0)
    }
  }),
  planted('knows-all-types', 'reporter/takes-what-it-does-not-know', (reporter) => {
    const known = ['data', 'stage-start', 'stage-reused', 'progress', 'stage-end', 'notice']
    reporter.event = ({ type }) => {
      if (!known.includes(type)) throw new Error(`unknown event ${type}`)
    }
  }),
  planted('the-end-has-a-report', 'reporter/ends-whenever-it-is-told', (reporter) => {
    reporter.end = ({ report }) => {
      reporter.outcome = report!.control
    }
  }),
  planted('begins-when-it-is-made', 'reporter/starts-at-the-start', () => beat()),
  planted('goes-on-after-the-end', 'reporter/gives-up-what-it-holds', (reporter) => {
    reporter.start = beat
  }),
  planted('never-ends', 'reporter/ends-in-time', (reporter) => {
    reporter.end = () => new Promise(() => undefined)
  }),
  planted('rounds-in-place', 'reporter/leaves-its-input-alone', (reporter) => {
    reporter.event = (event) => {
      if (event.type === 'progress' && event.metrics) (event.metrics as Record<string, number>).loss = Math.round(event.metrics.loss ?? 0)
    }
  }),
  planted('prints-the-loss', 'reporter/keeps-stdout-clean', (reporter) => {
    reporter.event = (event) => {
      if (event.type === 'progress') process.stdout.write(`${event.done}\n`)
    }
  }),
]
