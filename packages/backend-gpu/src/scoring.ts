import * as tf from '@tensorflow/tfjs-core'
import {
  adaptedWeights,
  packGroups,
  positionsOf,
  ropeTable,
  rowKeys,
  scorePacked,
  type AdapterShape,
  type Dropout,
  type ModelConfig,
  type PackedBatch,
  type PackedGroup,
} from '@plumbline/transformer'
import { planAttention } from './attention'
import type { Engine } from './engine'
import { TfScoringOps, type KeptInputs, type RopeTables } from './ops'

/** Fewest positions that tables are built for: a config may allow a million, of which a run sees a thousand. */
const FEWEST_POSITIONS = 1024

export type TensorMap = ReadonlyMap<string, tf.Tensor>

/** Weights to score with; where an adapter is given, its factors are among them. */
export interface ScoredModel {
  readonly weights: TensorMap
  readonly adapter?: AdapterShape
  /** Drops inputs of the factors, in this optimizer step. */
  readonly dropping?: { readonly dropout: Dropout; readonly step: number }
}

/** Scores and differentiates packed batches. Owns nothing but the rotary tables. */
export class Scorer {
  private built: { readonly positions: number; readonly tables: RopeTables } | undefined

  constructor(
    private readonly engine: Engine,
    private readonly config: ModelConfig,
  ) {}

  /** Log-probs of every token of every completion, in order. [m], the caller's to free */
  logProbs(groups: readonly PackedGroup[], model: ScoredModel): tf.Tensor {
    const batch = packGroups(groups)
    const tables = this.tables(positionsOf(batch))
    return this.engine.run(() => this.model(batch, tables, model, keptIn(groups, batch, model))((name) => model.weights.get(name)!))
  }

  /** Gradient of Σ cotangent · log-prob for the weights of these names, in their order; the caller's to free. */
  gradients(
    groups: readonly PackedGroup[],
    model: ScoredModel,
    cotangents: Float32Array,
    names: readonly string[] = [...model.weights.keys()],
  ): tf.Tensor[] {
    const { weights } = model
    const batch = packGroups(groups)
    const tables = this.tables(positionsOf(batch))
    return this.engine.run(() => {
      const frozen = new Set([...weights].flatMap(([name, weight]) => (names.includes(name) ? [] : [weight])))
      const score = this.model(batch, tables, model, keptIn(groups, batch, model), frozen)
      const trained = (tensors: readonly tf.Tensor[], name: string) => tensors[names.indexOf(name)] ?? weights.get(name)!
      const differentiate = tf.grads((...tensors: tf.Tensor[]) => score((name) => trained(tensors, name)))
      return differentiate(
        names.map((name) => weights.get(name)!),
        tf.tensor1d(cotangents),
      )
    })
  }

  /** Rotary tables of at least so many positions, or of all that the model has; a larger call replaces them. */
  tables(positions: number): RopeTables {
    const asked = Math.min(positions, this.config.maxPositions)
    if (!this.built || this.built.positions < asked) {
      const size = Math.min(this.config.maxPositions, Math.max(asked, 2 * (this.built?.positions ?? 0), FEWEST_POSITIONS))
      this.dispose()
      this.built = { positions: size, tables: this.engine.run(() => ropeTables(this.config, size)) }
    }
    return this.built.tables
  }

  dispose(): void {
    for (const { cosine, sine } of Object.values(this.built?.tables ?? {})) tf.dispose([cosine, sine])
    this.built = undefined
  }

  private model(
    batch: PackedBatch,
    tables: RopeTables,
    { adapter }: ScoredModel,
    kept?: KeptInputs,
    frozen?: ReadonlySet<tf.Tensor>,
  ): (weights: (name: string) => tf.Tensor) => tf.Tensor {
    const plan = planAttention(batch, this.config)
    const inputs = {
      tokens: tf.tensor1d(batch.tokens, 'int32'),
      positions: tf.tensor1d(batch.positions, 'int32'),
      tailPositions: tf.tensor1d(batch.positions.subarray(batch.rows - batch.tailRows), 'int32'),
      scoredRows: tf.tensor1d(batch.scoredRows, 'int32'),
      scoredIds: tf.tensor1d(batch.scoredIds, 'int32'),
    }
    return (given) => {
      const { weights, lowRankOf } = adaptedWeights(given, adapter)
      const ops = new TfScoringOps(tables, plan, frozen, undefined, { lowRankOf, kept })
      return scorePacked(ops, this.config, weights, inputs)
    }
  }
}

/** Which inputs are dropped follows from the rows and the step, so that a backward pass draws what its forward pass drew. */
function keptIn(groups: readonly PackedGroup[], batch: PackedBatch, { dropping }: ScoredModel): KeptInputs | undefined {
  if (dropping === undefined) return undefined
  const { dropout, step } = dropping
  const keys = rowKeys(groups, batch)
  return (module, rows, width) => dropout.kept(module, step, keys.subarray(2 * (batch.rows - rows)), width)
}

function ropeTables({ ropes }: ModelConfig, positions: number): RopeTables {
  const tables = Object.entries(ropes).map(([name, rope]) => {
    const { cosine, sine, half } = ropeTable(rope, positions)
    return [name, { cosine: tf.tensor2d(cosine, [positions, half]), sine: tf.tensor2d(sine, [positions, half]) }]
  })
  return Object.fromEntries(tables) as RopeTables
}
