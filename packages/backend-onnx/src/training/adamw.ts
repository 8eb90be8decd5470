import { PlumbError, type AdamWOptions } from '@plumbline/core/base'
import { aligned, type Parameter, type ParameterStore } from './parameters'

/**
 * Clips by the global norm and applies AdamW (arXiv:1711.05101, algorithm 2) as PyTorch's fused implementation does; the
 * gradients are cleared. Decay reaches tensors of two and more dimensions only.
 *
 * @returns the gradients' L2 norm before clipping.
 * @throws PlumbError PLUMB_NON_FINITE_GRADIENT; weights and moments are then unchanged, the gradients cleared.
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
  for (const parameter of store.parameters) update(parameter, options, clip, store.step)
  return gradNorm
}

function squares({ gradient, kernel }: Parameter): number {
  return kernel.squares(gradient.byteOffset, aligned(gradient.byteLength))
}

function update(parameter: Parameter, options: AdamWOptions, clip: number, step: number): void {
  const { weight, gradient, mean, variance, kernel } = parameter
  const [beta1, beta2] = options.betas
  const decay = 1 - options.learningRate * (parameter.shape.length > 1 ? options.weightDecay : 0)
  const stepSize = options.learningRate / (1 - beta1 ** step)
  const unbias = 1 / Math.sqrt(1 - beta2 ** step)
  const [w, g, m, v] = [weight, gradient, mean, variance].map(({ byteOffset }) => byteOffset)
  kernel.update(w, g, m, v, aligned(weight.byteLength), clip, 1 - beta1, beta2, 1 - beta2, decay, stepSize, unbias, options.epsilon)
}
