import { studentQuantile, type ReportContent, type ReportRow } from '@plumbline/core'

/** A figure's mean over runs. */
export interface MeanOfRuns {
  readonly mean: number
  readonly values: readonly number[]
  /** Student's t 95 % interval of the mean over runs; absent for a single run. */
  readonly interval?: readonly [number, number]
}

export interface RowOverRuns {
  readonly name: string
  /** Runs that have the row. */
  readonly runs: number
  readonly accuracy?: MeanOfRuns
  /** Of the paired differences to the control. */
  readonly difference?: MeanOfRuns
  readonly assessmentAccuracy?: MeanOfRuns
  readonly positivePerplexity?: MeanOfRuns
  readonly negativePerplexity?: MeanOfRuns
  readonly parseFailures?: MeanOfRuns
}

/** What is read of a run here; one that is not finished has no report, and is in no mean. */
export interface ComparedRun {
  readonly report?: Pick<ReportContent, 'rows'>
}

/** A row of several runs' means: a model, in those of the runs that share a setting. */
export interface RowGroup {
  /** What the row is called. */
  readonly title: string
  /** The model's name in the runs' reports. */
  readonly name: string
  /** Places of the runs, among all runs. */
  readonly runs: readonly number[]
}

/** One row for each name, in the order in which the names first occur. */
export function overRuns(runs: readonly ComparedRun[]): RowOverRuns[] {
  const names = runs.flatMap(({ report }) => report?.rows.map(({ name }) => name) ?? [])
  return [...new Set(names)].map((name) => rowOf(name, name, runs))
}

/** One row for each group, called by its title. */
export function overGroups(runs: readonly ComparedRun[], groups: readonly RowGroup[]): RowOverRuns[] {
  return groups.map((group) =>
    rowOf(
      group.title,
      group.name,
      group.runs.flatMap((r) => runs[r] ?? []),
    ),
  )
}

function rowOf(title: string, name: string, runs: readonly ComparedRun[]): RowOverRuns {
  const own = runs.flatMap(({ report }) => report?.rows.filter((row) => row.name === name) ?? [])
  const of = (figure: (row: ReportRow) => number | undefined) => meanOf(own.flatMap((row) => figure(row) ?? []))
  return {
    name: title,
    runs: own.length,
    accuracy: of((row) => row.accuracy),
    difference: of((row) => row.versusControl?.difference),
    assessmentAccuracy: of((row) => row.assessmentAccuracy),
    positivePerplexity: of((row) => row.positivePerplexity),
    negativePerplexity: of((row) => row.negativePerplexity),
    parseFailures: of((row) => row.parseFailures),
  }
}

export function meanOf(values: readonly number[]): MeanOfRuns | undefined {
  const n = values.length
  if (n === 0) return undefined
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  if (n === 1) return { mean, values }
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1)
  const half = studentQuantile(n - 1) * Math.sqrt(variance / n)
  return { mean, values, interval: [mean - half, mean + half] }
}
