import { wilsonInterval } from '@plumbline/core'

/** Candidates of about one score. */
export interface CalibrationBin {
  /** Mean score, nats per token. */
  readonly score: number
  readonly right: number
  readonly count: number
  /** Fraction that is right, with its Wilson 95 % interval. */
  readonly fraction: number
  readonly interval: readonly [number, number]
}

/** A candidate's score, and whether it is right. */
export interface ScoredCandidate {
  readonly score: number
  readonly right: boolean
}

/**
 * How often candidates of a score are right: bins of equally many candidates, in the order of their scores. Equal scores stay together, so a bin
 * may be larger than others.
 */
export function calibration(candidates: readonly ScoredCandidate[], bins = 10): CalibrationBin[] {
  const sorted = candidates.toSorted((a, b) => a.score - b.score)
  const found: CalibrationBin[] = []
  let from = 0
  for (let b = 1; b <= bins && from < sorted.length; b++) {
    let to = Math.max(Math.round((b * sorted.length) / bins), from)
    while (to > 0 && to < sorted.length && sorted[to]?.score === sorted[to - 1]?.score) to++
    const own = sorted.slice(from, to)
    from = to
    if (own.length === 0) continue
    const right = own.filter((each) => each.right).length
    const score = own.reduce((sum, each) => sum + each.score, 0) / own.length
    found.push({ score, right, count: own.length, fraction: right / own.length, interval: wilsonInterval(right, own.length) })
  }
  return found
}

/**
 * The chance that a right candidate of any question scores above a wrong one of any question, ties counting ½: the area under the ROC curve, by
 * ranks (Mann and Whitney 1947). Undefined without both kinds.
 */
export function separation(candidates: readonly ScoredCandidate[]): number | undefined {
  const sorted = candidates.toSorted((a, b) => a.score - b.score)
  const right = sorted.filter((each) => each.right).length
  const wrong = sorted.length - right
  if (right === 0 || wrong === 0) return undefined
  let ranks = 0
  for (let from = 0, to = 0; from < sorted.length; from = to) {
    while (to < sorted.length && sorted[to]?.score === sorted[from]?.score) to++
    // ranks count from 1; equal scores share theirs
    const shared = (from + 1 + to) / 2
    for (let n = from; n < to; n++) if (sorted[n]?.right) ranks += shared
  }
  return (ranks - (right * (right + 1)) / 2) / (right * wrong)
}
