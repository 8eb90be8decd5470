import type { AdamWOptions } from '@plumbline/core/base'
import { adamWScalars, allFinite, gradientNorm, nonFiniteWeights, type AdamWScalars } from '@plumbline/transformer'
import { aligned, type Parameter, type ParameterStore } from './parameters'

/**
 * Clips by the global norm and applies AdamW (see `adamWScalars`); the gradients are cleared.
 *
 * @returns the gradients' L2 norm before clipping.
 * @throws PlumbError PLUMB_NON_FINITE_GRADIENT; weights and moments are then unchanged, the gradients cleared.
 *   PLUMB_NON_FINITE_WEIGHTS when the step itself went beyond float32; the weights are then not to be used.
 */
export function adamWStep(store: ParameterStore, options: AdamWOptions): number {
  const gradNorm = normOf(store)
  store.step++
  const scalars = adamWScalars(options, gradNorm, store.step)
  const suspects = store.parameters.filter((parameter) => !Number.isFinite(update(parameter, scalars)))
  // The kernel saw the padding too, which divides 0 by an epsilon of 0.
  const broken = suspects.filter(({ weight, variance }) => !allFinite(weight) || !allFinite(variance))
  if (broken.length > 0) {
    const names = broken.map(({ name }) => name)
    throw nonFiniteWeights(names, options, store.step)
  }
  return gradNorm
}

function normOf(store: ParameterStore): number {
  try {
    return gradientNorm(new Map(store.parameters.map((parameter) => [parameter.name, squares(parameter)])))
  } catch (error) {
    store.clearGradients()
    throw error
  }
}

function squares({ gradient, kernel }: Parameter): number {
  return kernel.squares(gradient.byteOffset, aligned(gradient.byteLength))
}

function update(parameter: Parameter, { clip, keep1, beta2, keep2, decay, stepSize, unbias, epsilon }: AdamWScalars): number {
  const { weight, gradient, mean, variance, kernel, shape } = parameter
  const [w, g, m, v] = [weight, gradient, mean, variance].map(({ byteOffset }) => byteOffset)
  const run = mean instanceof Float32Array ? kernel.update : kernel.updateBFloat16
  return run(w!, g!, m!, v!, aligned(weight.byteLength), clip, keep1, beta2, keep2, decay(shape.length), stepSize, unbias, epsilon)
}
