import { boundary, BOUNDARY_MARGIN, combination, marginOptions, onlyWithBoundary, pick } from '@plumbline/core'
import type { AlignmentLoss, Constraint, GroupLabels, GroupPairs, GroupScores, LossManifest, ScoredGroup } from '@plumbline/core'
import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
import { larger, sigmoid } from './sigmoid'

/** `detached` is not offered: an undesirable answer sets no level for another one, and without its gradient it would have no part in the loss. */
const OFFERED: readonly Constraint[] = ['none', 'boundary']

export const ktoOptions = z
  .strictObject({
    ...marginOptions('none'),
    constraint: z.enum(['none', 'boundary']).default('none'),
    /** β_k: how soon the value of a gain, and of a loss, saturates. TRL's `beta`. */
    ktoBeta: z.number().positive().default(0.1),
    /** λ_D. */
    desirableWeight: z.number().positive().default(1),
    /** λ_U. */
    undesirableWeight: z.number().positive().default(1),
    /** z_0: how far the policy is from the reference, measured on answers to other questions; or 0, TRL's `apo_zero_unpaired`. */
    referencePoint: z.enum(['mismatched', 'zero']).default('mismatched'),
  })
  .superRefine(onlyWithBoundary('KTO’s own β is ktoBeta'))

export type KtoOptions = z.output<typeof ktoOptions>

/**
 * Kahneman-Tversky Optimization (arXiv:2402.01306): desirable answers should gain over the reference policy, undesirable ones should lose, each
 * by itself and with ever less weight the further it is from the reference point.
 *
 * Shapes: logRatios [k], nats summed over the completion, in double precision. Unit: sequence.
 */
export class Kto implements AlignmentLoss {
  readonly manifest: LossManifest
  private readonly options: KtoOptions

  constructor(options: z.input<typeof ktoOptions> = {}) {
    this.options = ktoOptions.parse(options)
    const { constraint, beta = BOUNDARY_MARGIN, referencePoint } = this.options
    this.manifest = {
      name: 'kto',
      feedback: 'binary',
      needsReference: true,
      needsDivergence: referencePoint === 'mismatched',
      unit: 'sequence',
      constraint,
      beta,
      constraints: OFFERED,
      paper: 'arXiv:2402.01306',
    }
  }

  /** Eq. 7: Σ λ_D (1 − σ(β_k (r − z_0))) over the desirable, Σ λ_U (1 − σ(β_k (z_0 − r))) over the undesirable. */
  loss({ logRatios, lengths, positive, pairs, divergence }: ScoredGroup): tf.Scalar {
    const { constraint, desirableWeight, undesirableWeight } = this.options
    const z_0 = this.manifest.needsDivergence ? divergence! : 0
    const ratio = logRatios! // r = log π(c|q) − log π_ref(c|q), [k]
    const desirable = pick(ratio, where(positive, true))
    const undesirable = pick(ratio, where(positive, false))
    const gain = this.value(desirable, -1, z_0).mul(desirableWeight) // 1 − σ(x) = σ(−x)
    if (constraint !== 'boundary' || pairs.isEmpty) return gain.add(this.value(undesirable, 1, z_0).mul(undesirableWeight))
    const B = this.boundaryOf(ratio, lengths, positive, pairs)
    const push = this.value(larger(undesirable, B), 1, z_0) // ends at B
    const pull = tf.relu(combination([B, STEEPEST * this.options.ktoBeta], [undesirable, -STEEPEST * this.options.ktoBeta])).sum()
    return gain.add(push.add(pull).mul(undesirableWeight))
  }

  /** Σ σ(± β_k (r − z_0)). */
  private value(ratios: tf.Tensor1D, sign: 1 | -1, z_0: number): tf.Scalar {
    return sigmoid(ratios, sign * this.options.ktoBeta, z_0).sum()
  }

  /** B of every undesirable answer: the least ratio of a desirable one to the same question, less β a token. */
  private boundaryOf(ratio: tf.Tensor1D, lengths: readonly number[], positive: readonly boolean[], pairs: GroupPairs): tf.Tensor1D {
    const { beta = BOUNDARY_MARGIN, boundaryGradient } = this.options
    const band = lengths.map((n) => beta * n) // β is per token, the ratio is a sum
    const B = boundary(ratio, pairs, band, { gradient: boundaryGradient }) // the same in every pair of an undesirable answer
    return pick(
      B,
      where(positive, false).map((c) => pairs.worseIndex.indexOf(c)),
    )
  }

  /** The mean is over sequences, desirable or not. */
  units({ k }: GroupLabels): number {
    return k
  }

  needed({ k }: GroupLabels): readonly boolean[] {
    return Array.from({ length: k }, () => true)
  }

  /** Named as TRL names them. */
  metrics({ positive, logProbs, referenceLogProbs, divergence }: GroupScores): Readonly<Record<string, number>> {
    if (!referenceLogProbs) return {}
    const reward = (c: number) => this.options.ktoBeta * (logProbs[c]! - referenceLogProbs[c]!)
    const mean = (index: readonly number[]) => index.reduce((sum, c) => sum + reward(c), 0) / index.length
    const [chosen, rejected] = [where(positive, true), where(positive, false)]
    return {
      ...(chosen.length > 0 ? { 'rewards/chosen': mean(chosen) } : {}),
      ...(rejected.length > 0 ? { 'rewards/rejected': mean(rejected) } : {}),
      ...(chosen.length > 0 && rejected.length > 0 ? { 'rewards/margins': mean(chosen) - mean(rejected) } : {}),
      ...(divergence === undefined ? {} : { kl: divergence }),
    }
  }
}

/** The largest slope of σ: below the boundary the pull is as strong as the push can be. */
const STEEPEST = 1 / 4

function where(positive: readonly boolean[], is: boolean): number[] {
  return positive.flatMap((isDesirable, c) => (isDesirable === is ? [c] : []))
}
