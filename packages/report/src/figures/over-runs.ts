import { studentQuantile, type ReportRow } from '@plumbline/core'
import type { RunRecord } from '../read/run'

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

/** One row for each name, in the order in which the names first occur. */
export function overRuns(runs: readonly RunRecord[]): RowOverRuns[] {
  const rows = runs.flatMap(({ report }) => report?.rows ?? [])
  return [...new Set(rows.map(({ name }) => name))].map((name) => {
    const own = rows.filter((row) => row.name === name)
    const of = (figure: (row: ReportRow) => number | undefined) => meanOf(own.flatMap((row) => figure(row) ?? []))
    return {
      name,
      runs: own.length,
      accuracy: of((row) => row.accuracy),
      difference: of((row) => row.versusControl?.difference),
      assessmentAccuracy: of((row) => row.assessmentAccuracy),
      positivePerplexity: of((row) => row.positivePerplexity),
      negativePerplexity: of((row) => row.negativePerplexity),
      parseFailures: of((row) => row.parseFailures),
    }
  })
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
