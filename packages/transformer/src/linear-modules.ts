import type { LinearModule } from '@plumbline/core/base'
import type { ModelConfig } from './model-config'
import { parameterList, parameterShapes } from './parameters'

/** Layers are numbered; what stands outside of them (embeddings, the head) carries no adapter. */
const IN_A_LAYER = /\.\d+\..*\.weight$/

/**
 * The linear layers of a model that can carry an adapter, PEFT's `all-linear`, in the order of the computation: its matrices but embeddings
 * and head.
 */
export function linearModules(config: ModelConfig): readonly LinearModule[] {
  return [...parameterShapes(config)].flatMap(([name, [outFeatures, inFeatures, ...rest]]) => {
    if (outFeatures === undefined || inFeatures === undefined || rest.length > 0 || !IN_A_LAYER.test(name)) return []
    return [{ name: name.slice(0, -'.weight'.length), outFeatures, inFeatures }]
  })
}

/** The parameter that a module multiplies with. [out, in] */
export const weightOf = (module: string): string => `${module}.weight`

/** Whether files hold the matrices of these layers as [in, out], as GPT-2's Conv1D does. */
export function hasTransposedModules(config: ModelConfig): boolean {
  return Array.from(parameterList(config)).some(({ name, isTransposed }) => isTransposed && IN_A_LAYER.test(name))
}
