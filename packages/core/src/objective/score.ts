import * as tf from '@tensorflow/tfjs-core'
import { PlumbError } from '../errors'
import type { AlignmentLoss, GroupLabels, LossManifest, ScoredGroup } from '../seams/loss'
import type { TokenLogProbs } from '../seams/policy'
import { onCpu } from './cpu'
import { Pairs } from './pairs'

/** One group as plain numbers: its labels and the summed log-probabilities a loss is evaluated at. */
export interface GroupNumbers extends GroupLabels {
  /** Σ_t log p, nats [k]; anything where the loss does not need the candidate. */
  readonly logProbs: readonly number[]
  readonly referenceLogProbs?: readonly number[]
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
  const { logProbs, referenceLogProbs, pairs, k, lengths, positive, rewards, reference } = input
  const labels: GroupLabels = { k, lengths, positive, rewards, reference }
  // both are inputs, so that the division is done once and in double precision; the chain rule joins them below
  const scores = tf.tensor1d(logProbs.map((l, c) => l / lengths[c]))
  const sums = tf.tensor1d([...logProbs])
  const group: ScoredGroup = {
    ...labels,
    scores,
    logProbs: sums,
    referenceLogProbs: referenceLogProbs && tf.tensor1d([...referenceLogProbs]),
    pairs: pairs ?? pairsOf(labels, loss.manifest.feedback),
  }
  const { value, grads } = tf.engine().gradients(() => scalar(loss, group), [scores, sums], undefined, true)
  // A gradient is null, whatever its type says, where the loss does not read the tensor.
  const found: readonly (tf.Tensor | null | undefined)[] = grads
  const byScore = found[0]?.dataSync()
  const bySum = found[1]?.dataSync()
  return {
    loss: value.dataSync()[0],
    gradient: lengths.map((n, c) => (byScore ? byScore[c] / n : 0) + (bySum ? bySum[c] : 0)),
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
