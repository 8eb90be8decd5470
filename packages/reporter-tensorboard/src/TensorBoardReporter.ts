import { createReadStream } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { ReportedEvent, ReportedRun, Reporter, ReportRow, RunEnd, StageProgress } from '@plumbline/core'
import { z } from 'zod'
import { EventWriter } from './EventWriter'

export const tensorBoardOptions = z.strictObject({
  folder: z
    .string()
    .min(1)
    .default('tensorboard')
    .describe('Where event files go, one folder for each run of TensorBoard; a relative path starts at the run folder.')
    .meta({ affectsResults: false }),
})

export type TensorBoardOptions = z.output<typeof tensorBoardOptions>

/**
 * Writes a run's figures as TensorBoard event files: a run of TensorBoard for each stage that trains, named as its folder in the run folder is
 * (`align-boundary-3745a2af`), so that another configuration of the same name is another run; and `report-<key>/<model>` for the closing
 * table.
 *
 * Figures of steps that an earlier process did, with this reporter or without, are taken from the stage's `metrics.jsonl`; steps
 * that are in the event files already are not written again, also where a killed run does them anew.
 */
export class TensorBoardReporter implements Reporter {
  private readonly writers = new Map<string, EventWriter>()
  private folder = ''
  /** The folder of the stage that began last. */
  private current = ''

  constructor(private readonly options: TensorBoardOptions) {}

  start({ run }: ReportedRun): void {
    this.folder = path.resolve(run, this.options.folder)
  }

  async event(event: ReportedEvent, time: number): Promise<void> {
    switch (event.type) {
      case 'stage-start':
        this.current = event.path
        if (event.resumedAt !== undefined && isTraining(event)) {
          await this.copy(event.path, path.join(event.path, 'work', 'metrics.jsonl'), time, event.resumedAt)
        }
        return
      case 'stage-reused':
        if (!isTraining(event)) return
        await this.copy(event.path, path.join(event.path, 'metrics.jsonl'), time)
        await this.copy(event.path, path.join(event.path, 'validation.jsonl'), time)
        return
      case 'progress':
        await this.progress(event, time)
        return
      case 'stage-end':
        await this.writers.get(path.basename(event.path))?.flush()
        return
      default:
        // Nothing to draw in the others, and in those that later versions have.
        return
    }
  }

  async end({ report }: RunEnd, time: number): Promise<void> {
    try {
      if (report?.key !== undefined) for (const row of report.rows) await this.row(`report-${report.key}/${row.name}`, row, time)
    } finally {
      for (const writer of this.writers.values()) await writer.close()
      this.writers.clear()
    }
  }

  private async progress({ unit, done, metrics, tokensPerSecond }: StageProgress, time: number): Promise<void> {
    if (unit !== 'steps' || metrics === undefined || this.current === '') return
    const { step = done, ...figures } = metrics
    const scalars = tokensPerSecond === undefined ? figures : { ...figures, tokensPerSecond }
    await (await this.writer(path.basename(this.current))).add({ wallTime: time / 1000, step, scalars })
  }

  private async row(name: string, row: ReportRow, time: number): Promise<void> {
    const { accuracy, interval, versusControl, parseFailures, assessmentAccuracy, positivePerplexity, negativePerplexity } = row
    const figures = {
      accuracy,
      'accuracy/low': interval?.[0],
      'accuracy/high': interval?.[1],
      versusControl: versusControl?.difference,
      parseFailures,
      assessmentAccuracy,
      positivePerplexity,
      negativePerplexity,
    }
    const scalars = Object.fromEntries(Object.entries(figures).filter((entry): entry is [string, number] => entry[1] !== undefined))
    await (await this.writer(name)).add({ wallTime: time / 1000, step: 0, scalars })
  }

  /** Steps that an earlier process did, up to one, where they are not there yet. */
  private async copy(stage: string, file: string, time: number, last = Infinity): Promise<void> {
    const writer = await this.writer(path.basename(stage))
    for await (const line of linesOf(file)) {
      const { step, ...scalars } = line
      if (step === undefined || step > last) continue
      await writer.add({ wallTime: time / 1000, step, scalars })
    }
    await writer.flush()
  }

  private async writer(name: string): Promise<EventWriter> {
    const known = this.writers.get(name) ?? (await EventWriter.open(path.join(this.folder, name)))
    this.writers.set(name, known)
    return known
  }
}

const isTraining = ({ stage }: { readonly stage: string }): boolean => stage === 'sft' || stage === 'align'

/** The figures of a `metrics.jsonl`, of which there may be none, and whose last line may be a part of one. */
async function* linesOf(file: string): AsyncGenerator<Readonly<Record<string, number>>> {
  const input = createReadStream(file, 'utf8')
  try {
    for await (const text of createInterface({ input, crlfDelay: Infinity })) {
      const value = parsed(text)
      if (value !== undefined) yield value
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

function parsed(text: string): Readonly<Record<string, number>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === 'number'))
  } catch {
    return undefined
  }
}
