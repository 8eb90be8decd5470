import { loraModules, type LinearModule, type LoraPlan, type ModelSource } from '@plumbline/core/base'
import { initialAdapter, readAdapter, requireSameAdapter, type Adapter, type Factors } from './adapter'
import { scalingOf } from './adapter-config'
import type { WeightLookup } from './architecture'
import { hubName } from './hub-name'
import { linearModules } from './linear-modules'
import type { ModelConfig } from './model-config'
import type { WeightTensor, Weights } from './safetensors'

/** Factors beside a weight W [out, in]: a product with it gives x Wᵀ + s · drop(x) Aᵀ Bᵀ (LoRA, arXiv:2106.09685). */
export interface LowRank<T> {
  readonly module: string
  /** [rank, in] */
  readonly A: T
  /** [out, rank] */
  readonly B: T
  /** s */
  readonly scaling: number
  /** Probability that an input of A is set to 0 where a mask says which are. */
  readonly dropout: number
}

/** Which modules have factors, and how they count. */
export interface AdapterShape {
  /** Names, e.g. `model.layers.0.self_attn.q_proj`. */
  readonly modules: ReadonlySet<string>
  readonly scaling: number
  readonly dropout: number
}

/** The name of a factor among a model's weights. */
export const factorName = (module: string, factor: 'A' | 'B') => `${module}.lora_${factor}.weight`

/** A model's weights, which remember which of them have factors. The factors are found by `factorName`. */
export function adaptedWeights<T>(weights: WeightLookup<T>, adapter: AdapterShape | undefined) {
  const found = new Map<T, LowRank<T>>()
  const lookup: WeightLookup<T> = (name) => {
    const value = weights(name)
    const module = name.replace(/\.weight$/, '')
    if (adapter?.modules.has(module) && name.endsWith('.weight') && !found.has(value)) {
      const { scaling, dropout } = adapter
      found.set(value, { module, A: weights(factorName(module, 'A')), B: weights(factorName(module, 'B')), scaling, dropout })
    }
    return value
  }
  return { weights: lookup, lowRankOf: (weight: T) => found.get(weight) }
}

/** An adapter that is going to be trained. */
export interface PlannedAdapter {
  readonly adapter: Adapter
  readonly modules: readonly LinearModule[]
  readonly shape: AdapterShape
}

/**
 * What a plan trains: the factors that the model was opened with, or new ones. Its dropout is the plan's.
 * @throws PlumbError PLUMB_LORA_TARGET, PLUMB_LORA_RANK, PLUMB_ADAPTER_DIFFERS, and those of `readAdapter`.
 */
export async function plannedAdapter(plan: LoraPlan, source: ModelSource, config: ModelConfig): Promise<PlannedAdapter> {
  const modules = loraModules(plan, linearModules(config), 'lora')
  const given = source.kind === 'adapter' ? await readAdapter(source.path, config) : undefined
  if (given) requireSameAdapter(given, plan, modules, 'lora')
  const own = given ?? initialAdapter(plan, modules, source.kind === 'adapter' ? undefined : await hubName(source))
  const adapter = { ...own, config: { ...own.config, dropout: plan.dropout } }
  const shape = { modules: new Set(adapter.factors.keys()), scaling: scalingOf(adapter.config), dropout: plan.dropout }
  return { adapter, modules, shape }
}

/** All factors by the names they have among weights. */
export function factorTensors({ factors }: Adapter): Map<string, WeightTensor> {
  const tensors = new Map<string, WeightTensor>()
  for (const [module, { A, B }] of factors) tensors.set(factorName(module, 'A'), A).set(factorName(module, 'B'), B)
  return tensors
}

/** An adapter with the factors that stand among these weights. */
export function withFactors({ config, factors }: Adapter, weights: Weights): Adapter {
  const own = [...factors.keys()].map((module): [string, Factors] => {
    return [module, { A: weights.get(factorName(module, 'A'))!, B: weights.get(factorName(module, 'B'))! }]
  })
  return { config, factors: new Map(own) }
}
