import * as tf from '@tensorflow/tfjs-core'
import type { Activation, AttentionShape, HeadShape, LinearOptions, LowRank, Ops, Rotation, ScoringOps } from '@plumbline/transformer'
import { attention, type AttentionPlan } from './attention'
import { capped, capSlope } from './softcap'
import { differentiable } from './engine'

type T = tf.Tensor

/** Cosine and sine of every position for half of what turns. [positions, dim / 2] */
export type RopeTensors = {
  readonly cosine: tf.Tensor2D
  readonly sine: tf.Tensor2D
}

/** By the name of the rotary embedding. */
export type RopeTables = { readonly [name: string]: RopeTensors }

/** Which inputs of a module are kept, of all rows or of the last ones. [rows, width] */
export type KeptInputs = (module: string, rows: number, width: number) => Uint8Array

/** Factors beside weights in scoring. */
export interface ScoringFactors {
  readonly lowRankOf: (weight: T) => LowRank<T> | undefined
  /** Nothing is dropped when absent. */
  readonly kept?: KeptInputs
}

/** The transformer's operations in TensorFlow.js, each with its gradient. */
export class TfOps implements Ops<T> {
  constructor(
    private readonly tables: RopeTables,
    /** Weights that get no gradient. */
    protected readonly frozen: ReadonlySet<T> = new Set(),
    /** Factors beside a weight, where it has any. */
    private readonly lowRankOf: (weight: T) => LowRank<T> | undefined = () => undefined,
  ) {}

  embedding(table: T, ids: T): T {
    const [vocabulary] = table.shape
    return differentiable(
      [table],
      () => ({ value: tf.gather(table, ids), saved: [] }),
      (dy) => [tf.unsortedSegmentSum(dy, ids as tf.Tensor1D, vocabulary)],
    )
  }

  positioned(x: T, table: T, positions: T): T {
    return this.add(x, this.embedding(table, positions))
  }

  linear(x: T, weight: T, options?: LinearOptions<T>): T {
    const product = this.product(x, weight, options)
    const factors = this.lowRankOf(weight)
    if (factors === undefined) return product
    // x Wᵀ + s · drop(x) Aᵀ Bᵀ
    const inner = this.product(this.dropped(x, factors), factors.A)
    return this.product(this.scale(inner, factors.scaling), factors.B, { residual: product })
  }

  /** The inputs of a module's factors. */
  protected dropped: (x: T, factors: LowRank<T>) => T = (x) => x

  private product(x: T, weight: T, { bias, residual }: LinearOptions<T> = {}): T {
    const trains = !this.frozen.has(weight)
    const trainedBias = bias === undefined || this.frozen.has(bias) ? [] : [bias]
    return differentiable(
      [x, ...(trains ? [weight] : []), ...trainedBias, ...(residual ? [residual] : [])],
      () => {
        const product = tf.matMul(x, weight, false, true)
        const biased = bias ? tf.add(product, bias) : product
        return { value: residual ? tf.add(biased, residual) : biased, saved: [x, weight] }
      },
      // tfjs frees each cotangent by itself, so the residual's is a tensor of its own over the same numbers.
      (dy, [x, weight]) => [
        tf.matMul(dy, weight!),
        ...(trains ? [tf.matMul(dy, x!, true, false)] : []),
        ...trainedBias.map(() => tf.sum(dy, 0)),
        ...(residual ? [tf.clone(dy)] : []),
      ],
    )
  }

