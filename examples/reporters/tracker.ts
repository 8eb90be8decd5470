import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { ReportedEvent, ReportedRun, Reporter, ReportRow, RunEnd, RunReport } from '@plumbline/core'
import { z } from 'zod'
import { TrackerProcess, type Client } from './tracker-process'

export interface TrackerOptions {
  readonly client: Client
  readonly python: string
  /** What the client's `init` gets besides, by the run folder. */
  readonly init: (run: string) => Readonly<Record<string, unknown>>
}

/** What the run folder keeps of one run of the tracker, so that it is the same one when it goes on, and no step is sent twice. */
interface Kept {
  readonly id: string
  /** The last step that the client has; 1 for a table that it has. */
  step: number
  /** Where it is to be seen. */
  readonly url?: string
}

/** The option that both have. */
export const python = z
  .string()
  .min(1)
  .default(process.platform === 'win32' ? 'python' : 'python3')
  .describe('The Python that has the client.')

/** The run waits ten seconds for all reporters together. */
const END_MS = 8_000

/**
 * Tells a tracker by its Python client. Each stage that trains is a run there, named as its folder in the run folder is
 * (`align-boundary-3745a2af`), so that variants lie over one another in a chart and another configuration is another run; the closing
 * table is one more. All of them are one group.
 */
export class TrackerReporter implements Reporter {
  private process: TrackerProcess | undefined
  private kept: Record<string, Kept> = {}
  private run: ReportedRun | undefined
  /** The folder of the stage whose run is open. */
  private open = ''

  constructor(private readonly options: TrackerOptions) {}

  async start(run: ReportedRun): Promise<void> {
    this.run = run
    this.kept = JSON.parse(await readFile(this.file, 'utf8').catch(() => '{}')) as Record<string, Kept>
    const { client, python } = this.options
    this.process = await TrackerProcess.start({ client, python, log: path.join(run.run, `${client}.log`) })
  }

  async event(event: ReportedEvent): Promise<void> {
    if (!('stage' in event) || (event.stage !== 'sft' && event.stage !== 'align')) return
    switch (event.type) {
      case 'stage-start':
        await this.begin(path.basename(event.path), event.stage)
        // Steps of an earlier process, which may have had no reporter.
        for await (const { step, figures } of stepsOf(path.join(event.path, 'work'))) {
          if (step <= (event.resumedAt ?? 0)) await this.log(step, figures)
        }
        return
      case 'stage-reused':
        for await (const { step, figures } of stepsOf(event.path)) {
          if (step <= this.sent(path.basename(event.path))) continue
          // Only where there is something to send.
          if (this.open === '') await this.begin(path.basename(event.path), event.stage)
          await this.log(step, figures)
        }
        return this.finish()
      case 'progress': {
        if (event.unit !== 'steps' || event.metrics === undefined) return
        const { step = event.done, ...figures } = event.metrics
        return this.log(step, event.tokensPerSecond === undefined ? figures : { ...figures, tokensPerSecond: event.tokensPerSecond })
      }
      case 'stage-end':
        return this.finish()
      default:
        return
    }
  }

  async end({ outcome, report }: RunEnd): Promise<void> {
    if (this.process === undefined) return
    const { process } = this
    this.process = undefined
    if (outcome === 'done' && report?.key !== undefined) {
      await this.table(process, `report-${report.key}`, report)
    }
    await process.end({ do: 'end', failed: outcome !== 'done' }, END_MS)
  }

  private get file(): string {
    return path.join(this.run?.run ?? '', `${this.options.client}.json`)
  }

  private async begin(name: string, kind: string, process = this.process): Promise<Kept> {
    if (this.run === undefined || process === undefined) throw new Error(`${this.options.client} is told of "${name}" outside of a run`)
    const { run, settings, seed, engine, model } = this.run
    const id = this.kept[name]?.id ?? `${name}-${createHash('sha256').update(run).digest('hex').slice(0, 8)}`
    const config = { ...settings, seed, engine, model: path.basename(model) }
    const group = path.basename(run)
    const url = await process.ask({ do: 'begin', id, name, group, kind, config, options: this.options.init(run) })
    this.open = name
    const kept = { id, step: this.sent(name), ...(typeof url === 'string' ? { url } : {}) }
    this.kept[name] = kept
    await this.keep()
    return kept
  }

  private sent(name: string): number {
    return this.kept[name]?.step ?? 0
  }

  private async log(step: number, figures: Readonly<Record<string, number>>): Promise<void> {
    const kept = this.kept[this.open]
    if (kept === undefined || step <= kept.step) return
    await this.process?.ask({ do: 'log', step, figures })
    kept.step = step
    await this.keep()
  }

  private async table(process: TrackerProcess, name: string, { rows }: RunReport): Promise<void> {
    if (rows.length === 0 || this.sent(name) > 0) return
    const kept = await this.begin(name, 'report', process)
    const figures = rows.flatMap((row) =>
      Object.entries(columnsOf(row)).flatMap(([column, value]) =>
        typeof value === 'number' ? [[`${labelOf(row)}/${column}`, value] as const] : [],
      ),
    )
    await process.ask({ do: 'log', step: 0, figures: Object.fromEntries(figures) })
    await process.ask({ do: 'table', name: 'report', rows: rows.map(columnsOf) })
    this.kept[name] = { ...kept, step: 1 }
    await this.keep()
  }

  private async finish(): Promise<void> {
    if (this.open === '') return
    this.open = ''
    await this.process?.ask({ do: 'end' })
  }

  /** Put in its place when it is whole: a kill leaves the one before. */
  private async keep(): Promise<void> {
    await writeFile(`${this.file}.new`, `${JSON.stringify(this.kept, undefined, 1)}\n`)
    await rename(`${this.file}.new`, this.file)
  }
}

const labelOf = ({ name, round }: ReportRow): string => (round === undefined ? name : `${name}, round ${round}`)

function columnsOf(row: ReportRow): Record<string, string | number | null> {
  return {
    model: labelOf(row),
    questions: row.questions,
    accuracy: row.accuracy ?? null,
    accuracyLow: row.interval?.[0] ?? null,
    accuracyHigh: row.interval?.[1] ?? null,
    versusControl: row.versusControl?.difference ?? null,
    versusControlError: row.versusControl?.standardError ?? null,
    parseFailures: row.parseFailures ?? null,
    assessmentAccuracy: row.assessmentAccuracy ?? null,
    positivePerplexity: row.positivePerplexity ?? null,
    negativePerplexity: row.negativePerplexity ?? null,
  }
}

interface Step {
  readonly step: number
  readonly figures: Readonly<Record<string, number>>
}

/** The steps in a folder's `metrics.jsonl`; there may be no such file, and its last line may be a part of one. */
async function* stepsOf(folder: string): AsyncGenerator<Step> {
  const input = createReadStream(path.join(folder, 'metrics.jsonl'), 'utf8')
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      const { step, ...rest } = JSON.parse(line) as Record<string, unknown>
      const figures = Object.fromEntries(Object.entries(rest).filter((entry): entry is [string, number] => typeof entry[1] === 'number'))
      if (typeof step === 'number') yield { step, figures }
    }
  } catch (error) {
    if (!(error instanceof SyntaxError) && (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
