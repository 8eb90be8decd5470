import type { LinearModule, LoraPlan } from '@plumbline/core/base'
import {
  Dropout,
  withFactors,
  type Adapter,
  type AdapterShape,
  type PackedBatch,
  type PlannedAdapter,
  type Weights,
} from '@plumbline/transformer'
import type { DroppedInput } from '../graph/scoring-ops'
import type { HostTensor } from '../runtime/session'
import { keptInputOf } from './tracing'

/** The factors beside a base, with their optimizer state where they are trained. */
export class AdapterFactors<Store extends { readonly step: number }> {
  readonly shape: AdapterShape
  private readonly initial: Adapter
  private readonly modules: ReadonlyMap<string, LinearModule>
  private readonly dropout: Dropout

  constructor(
    { adapter, modules, shape }: PlannedAdapter,
    { dropout, seed }: Pick<LoraPlan, 'dropout' | 'seed'>,
    /** Holds `factorTensors(adapter)`. */
    readonly store: Store,
  ) {
    this.initial = adapter
    this.modules = new Map(modules.map((module) => [module.name, module]))
    this.shape = shape
    this.dropout = new Dropout(seed, dropout)
  }

  /** The adapter with these factors. */
  adapter(factors: Weights): Adapter {
    return withFactors(this.initial, factors)
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