  rmsNorm(x: T, weight: T, epsilon: number, parts?: Pick<HeadShape, 'heads' | 'headDim'>): T {
    if (parts) {
      const { heads, headDim } = parts
      return this.reshaped(this.rmsNorm(this.reshaped(x, [-1, headDim]), weight, epsilon), [-1, heads * headDim])
    }
    const trains = !this.frozen.has(weight)
    return differentiable(
      trains ? [x, weight] : [x],
      () => {
        const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon))
        const normed = tf.mul(x, inverse)
        return { value: tf.mul(normed, weight), saved: [normed, inverse, weight] }
      },
      (dy, [normed, inverse, weight]) => {
        // x̂ = x/rms, t = dy·x̂:  ∂w = Σ_rows t,  ∂x = (dy·w − x̂ · mean(t·w)) / rms
        const t = tf.mul(dy, normed!)
        const mean = tf.mean(tf.mul(t, weight!), -1, true)
        const dx = tf.mul(tf.sub(tf.mul(dy, weight!), tf.mul(normed!, mean)), inverse!)
        return trains ? [dx, tf.sum(t, 0)] : [dx]
      },
    )
  }

  layerNorm(x: T, weight: T, bias: T, epsilon: number): T {
    const mean = (value: T) => tf.mean(value, -1, true)
    return differentiable(
      [x, weight, bias],
      () => {
        const centred = tf.sub(x, mean(x))
        const inverse = tf.rsqrt(tf.add(mean(tf.square(centred)), epsilon))
        const normed = tf.mul(centred, inverse)
        return { value: tf.add(tf.mul(normed, weight), bias), saved: [normed, inverse, weight] }
      },
      (dy, [normed, inverse, weight]) => {
        // t = dy·w:  ∂x = (t − mean(t) − x̂ · mean(t·x̂)) / deviation
        const t = tf.mul(dy, weight!)
        const inner = tf.sub(tf.sub(t, mean(t)), tf.mul(normed!, mean(tf.mul(t, normed!))))
        return [tf.mul(inner, inverse!), tf.sum(tf.mul(dy, normed!), 0), tf.sum(dy, 0)]
      },
    )
  }

  rope(x: T, positions: T, rotation: Rotation): T {
    return differentiable(
      [x],
      () => ({ value: this.rotate(x, positions, rotation, 1), saved: [] }),
      (dy) => [this.rotate(dy, positions, rotation, -1)], // the gradient of a rotation is the rotation back
    )
  }

  private rotate(x: T, positions: T, { rope, heads, headDim, dim }: Rotation, direction: 1 | -1): T {
    const [rows, width] = x.shape
    const half = dim / 2
    const byHead = tf.reshape(x, [rows, heads, headDim])
    const part = (from: number, size: number) => tf.slice(byHead, [0, 0, from], [-1, -1, size])
    const [first, second] = [part(0, half), part(half, half)]
    const table = this.tables[rope]!
    const at = (of: tf.Tensor2D) => tf.reshape(tf.gather(of, positions as tf.Tensor1D), [rows, 1, half])
    const cosine = at(table.cosine)
    const sine = tf.mul(at(table.sine), direction)
    const turned = [tf.sub(tf.mul(first, cosine), tf.mul(second, sine)), tf.add(tf.mul(second, cosine), tf.mul(first, sine))]
    return tf.reshape(tf.concat(dim < headDim ? [...turned, part(dim, headDim - dim)] : turned, -1), [rows, width!])
  }

  swiglu(gate: T, up: T): T {
    return differentiable(
      [gate, up],
      () => ({ value: tf.mul(tf.mul(gate, tf.sigmoid(gate)), up), saved: [gate, up] }),
      (dy, [gate, up]) => {
        const sigmoid = tf.sigmoid(gate!)
        const silu = tf.mul(gate!, sigmoid)
        // silu′ = σ + silu − silu·σ
        const slope = tf.sub(tf.add(sigmoid, silu), tf.mul(silu, sigmoid))
        return [tf.mul(tf.mul(dy, up!), slope), tf.mul(dy, silu)]
      },
    )
  }

  activate(x: T, activation: Activation): T {
    return differentiable(
      [x],
      () => ({
        value: activation === 'silu' ? tf.mul(x, tf.sigmoid(x)) : tf.mul(tf.mul(x, 0.5), tf.add(geluTanh(x), 1)),
        saved: [x],
      }),
      (dy, [x]) => {
        if (activation === 'silu') {
          const sigmoid = tf.sigmoid(x!)
          const silu = tf.mul(x!, sigmoid)
          return [tf.mul(dy, tf.sub(tf.add(sigmoid, silu), tf.mul(silu, sigmoid)))]
        }
        // ½(1 + t) + ½x(1 − t²) · √(2/π)(1 + 3 · 0.044715 x²)
        const t = geluTanh(x!)
        const inner = tf.mul(tf.add(tf.mul(tf.square(x!), 3 * GELU.cubic), 1), GELU.root)
        const bent = tf.mul(tf.mul(tf.mul(x!, 0.5), tf.sub(1, tf.square(t))), inner)
        return [tf.mul(dy, tf.add(tf.mul(tf.add(t, 1), 0.5), bent))]
      },
    )
  }

  split(x: T, widths: readonly number[]): T[] {
    const total = widths.reduce((sum, width) => sum + width, 0)
    let from = 0
    return widths.map((width) => {
      const before = from
      from += width
      return differentiable(
        [x],
        () => ({ value: tf.slice(x, [0, before], [-1, width]), saved: [] }),
        (dy) => [
          tf.pad(dy, [
            [0, 0],
            [before, total - before - width],
          ]),
        ],
      )
    })
  }

  add(a: T, b: T): T {
    return differentiable(
      [a, b],
      () => ({ value: tf.add(a, b), saved: [] }),
      (dy) => [tf.clone(dy), tf.clone(dy)],
    )
  }

  multiply(a: T, b: T): T {
    return differentiable(
      [a, b],
      () => ({ value: tf.mul(a, b), saved: [a, b] }),
      (dy, [a, b]) => [tf.mul(dy, b!), tf.mul(dy, a!)],
    )
  }

  scale(x: T, factor: number): T {
    return differentiable(
      [x],
      () => ({ value: tf.mul(x, factor), saved: [] }),
      (dy) => [tf.mul(dy, factor)],
    )
  }

  shift(x: T, by: number): T {
    return differentiable(
      [x],
      () => ({ value: tf.add(x, by), saved: [] }),
      (dy) => [tf.clone(dy)],
    )
  }

  softcap(x: T, cap: number): T {
    return differentiable(
      [x],
      () => ({ value: capped(x, cap), saved: [x] }),
      (dy, [x]) => [tf.mul(dy, capSlope(x!, cap))],
    )
  }

  private reshaped(x: T, shape: number[]): T {
    return differentiable(
      [x],
      () => ({ value: tf.reshape(x, shape), saved: [] }),
      (dy) => [tf.reshape(dy, x.shape)],
    )
  }
}

