import type { CandidateRecord } from '@plumbline/core'
import { distance } from 'fastest-levenshtein'
import { equationsOf, type Equation } from './equations'

export interface ChainSelection {
  /** Per candidate; false for the right chains that are dropped. Wrong candidates and the reference are never dropped here. */
  readonly keep: readonly boolean[]
  readonly counts: Readonly<SelectionCounts>
}

export type SelectionCounts = {
  /** Candidates, the reference left out. */
  readonly sampled: number
  readonly right: number
  /** Right by its answer, but with an equation that does not hold. */
  readonly 'wrong equation': number
  /** Right, with the equations of a chain that was kept. */
  readonly duplicate: number
  readonly kept: number
}

/**
 * Which of one question's right chains are worth imitating (RFT, arXiv:2308.01825, section 3.3; the rules of its public code,
 * OFA-Sys/gsm8k-ScRel): every equation holds, and no two kept chains have the same list of equations. Of two that do, the one
 * stays whose edit distances to the other kept chains add up to more.
 */
export function selectChains(candidates: readonly CandidateRecord[]): ChainSelection {
  const sampled = candidates.flatMap(({ reference }, c) => (reference ? [] : [c]))
  const right = sampled.filter((c) => candidates[c]!.positive)
  const equations = new Map(right.map((c) => [c, equationsOf(candidates[c]!.text)]))
  const sound = right.filter((c) => equations.get(c)!.every(({ holds }) => holds))

  const kept = new Map<string, number>() // by the equations, in order of first appearance
  for (const c of sound) {
    const key = keyOf(equations.get(c)!, candidates[c]!.text)
    const rival = kept.get(key)
    if (rival === undefined || spread(c, rival) > spread(rival, rival)) kept.set(key, c)
  }

  /** Σ of the edit distances from c to the kept chains, the disputed one left out. */
  function spread(c: number, disputed: number): number {
    return [...kept.values()].reduce(
      (sum, other) => (other === disputed ? sum : sum + distance(candidates[c]!.text, candidates[other]!.text)),
      0,
    )
  }

  const chosen = new Set(kept.values())
  return {
    keep: candidates.map(({ positive, reference }, c) => !positive || reference === true || chosen.has(c)),
    counts: {
      sampled: sampled.length,
      right: right.length,
      'wrong equation': right.length - sound.length,
      duplicate: sound.length - chosen.size,
      kept: chosen.size,
    },
  }
}

/** What two chains share when they reason alike. A chain without equations is known by its words. */
export function equationKey(chain: string): string {
  return keyOf(equationsOf(chain), chain)
}

function keyOf(equations: readonly Equation[], chain: string): string {
  return equations.length > 0 ? equations.map(({ text }) => text).join('|') : chain.replace(/\s+/g, ' ').trim()
}
