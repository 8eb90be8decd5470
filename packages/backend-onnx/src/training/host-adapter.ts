import type { LinearModule, LoraPlan } from '@plumbline/core/base'
import { scalingOf, type Adapter, type AdapterConfig, type Factors, type MomentType, type PackedBatch } from '@plumbline/transformer'
import { factorName, type AdapterShape } from '../graph/low-rank'
import type { DroppedInput } from '../graph/scoring-ops'
import type { HostTensor } from '../runtime/session'
import { Dropout } from './dropout'
import { ParameterStore } from './parameters'
import { keptInputOf } from './training-graph'

/** The factors that are trained beside a base, with their optimizer state. */
export class HostAdapter {
  readonly store: ParameterStore
  readonly shape: AdapterShape
  private readonly config: AdapterConfig
  private readonly modules: ReadonlyMap<string, LinearModule>
  private readonly dropout: Dropout

  constructor({ config, factors }: Adapter, modules: readonly LinearModule[], { dropout, seed }: LoraPlan, moments?: MomentType) {
    this.config = { ...config, dropout }
    this.modules = new Map(modules.map((module) => [module.name, module]))
    this.shape = { modules: new Set(factors.keys()), scaling: scalingOf(config), dropout }
    this.dropout = new Dropout(seed, dropout)
    const tensors = [...factors].flatMap(
      ([module, { A, B }]) =>
        [
          [factorName(module, 'A'), A],
          [factorName(module, 'B'), B],
        ] as const,
    )
    this.store = ParameterStore.from(new Map(tensors))
    this.store.plan({ frozen: [], moments })
  }

  /** Today's factors; views that the next step changes. */
  get adapter(): Adapter {
    const { weights } = this.store
    const factors = [...this.shape.modules].map((module): [string, Factors] => {
      return [module, { A: weights.get(factorName(module, 'A'))!, B: weights.get(factorName(module, 'B'))! }]
    })
    return { config: this.config, factors: new Map(factors) }
  }

  /**
   * Which inputs of each module are kept in this optimizer step.
   * @param keys of the batch's rows (`rowKeys`).
   */
  masks(inputs: readonly DroppedInput[], batch: PackedBatch, keys: Uint32Array): Record<string, HostTensor> {
    const masks: Record<string, HostTensor> = {}
    for (const { module, tail } of inputs) {
      const rows = tail ? keys.subarray(2 * (batch.rows - batch.tailRows)) : keys
      const { inFeatures } = this.modules.get(module)!
      const data = this.dropout.kept(module, this.store.step, rows, inFeatures)
      masks[keptInputOf(module)] = { data, dims: [rows.length / 2, inFeatures] }
    }
    return masks
  }
}
