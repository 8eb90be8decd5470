import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Objective } from '@plumbline/core'
import { TINY, type TinyGroup } from './tiny'

export type PeerLoss = 'sft' | 'aft-none' | 'aft-dc' | 'aft-bc'

interface Parity {
  scores_step0: Record<string, { mean_logprob: number[] }>
  losses: Record<PeerLoss, { steps: { loss: number; grad_norm: number }[]; scores_end: Record<string, { mean_logprob: number[] }> }>
}

/** What the PyTorch peer found on this workload. */
export const parity = JSON.parse(readFileSync(join(TINY, 'parity.json'), 'utf8')) as Parity

const BETA = 0.15

/** The peer's losses (`align_torch.py`) with their gradients written out: mean token NLL of the reference, plus L_A (MATH.md). */
export function peerObjective(name: PeerLoss, groups: readonly TinyGroup[]): Objective {
  return (batch) => {
    let loss = 0
    const cotangents = batch.map(({ index, tokenLogProbs }) => {
      const group = groups[index]!
      const scores = tokenLogProbs.map((values) => (values ? values.reduce((sum, value) => sum + value, 0) / values.length : 0))
      const gradient = scores.map(() => 0)
      loss -= scores[group.reference]! / groups.length
      gradient[group.reference]! -= 1
      if (name !== 'sft') loss += align(name, scores, group.positive, gradient) / groups.length
      return gradient.map((value, c) => value / groups.length / group.completions[c]!.length)
    })
    return { loss, cotangents }
  }
}

/** log(1 + ΣΣ exp(…)); adds ∂/∂scores to `gradient`. */
function align(name: PeerLoss, scores: readonly number[], positive: readonly boolean[], gradient: number[]): number {
  const better = scores.flatMap((_, i) => (positive[i] ? [i] : []))
  const worse = scores.flatMap((_, i) => (positive[i] ? [] : [i]))
  const boundary = Math.min(...better.map((p) => scores[p]!)) - BETA
  const terms: { value: number; parts: [number, number][] }[] = []
  for (const p of better) {
    for (const n of worse) {
      const pushed: [number, number][] = name === 'aft-dc' ? [[p, -1]] : [[p, -1], [n, 1]] // prettier-ignore
      terms.push({ value: Math.exp(scores[n]! - scores[p]!), parts: pushed })
      if (name === 'aft-bc') terms.push({ value: Math.exp(2 * boundary - scores[p]! - scores[n]!), parts: [[p, -1], [n, -1]] }) // prettier-ignore
    }
  }
  const total = terms.reduce((sum, { value }) => sum + value, 1)
  for (const { value, parts } of terms) for (const [i, sign] of parts) gradient[i]! += (sign * value) / total
  return Math.log(total)
}
