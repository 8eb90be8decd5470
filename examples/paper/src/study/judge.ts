import {
  changedAnswers,
  differenceOverSeeds,
  judged,
  overallVerdict,
  type Changed,
  type Judged,
  type OverSeeds,
  type Verdict,
} from '@plumbline/core'
import type { Claim, Comparison, ModelOf } from './claims'
import type { MeasuredSet } from './outcomes'

/** What a seed left: of each cell, of each model and test set, the questions. */
export interface SeedOutcome {
  readonly seed: number
  /** By {@link keyOf}. */
  readonly sets: ReadonlyMap<string, MeasuredSet>
}

export const keyOf = ({ cell, model, set }: ModelOf): string => [cell, model, set ?? ''].join('\t')

export interface JudgedComparison extends Judged {
  readonly comparison: Comparison
  readonly found: OverSeeds
  /** Questions of each seed that are compared. */
  readonly questions: readonly number[]
  /** Of right and wrong answers. */
  readonly changed?: Changed
}

/** A comparison that too few questions have both sides of, which is not judged. */
export interface MissingComparison {
  readonly comparison: Comparison
  readonly missing: string
}

export interface JudgedClaim {
  readonly verdict: Verdict
  /** Of the comparisons that could explain it away; absent where there is none. */
  readonly ofControls?: Verdict
  readonly comparisons: readonly (JudgedComparison | MissingComparison)[]
}

/** All comparisons of a claim, corrected together. */
export function judgeClaim({ comparisons }: Claim, seeds: readonly SeedOutcome[], resamples: number): JudgedClaim {
  const paired = comparisons.map((comparison) => ({ comparison, differences: seeds.map((seed) => differencesOf(comparison, seed)) }))
  const known = paired.filter(({ differences }) => differences.every(({ length }) => length > 1))
  const found = known.map((each) => ({
    ...each,
    found: differenceOverSeeds(each.differences, { resamples }),
    claimed: each.comparison.claimed,
  }))
  const verdicts = judged(found)
  const all = paired.map(({ comparison, differences }): JudgedComparison | MissingComparison => {
    const place = known.findIndex((each) => each.comparison === comparison)
    const [own, over] = [verdicts[place], found[place]?.found]
    if (own === undefined || over === undefined) {
      return { comparison, missing: `fewer than two questions of a seed have "${comparison.figure}" on both sides` }
    }
    const isAnswers = comparison.figure === 'right' && typeof comparison.to !== 'number'
    return {
      comparison,
      found: over,
      questions: differences.map(({ length }) => length),
      ...own,
      ...(isAnswers ? { changed: changedAnswers(differences.flat()) } : {}),
    }
  })
  const controls = verdictsOf(all, 'control')
  return {
    verdict: overallVerdict(verdictsOf(all, 'claim')),
    ...(controls.length > 0 ? { ofControls: overallVerdict(controls) } : {}),
    comparisons: all,
  }
}

/** Of the comparisons that have this role; nothing can be told of one that is missing. */
export function verdictsOf(comparisons: JudgedClaim['comparisons'], role: Comparison['role']): Verdict[] {
  return comparisons.filter(({ comparison }) => comparison.role === role).map((each) => ('missing' in each ? 'cannot tell' : each.verdict))
}

/** Of the questions that have the figure under both. */
function differencesOf({ figure, of, to }: Comparison, { sets }: SeedOutcome): number[] {
  const own = setOf(sets, of)
  const other = typeof to === 'number' ? undefined : setOf(sets, to)
  return [...own].flatMap(([id, question]) => {
    const [a, b] = [question[figure], typeof to === 'number' ? to : other?.get(id)?.[figure]]
    return a === undefined || b === undefined ? [] : [a - b]
  })
}

function setOf(sets: SeedOutcome['sets'], model: ModelOf): MeasuredSet {
  const found = sets.get(keyOf(model))
  if (found === undefined) throw new Error(`there is no outcome of ${keyOf(model).trim().replaceAll('\t', ', ')}`)
  return found
}
