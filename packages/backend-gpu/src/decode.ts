import * as tf from '@tensorflow/tfjs-core'
import type { Generation, GenerationPrompt } from '@plumbline/core'
import {
  adaptedWeights,
  causalMask,
  decode,
  decoder,
  embedded,
  embeddingName,
  hideCached,
  logitsOf,
  turned,
  windowsOf,
  type AdapterShape,
  type CompletionRules,
  type ModelConfig,
  type WeightLookup,
} from '@plumbline/transformer'
import { probabilities } from './attention'
import type { Engine } from './engine'
import { TfOps, type RopeTables } from './ops'
import type { TensorMap } from './scoring'
import { Waves, type Cache, type Job, type Running, type WaveModel } from './waves'

type T = tf.Tensor

/** By the window of a layer: 0 where a query sees a key, else −1e9. */
type Masks = ReadonlyMap<number | undefined, T>

/** The computations of sampling with a key-value cache, which {@link Waves} puts together. */
export class Decoder implements WaveModel {
  private readonly ops: TfOps
  private readonly weights: WeightLookup<T>

  constructor(
    private readonly engine: Engine,
    private readonly config: ModelConfig,
    tensors: TensorMap,
    tables: RopeTables,
    private readonly rules: CompletionRules,
    adapter?: AdapterShape,
  ) {
    const { weights, lowRankOf } = adaptedWeights<T>((name) => tensors.get(name)!, adapter)
    this.weights = weights
    this.ops = new TfOps(tables, undefined, lowRankOf)
  }

  async *run(prompts: readonly GenerationPrompt[], signal?: AbortSignal): AsyncGenerator<Generation> {
    const jobs = prompts.flatMap((prompt) => prompt.candidates.map((candidate): Job => ({ prompt, candidate })))
    const waves = new Waves(this, this.rules, this.engine, jobs, signal)
    try {
      yield* decode(waves)
    } finally {
      waves.release()
    }
  }

  /** The prompts side by side, padded at the end. Logits [prompts, vocabulary] of each one's last position. */
  prefill(prompts: readonly GenerationPrompt[], length: number): { logits: T; caches: Cache[] } {
    return this.engine.run(() => {
      const rows = prompts.length * length
      const tokens = new Int32Array(rows)
      for (const [p, { prompt }] of prompts.entries()) tokens.set(prompt, p * length)
      const positions = tf.tensor1d(
        Int32Array.from({ length: rows }, (_, row) => row % length),
        'int32',
      )
      // A padding position is behind every position that is read, so the causal mask hides it.
      const repeat = this.config.heads / this.config.kvHeads
      const masks = this.masks((window) => tf.tile(tf.tensor4d(causalMask(length, window), [1, 1, length, length]), [1, 1, repeat, 1]))
      const { hidden, caches } = this.forward(tokens, positions, prompts.length, masks)
      const last = prompts.map(({ prompt }, p) => p * length + prompt.length - 1)
      return { logits: this.logits(tf.gather(hidden, tf.tensor1d(last, 'int32'))), caches }
    })
  }

  /** One token for every sequence; `made` tokens each stand behind the prompt's `length` positions once it is added. */
  step(sequences: readonly Running[], caches: readonly Cache[], length: number, made: number): { logits: T; caches: Cache[] } {
    return this.engine.run(() => {
      const tokens = Int32Array.from(sequences, ({ completion }) => completion.tokens.at(-1)!)
      const positions = tf.tensor1d(
        sequences.map(({ promptLength }) => promptLength + made - 1),
        'int32',
      )
      const width = length + made
      const masks = this.masks((window) => {
        const seen = new Float32Array(sequences.length * width)
        for (const [s, { promptLength }] of sequences.entries()) {
          hideCached(seen, s * width, { promptLength, width: length }, promptLength + made - 1, window)
        }
        return tf.tensor4d(seen, [sequences.length, 1, 1, width])
      })
      const { hidden, caches: grown } = this.forward(tokens, positions, sequences.length, masks, caches)
      return { logits: this.logits(hidden), caches: grown }
    })
  }

  private masks(make: (window: number | undefined) => T): Masks {
    return new Map(windowsOf(this.config.attention).map((window) => [window, make(window)]))
  }

  /** Rows are `sequences` runs of equal length; `past` stands before them. */
  private forward(
    tokens: Int32Array,
    positions: T,
    sequences: number,
    masks: Masks,
    past?: readonly Cache[],
  ): { hidden: T; caches: Cache[] } {
    const { config, ops, weights } = this
    const caches: Cache[] = []
    const split = (x: T, count: number) => tf.transpose(tf.reshape(x, [sequences, -1, count, config.headDim]), [0, 2, 1, 3])
    const rows = embedded(ops, config, weights, ops.embedding(weights(embeddingName(config)), tf.tensor1d(tokens, 'int32')), positions)
    const hidden = decoder(ops, config, weights, rows, (layer, shape) => (q, k, v) => {
      const { heads, kvHeads, headDim } = shape
      const own = { keys: split(turned(ops, config, shape, k, positions, kvHeads), kvHeads), values: split(v, kvHeads) }
      const before = past?.[layer]
      const keys = before ? tf.concat([before.keys, own.keys], 2) : own.keys
      const values = before ? tf.concat([before.values, own.values], 2) : own.values
      caches.push({ keys, values })
      const queries = tf.reshape(split(turned(ops, config, shape, q, positions, heads), heads), [sequences, kvHeads, -1, headDim])
      const weighted = probabilities(queries, keys, masks.get(shape.window)!, shape)
      const out = tf.reshape(tf.matMul(weighted, values), [sequences, heads, -1, headDim])
      return tf.reshape(tf.transpose(out, [0, 2, 1, 3]), [tokens.length, heads * headDim])
    })
    return { hidden, caches }
  }

  private logits(hidden: T): T {
    return logitsOf(this.ops, this.config, this.weights, hidden)
  }

  /** Caches of the chosen sequences, which may repeat; the old ones are freed. */
  select(caches: readonly Cache[], rows: readonly number[]): Cache[] {
    const chosen = this.engine.run(() => {
      if (rows.length === 0) return []
      const index = tf.tensor1d([...rows], 'int32')
      return caches.map(({ keys, values }) => ({ keys: tf.gather(keys, index), values: tf.gather(values, index) }))
    })
    tf.dispose(caches.flatMap(({ keys, values }) => [keys, values]))
    return chosen
  }
}
