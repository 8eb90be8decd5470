import * as tf from '@tensorflow/tfjs-core'
import { packGroups, scorePacked, type ModelConfig, type PackedBatch, type PackedGroup } from '@plumbline/transformer'
import { planAttention } from './attention'
import type { Engine } from './engine'
import { TfScoringOps, type RopeTables } from './ops'

export type TensorMap = ReadonlyMap<string, tf.Tensor>

/** Scores and differentiates packed batches. Owns nothing but the rotary tables. */
export class Scorer {
  readonly tables: RopeTables

  constructor(
    private readonly engine: Engine,
    private readonly config: ModelConfig,
  ) {
    this.tables = engine.run(() => ropeTables(config))
  }

  /** Log-probs of every token of every completion, in order. [m], the caller's to free */
  logProbs(groups: readonly PackedGroup[], weights: TensorMap): tf.Tensor {
    return this.engine.run(() => this.model(packGroups(groups))((name) => weights.get(name)!))
  }

  /** Gradient of Σ cotangent · log-prob for the weights of these names, in their order; the caller's to free. */
  gradients(
    groups: readonly PackedGroup[],
    weights: TensorMap,
    cotangents: Float32Array,
    names: readonly string[] = [...weights.keys()],
  ): tf.Tensor[] {
    return this.engine.run(() => {
      const frozen = new Set([...weights].flatMap(([name, weight]) => (names.includes(name) ? [] : [weight])))
      const score = this.model(packGroups(groups), frozen)
      const trained = (tensors: readonly tf.Tensor[], name: string) => tensors[names.indexOf(name)] ?? weights.get(name)!
      const differentiate = tf.grads((...tensors: tf.Tensor[]) => score((name) => trained(tensors, name)))
      return differentiate(
        names.map((name) => weights.get(name)!),
        tf.tensor1d(cotangents),
      )
    })
  }

  dispose(): void {
    tf.dispose([this.tables.cosine, this.tables.sine])
  }

  private model(batch: PackedBatch, frozen?: ReadonlySet<tf.Tensor>): (weights: (name: string) => tf.Tensor) => tf.Tensor {
    const ops = new TfScoringOps(this.tables, planAttention(batch, this.config), frozen)
    const inputs = {
      tokens: tf.tensor1d(batch.tokens, 'int32'),
      positions: tf.tensor1d(batch.positions, 'int32'),
      tailPositions: tf.tensor1d(batch.positions.subarray(batch.rows - batch.tailRows), 'int32'),
      scoredRows: tf.tensor1d(batch.scoredRows, 'int32'),
      scoredIds: tf.tensor1d(batch.scoredIds, 'int32'),
    }
    return (weights) => scorePacked(ops, this.config, weights, inputs)
  }
}

/** As Hugging Face computes them: angles in float32. */
function ropeTables({ maxPositions, headDim, ropeTheta }: ModelConfig): RopeTables {
  const half = headDim / 2
  const angles = new Float32Array(maxPositions * half)
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(1 / Math.fround(ropeTheta ** Math.fround((2 * i) / headDim)))
    for (let position = 0; position < maxPositions; position++) angles[position * half + i] = position * frequency
  }
  return { cosine: tf.tensor2d(angles.map(Math.cos), [maxPositions, half]), sine: tf.tensor2d(angles.map(Math.sin), [maxPositions, half]) }
}
