import type { LinearModule, LoraPlan, ModelSource } from '@plumbline/core'
import { factorTensors, hubName, initialAdapter, requireSameAdapter, scalingOf, type Adapter, type Factors } from '@plumbline/transformer'
import type { FactorShape } from './process/methods'

/** Factors that are going to be trained. */
export interface PlannedFactors {
  readonly adapter: Adapter
  readonly shape: FactorShape
  readonly shapes: ReadonlyMap<string, readonly number[]>
  readonly seed: number
}

/**
 * What a plan trains: the factors that the model was opened with, or new ones.
 * @throws PlumbError PLUMB_ADAPTER_DIFFERS
 */
export async function plannedFactors(
  plan: LoraPlan,
  source: ModelSource,
  modules: readonly LinearModule[],
  given: Adapter | undefined,
): Promise<PlannedFactors> {
  if (given) requireSameAdapter(given, plan, modules, 'lora')
  const own = given ?? initialAdapter(plan, modules, source.kind === 'adapter' ? undefined : await hubName(source))
  const adapter = { ...own, config: { ...own.config, dropout: plan.dropout } }
  const shapes = new Map([...factorTensors(adapter)].map(([name, { shape }]) => [name, shape]))
  return { adapter, shape: { ...factorShape(adapter), dropout: plan.dropout }, shapes, seed: plan.seed }
}

export function factorShape({ config, factors }: Adapter): FactorShape {
  return { modules: [...factors.keys()], rank: config.rank, scaling: scalingOf(config), dropout: 0 }
}

/** A and B of every module, one behind the other. */
export const factorArrays = (adapter: Adapter): Float32Array[] => [...factorTensors(adapter).values()].map(({ data }) => data)

/** The adapter with the numbers that came. */
export function withArrays({ config, factors }: Adapter, arrays: readonly Float32Array[]): Adapter {
  const own = [...factors].map(([module, { A, B }], i): [string, Factors] => [
    module,
    { A: { shape: A.shape, data: arrays[2 * i]! }, B: { shape: B.shape, data: arrays[2 * i + 1]! } },
  ])
  return { config, factors: new Map(own) }
}