/** √(2/π) and the cubic term of the tanh form of GELU (arXiv:1606.08415). */
const GELU = { root: Math.sqrt(2 / Math.PI), cubic: 0.044715 }

/** tanh(√(2/π)(x + 0.044715 x³)) */
function geluTanh(x: T): T {
  return tf.tanh(tf.mul(tf.mul(x, tf.add(tf.mul(tf.square(x), GELU.cubic), 1)), GELU.root))
}

/** Logits computed at a time; bounds the memory of the output head to about 256 MB, whatever vocabulary and batch. */
const MAX_LOGITS = 2 ** 26

/** What scoring needs on top, for one packed batch. */
export class TfScoringOps extends TfOps implements ScoringOps<T> {
  constructor(
    tables: RopeTables,
    private readonly plan: AttentionPlan,
    frozen?: ReadonlySet<T>,
    private readonly maxLogits = MAX_LOGITS,
    private readonly factors?: ScoringFactors,
  ) {
    super(tables, frozen, factors?.lowRankOf)
  }

  protected override dropped = (x: T, { module, dropout }: LowRank<T>): T => {
    const { kept } = this.factors ?? {}
    if (kept === undefined) return x
    const [rows, width] = x.shape as [number, number]
    const mask = tf.mul(tf.tensor2d(kept(module, rows, width), [rows, width], 'float32'), 1 / (1 - dropout))
    return differentiable(
      [x],
      () => ({ value: tf.mul(x, mask), saved: [mask] }),
      (dy, [saved]) => [tf.mul(dy, saved!)],
    )
  }

  tail(x: T): T {
    const start = x.shape[0] - this.plan.tailRows
    return differentiable(
      [x],
      () => ({ value: tf.slice(x, [start, 0], [-1, -1]), saved: [] }),
      (dy) => [
        tf.pad(dy, [
          [start, 0],
          [0, 0],
        ]),
      ],
    )
  }

  attention(q: T, k: T, v: T, queries: 'all' | 'tail', shape: AttentionShape): T {
    return attention(this.plan, q, k, v, queries, shape)
  }

  selectedLogProbs(hidden: T, head: T, rows: T, ids: T, cap?: number): T {
    const chosen = ids as tf.Tensor1D
    const [tailRows] = hidden.shape
    const selected = differentiable(
      [hidden],
      () => ({ value: tf.gather(hidden, rows), saved: [] }),
      (dy) => [tf.unsortedSegmentSum(dy, rows as tf.Tensor1D, tailRows)],
    )
    const [count] = chosen.shape
    const [vocabulary] = head.shape
    const step = Math.max(1, Math.floor(this.maxLogits / vocabulary))
    const starts = Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step)
    const part = <R extends tf.Rank>(x: tf.Tensor<R>, start: number) =>
      tf.slice(x, [start, ...x.shape.slice(1).map(() => 0)], [Math.min(step, count - start), ...x.shape.slice(1)])
    const trains = !this.frozen.has(head)
    return differentiable(
      trains ? [selected, head] : [selected],
      () => {
        const values = starts.map((start) =>
          tf.tidy(() => {
            const logits = capped(tf.matMul(part(selected, start), head, false, true), cap)
            const own = part(chosen, start)
            const flat = tf.add<tf.Tensor1D>(tf.mul(tf.range(0, own.shape[0], 1, 'int32'), tf.scalar(vocabulary, 'int32')), own)
            return tf.sub(tf.gather(tf.reshape(logits, [-1]), flat), tf.logSumExp(logits, -1))
          }),
        )
        return { value: tf.concat(values), saved: [selected, head] }
      },
      (dy, [selected, head]) => {
        let dHead: T | undefined
        const dSelected = starts.map((start) => {
          const [dx, dw] = tf.tidy((): T[] => {
            const x = part(selected!, start)
            const logits = tf.matMul(x, head!, false, true)
            const probabilities = tf.softmax(capped(logits, cap))
            const own = part(chosen, start)
            const dCapped = tf.mul(tf.sub(tf.oneHot(own, vocabulary), probabilities), tf.expandDims(part(dy, start), 1))
            const dLogits = cap === undefined ? dCapped : tf.mul(dCapped, capSlope(logits, cap))
            return [tf.matMul(dLogits, head!), ...(trains ? [tf.matMul(dLogits, x, true, false)] : [])]
          })
          if (!trains) return dx!
          const before = dHead
          dHead = before ? tf.add(before, dw!) : dw
          before?.dispose()
          return dx!
        })
        return [tf.concat(dSelected), ...(dHead ? [dHead] : [])]
      },
    )
  }
}
