import { PlumbError, type AdamWOptions } from '@plumbline/core/base'
import { allFinite } from '@plumbline/transformer'
import { aligned, type Parameter, type ParameterStore } from './parameters'

/**
 * Clips by the global norm and applies AdamW (arXiv:1711.05101, algorithm 2) as PyTorch's fused implementation does; the
 * gradients are cleared. Decay reaches tensors of two and more dimensions only.
 *
 * @returns the gradients' L2 norm before clipping.
 * @throws PlumbError PLUMB_NON_FINITE_GRADIENT; weights and moments are then unchanged, the gradients cleared.
 *   PLUMB_NON_FINITE_WEIGHTS when the step itself went beyond float32; the weights are then not to be used.
 */
export function adamWStep(store: ParameterStore, options: AdamWOptions): number {
  const gradNorm = Math.sqrt(store.parameters.reduce((sum, parameter) => sum + squares(parameter), 0))
  if (!Number.isFinite(gradNorm)) {
    const culprit = store.parameters.find((parameter) => !Number.isFinite(squares(parameter)))
    store.clearGradients()
    throw new PlumbError('PLUMB_NON_FINITE_GRADIENT', `The gradient of ${culprit?.name} is not finite; expected finite numbers.`)
  }
  // torch.nn.utils.clip_grad_norm_
  const clip = options.maxGradNorm === undefined ? 1 : Math.min(1, options.maxGradNorm / (gradNorm + 1e-6))
  store.step++
  const suspects = store.parameters.filter((parameter) => !Number.isFinite(update(parameter, options, clip, store.step)))
  // The kernel saw the padding too, which divides 0 by an epsilon of 0.
  const broken = suspects.filter(({ weight, variance }) => !allFinite(weight) || !allFinite(variance))
  if (broken.length > 0)
    throw nonFiniteWeights(
      broken.map(({ name }) => name),
      options,
      store.step,
    )
  return gradNorm
}

/** What a step is rejected with that left weights or moments which are not finite. */
export function nonFiniteWeights(names: readonly string[], { learningRate }: AdamWOptions, step: number): PlumbError {
  const others = names.length > 1 ? ` and ${names.length - 1} more tensors` : ''
  const message =
    `Optimizer step ${step} with the learning rate ${learningRate} made weights or moments of ${names[0]}${others} ` +
    'that are not finite; expected finite numbers. They are not saved.'
  return new PlumbError('PLUMB_NON_FINITE_WEIGHTS', message)
}

function squares({ gradient, kernel }: Parameter): number {
  return kernel.squares(gradient.byteOffset, aligned(gradient.byteLength))
}

function update(parameter: Parameter, options: AdamWOptions, clip: number, step: number): number {
  const { weight, gradient, mean, variance, kernel } = parameter
  const [beta1, beta2] = options.betas
  const decay = 1 - options.learningRate * (parameter.shape.length > 1 ? options.weightDecay : 0)
  const stepSize = options.learningRate / (1 - beta1 ** step)
  const unbias = 1 / Math.sqrt(1 - beta2 ** step)
  const [w, g, m, v] = [weight, gradient, mean, variance].map(({ byteOffset }) => byteOffset)
  const run = mean instanceof Float32Array ? kernel.update : kernel.updateBFloat16
  return run(
    w!,
    g!,
    m!,
    v!,
    aligned(weight.byteLength),
    clip,
    1 - beta1,
    beta2,
    1 - beta2,
    decay,
    stepSize,
    unbias,
    options.epsilon,
  )
}
