import { PlumbError, type AdamWOptions } from '@plumbline/core/base'

/** What a step multiplies tensors with. */
export interface AdamWScalars {
  /** Of every gradient: what clipping to the global norm leaves of it (`torch.nn.utils.clip_grad_norm_`). */
  readonly clip: number
  /** 1 − β₁: m ← m + (g − m)·keep1. */
  readonly keep1: number
  readonly beta2: number
  /** 1 − β₂: v ← v·β₂ + g²·keep2. */
  readonly keep2: number
  /** Learning rate over the first moment's bias: w ← w·decay − m·stepSize / (√v·unbias + ε). */
  readonly stepSize: number
  /** Of √v, the second moment's bias. */
  readonly unbias: number
  readonly epsilon: number
  /** Of a tensor of so many dimensions; only those with two and more decay. */
  decay(dimensions: number): number
}

/**
 * The numbers of one AdamW step (arXiv:1711.05101, algorithm 2), rounded as PyTorch's fused implementation rounds them; what is done with
 * them to a tensor is each engine's own kernel.
 *
 * @param gradNorm global L2 norm of the gradients before clipping.
 * @param step counted from 1.
 */
export function adamWScalars(
  { learningRate, betas: [beta1, beta2], epsilon, weightDecay, maxGradNorm }: AdamWOptions,
  gradNorm: number,
  step: number,
): AdamWScalars {
  return {
    clip: maxGradNorm === undefined ? 1 : Math.min(1, maxGradNorm / (gradNorm + 1e-6)),
    keep1: 1 - beta1,
    beta2,
    keep2: 1 - beta2,
    stepSize: learningRate / (1 - beta1 ** step),
    unbias: 1 / Math.sqrt(1 - beta2 ** step),
    epsilon,
    decay: (dimensions) => 1 - learningRate * (dimensions > 1 ? weightDecay : 0),
  }
}

/**
 * The global L2 norm of gradients.
 * @param squares Σ g² of each.
 * @throws PlumbError PLUMB_NON_FINITE_GRADIENT, with the first gradient that is to blame.
 */
export function gradientNorm(squares: ReadonlyMap<string, number>): number {
  const norm = Math.sqrt([...squares.values()].reduce((sum, square) => sum + square, 0))
  if (Number.isFinite(norm)) return norm
  const culprit = [...squares].find(([, square]) => !Number.isFinite(square))?.[0] ?? 'all tensors together'
  throw new PlumbError('PLUMB_NON_FINITE_GRADIENT', `The gradient of ${culprit} is not finite; expected finite numbers.`)
}

/** What a step is rejected with that left weights or moments which are not finite. */
export function nonFiniteWeights(names: readonly string[], { learningRate }: AdamWOptions, step: number): PlumbError {
  const others = names.length > 1 ? ` and ${names.length - 1} more tensors` : ''
  const message =
    `Optimizer step ${step} with the learning rate ${learningRate} made weights or moments of ${names[0]}${others} ` +
    'that are not finite; expected finite numbers. They are not saved.'
  return new PlumbError('PLUMB_NON_FINITE_WEIGHTS', message)
}
