import * as tf from '@tensorflow/tfjs-core'
import { PlumbError } from '../errors'
import type { AlignmentLoss, GroupLabels, LossManifest, ScoredGroup } from '../seams/loss'
import type { TokenLogProbs } from '../seams/policy'
import { onCpu } from './cpu'
import { doubles, valuesOf } from './double'
import { Pairs } from './pairs'

/** One group as plain numbers: its labels and the summed log-probabilities a loss is evaluated at. */
export interface GroupNumbers extends GroupLabels {
  /** Σ_t log p, nats [k]; anything where the loss does not need the candidate. */
  readonly logProbs: readonly number[]
  readonly referenceLogProbs?: readonly number[]
  /** See `ScoredGroup.divergence`. */
  readonly divergence?: number
  /** The pairs of these labels, where the caller has them already. */
  readonly pairs?: Pairs
}

export interface LossAndGradient {
  readonly loss: number
  /** ∂loss/∂logProb [k]; exactly 0 where nothing arrives. */
  readonly gradient: readonly number[]
}

/** A loss that knows its gradient in closed form; it must equal that of `loss`. For losses so simple that a tape is the larger cost. */
export interface ClosedForm {
  lossAndGradient(group: GroupNumbers): LossAndGradient
}

/** Σ_t log p(c_t | q, c_<t) in double precision; 0 for a completion that was not scored. */
export function summed(tokenLogProbs: TokenLogProbs): number {
  let sum = 0
  if (tokenLogProbs) for (const logProb of tokenLogProbs) sum += logProb
  return sum
}

/**
 * {@link summed} for what is written down or compared.
 * @throws PlumbError PLUMB_NON_FINITE_LOGITS with the question's id: of a model that has fallen apart no figure is right.
 */
export function finiteSum(tokenLogProbs: TokenLogProbs, id: string): number {
  const sum = summed(tokenLogProbs)
  if (Number.isFinite(sum)) return sum
  throw new PlumbError('PLUMB_NON_FINITE_LOGITS', `The model's log-probability of a completion of question "${id}" is ${sum}.`, id)
}

/** The pairs that a loss with this kind of feedback compares. */
export function pairsOf(labels: Pick<GroupLabels, 'positive' | 'rewards'>, feedback: LossManifest['feedback']): Pairs {
  return feedback === 'binary' ? Pairs.binary(labels.positive) : Pairs.ranked(labels.rewards)
}

/**
 * Evaluates and differentiates a loss at one group, on the CPU backend, leaving no tensor behind.
 *
 * @throws PlumbError PLUMB_LOSS_RESULT when the loss returns anything but a scalar tensor.
 */
export function lossAndGradient(loss: AlignmentLoss, group: GroupNumbers): LossAndGradient {
  if (hasClosedForm(loss)) return loss.lossAndGradient(group)
  return onCpu(() => {
    let result: LossAndGradient = { loss: 0, gradient: [] }
    tf.tidy(() => {
      result = differentiate(loss, group)
    })
    return result
  })
}

function differentiate(loss: AlignmentLoss, input: GroupNumbers): LossAndGradient {
  const { logProbs, referenceLogProbs, divergence, pairs, k, lengths, positive, rewards, reference } = input
  const labels: GroupLabels = { k, lengths, positive, rewards, reference }
  // all are inputs, so that division and difference are taken once and in double precision; the chain rule joins them below
  const scores = doubles(logProbs.map((l, c) => l / lengths[c]!))
  const sums = doubles(logProbs)
  const ratios = referenceLogProbs && doubles(logProbs.map((l, c) => l - referenceLogProbs[c]!))
  const group: ScoredGroup = {
    ...labels,
    scores,
    logProbs: sums,
    referenceLogProbs: referenceLogProbs && doubles(referenceLogProbs),
    logRatios: ratios,
    divergence,
    pairs: pairs ?? pairsOf(labels, loss.manifest.feedback),
  }
  const inputs = ratios ? [scores, sums, ratios] : [scores, sums]
  const { value, grads } = tf.engine().gradients(() => scalar(loss, group), inputs, undefined, true)
  const [byScore, ...bySum] = (grads as (tf.Tensor | null | undefined)[]).map((gradient) => gradient && valuesOf(gradient))
  return {
    loss: valuesOf(value)[0]!,
    gradient: lengths.map((n, c) => bySum.reduce((sum, by) => sum + (by ? by[c]! : 0), byScore ? byScore[c]! / n : 0)),
  }
}

function scalar(loss: AlignmentLoss, group: ScoredGroup): tf.Scalar {
  const value: unknown = loss.loss(group)
  const tensor = value instanceof tf.Tensor ? (value as tf.Tensor) : undefined
  if (tensor?.rank === 0) return tensor as tf.Scalar
  const got = tensor ? `a tensor of shape [${tensor.shape.join(', ')}]` : typeof value
  throw new PlumbError('PLUMB_LOSS_RESULT', `The loss "${loss.manifest.name}" returned ${got}; a scalar tensor was expected.`)
}

function hasClosedForm(loss: AlignmentLoss): loss is AlignmentLoss & ClosedForm {
  return typeof (loss as Partial<ClosedForm>).lossAndGradient === 'function'
}
