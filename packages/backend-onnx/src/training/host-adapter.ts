import type { LinearModule, LoraPlan } from '@plumbline/core/base'
import {
  Dropout,
  factorTensors,
  linearModules,
  scalingOf,
  withFactors,
  type Adapter,
  type AdapterShape,
  type ModelConfig,
  type MomentType,
  type PackedBatch,
  type PlannedAdapter,
} from '@plumbline/transformer'
import type { DroppedInput } from '../graph/scoring-ops'
import type { HostTensor } from '../runtime/session'
import { ParameterStore } from './parameters'
import { keptInputOf } from './training-graph'

/** The factors beside a base, with their optimizer state where they are trained. */
export class HostAdapter {
  readonly store: ParameterStore
  readonly shape: AdapterShape
  private readonly initial: Adapter
  private readonly modules: ReadonlyMap<string, LinearModule>
  private readonly dropout: Dropout

  private constructor({ adapter, modules, shape }: PlannedAdapter, { dropout, seed }: Pick<LoraPlan, 'dropout' | 'seed'>) {
    this.initial = adapter
    this.modules = new Map(modules.map((module) => [module.name, module]))
    this.shape = shape
    this.dropout = new Dropout(seed, dropout)
    this.store = ParameterStore.from(factorTensors(adapter))
  }

  /** Factors that a model was opened with, which drop nothing. */
  static asOpened(adapter: Adapter, config: ModelConfig): HostAdapter {
    const shape = { modules: new Set(adapter.factors.keys()), scaling: scalingOf(adapter.config), dropout: 0 }
    const modules = linearModules(config).filter(({ name }) => shape.modules.has(name))
    return new HostAdapter({ adapter, modules, shape }, { dropout: 0, seed: 0 })
  }

  /** Factors that are going to be trained. */
  static asPlanned(planned: PlannedAdapter, plan: LoraPlan, moments?: MomentType): HostAdapter {
    const adapter = new HostAdapter(planned, plan)
    adapter.store.plan({ frozen: [], moments })
    return adapter
  }

  /** Today's factors; views that the next step changes. */
  get adapter(): Adapter {
    return withFactors(this.initial, this.store.weights)
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
