import * as tf from '@tensorflow/tfjs-core'
import type { HeadShape, Ops, ScoringOps } from '@plumbline/transformer'
import { attention, type AttentionPlan } from './attention'
import { differentiable } from './engine'

type T = tf.Tensor

/** Rotary tables: cosine and sine of every position for half a head. [maxPositions, headDim / 2] */
export type RopeTables = {
  readonly cosine: tf.Tensor2D
  readonly sine: tf.Tensor2D
}

/** The transformer's operations in TensorFlow.js, each with its gradient. */
export class TfOps implements Ops<T> {
  constructor(
    private readonly tables: RopeTables,
    /** Weights that get no gradient. */
    protected readonly frozen: ReadonlySet<T> = new Set(),
  ) {}

  embedding(table: T, ids: T): T {
    const [vocabulary] = table.shape
    return differentiable(
      [table],
      () => ({ value: tf.gather(table, ids), saved: [] }),
      (dy) => [tf.unsortedSegmentSum(dy, ids as tf.Tensor1D, vocabulary)],
    )
  }

  linear(x: T, weight: T, residual?: T): T {
    const trains = !this.frozen.has(weight)
    return differentiable(
      [x, ...(trains ? [weight] : []), ...(residual ? [residual] : [])],
      () => {
        const y = tf.matMul(x, weight, false, true)
        return { value: residual ? tf.add(y, residual) : y, saved: [x, weight] }
      },
      // tfjs frees each cotangent by itself, so the residual's is a tensor of its own over the same numbers.
      (dy, [x, weight]) => [
        tf.matMul(dy, weight!),
        ...(trains ? [tf.matMul(dy, x!, true, false)] : []),
        ...(residual ? [tf.clone(dy)] : []),
      ],
    )
  }

  rmsNorm(x: T, weight: T, epsilon: number): T {
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

  rope(x: T, positions: T, headDim: number): T {
    return differentiable(
      [x],
      () => ({ value: this.rotate(x, positions, headDim, 1), saved: [] }),
      (dy) => [this.rotate(dy, positions, headDim, -1)], // the gradient of a rotation is the rotation back
    )
  }

  private rotate(x: T, positions: T, headDim: number, direction: 1 | -1): T {
    const [rows, width] = x.shape
    const half = headDim / 2
    const heads = tf.reshape(x, [rows, width! / headDim, 2, half])
    const first = tf.reshape(tf.slice(heads, [0, 0, 0, 0], [-1, -1, 1, -1]), [rows, -1, half])
    const second = tf.reshape(tf.slice(heads, [0, 0, 1, 0], [-1, -1, 1, -1]), [rows, -1, half])
    const at = (table: tf.Tensor2D) => tf.reshape(tf.gather(table, positions as tf.Tensor1D), [rows, 1, half])
    const cosine = at(this.tables.cosine)
    const sine = tf.mul(at(this.tables.sine), direction)
    const turned = [tf.sub(tf.mul(first, cosine), tf.mul(second, sine)), tf.add(tf.mul(second, cosine), tf.mul(first, sine))]
    return tf.reshape(tf.concat(turned, -1), [rows, width!])
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
  ) {
    super(tables, frozen)
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

  attention(q: T, k: T, v: T, queries: 'all' | 'tail', shape: HeadShape): T {
    return attention(this.plan, q, k, v, queries, shape)
  }

  selectedLogProbs(hidden: T, head: T, rows: T, ids: T): T {
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
            const logits = tf.matMul(part(selected, start), head, false, true)
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
            const probabilities = tf.softmax(tf.matMul(x, head!, false, true))
            const own = part(chosen, start)
            const dLogits = tf.mul(tf.sub(tf.oneHot(own, vocabulary), probabilities), tf.expandDims(part(dy, start), 1))
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
