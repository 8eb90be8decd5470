import type { HeadShape, ScoringOps } from '@plumbline/transformer'
import { packedAttention, packedAttentionRule } from './attention'
import { plus, type Tape } from './autodiff'
import type { Graph, Value } from './graph'
import { BatchInputs } from './batch-inputs'
import { selectedLogProbs } from './head'
import { weightGradient } from './weight-gradient'

/** The transformer's operations as ONNX nodes with their gradients. */
export class OnnxOps implements ScoringOps<Value> {
  /** Values worth keeping for the backward pass: results of matrix products. Everything else is cheap to compute again. */
  readonly residuals: Value[] = []
  /** The embedded rows: where differentiation ends. */
  embedded: Value | undefined
  /** The rows that the output head reads. [tailRows, d] */
  hidden: Value | undefined
  constructor(
    private readonly graph: Graph,
    private readonly tape: Tape,
    /** Shape of a weight; only gradients and the head need it. */
    private readonly shapeOf: (weight: Value) => readonly number[] = (weight) => {
      throw new Error(`The shape of ${weight.name} is not known`)
    },
    private readonly batch = new BatchInputs(graph),
  ) {}

  embedding(table: Value, ids: Value): Value {
    // Its gradient is added row by row outside the graph: the runtime's ScatterND(add) races on repeated indices
    // (microsoft/onnxruntime#18048). `gradients` is asked for this output instead.
    return (this.embedded = this.graph.node('Gather', [table, ids], { attributes: { axis: 0 }, label: 'embedding' }))
  }

  linear(x: Value, weight: Value, residual?: Value): Value {
    const { graph } = this
    const y = graph.node('Gemm', [x, weight, residual], { attributes: { transB: 1 }, label: 'linear' })
    this.residuals.push(y)
    return this.tape.record(y, residual ? [x, weight, residual] : [x, weight], (g) => [
      (sum) => graph.node('Gemm', [g, weight, sum], { label: 'linear_dx' }),
      weightGradient(graph, g, x, this.shapeOf(weight)),
      plus(g),
    ])
  }

  rmsNorm(x: Value, weight: Value, epsilon: number): Value {
    const { graph } = this
    const [y, inverse] = graph.nodes('SimplifiedLayerNormalization', [x, weight], 2, {
      attributes: { axis: -1, epsilon: { float: epsilon }, stash_type: 1 },
      label: 'rms_norm',
    })
    return this.tape.record(y, [x, weight], (g) => {
      // x̂ = x/rms, t = g·x̂:  ∂w = Σ_rows t,  ∂x = (g·w − x̂ · mean(t·w)) / rms
      const normed = graph.node('Mul', [x, inverse])
      const t = graph.node('Mul', [g, normed])
      const mean = graph.node('ReduceMean', [graph.node('Mul', [t, weight])], { attributes: { axes: [-1], keepdims: 1 } })
      const inner = graph.node('Sub', [graph.node('Mul', [g, weight]), graph.node('Mul', [normed, mean])])
      return [plus(graph.node('Mul', [inner, inverse])), plus(graph.node('ReduceSum', [t, graph.ints(0)], { attributes: { keepdims: 0 } }))]
    })
  }

  rope(x: Value, positions: Value, headDim: number): Value {
    const rotate = (rows: Value, sine: Value) => {
      // Every row is a sequence of one token: the operator wants no more tokens in a sequence than the tables have positions.
      const batched = this.graph.node('Unsqueeze', [rows, this.graph.ints(1)])
      const turned = this.graph.node('RotaryEmbedding', [batched, positions, this.batch.ropeCosine, sine], {
        domain: 'com.microsoft',
        attributes: { interleaved: 0 },
        label: 'rope',
      })
      return this.graph.node('Squeeze', [turned, this.graph.ints(1)])
    }
    void headDim // The tables' width says it.
    const y = rotate(x, this.batch.ropeSine)
    // The gradient is the rotation back.
    return this.tape.record(y, [x], (g) => [plus(rotate(g, this.batch.ropeMinusSine))])
  }

  swiglu(gate: Value, up: Value): Value {
    const { graph } = this
    const sigmoid = graph.node('Sigmoid', [gate])
    const silu = graph.node('Mul', [gate, sigmoid])
    const y = graph.node('Mul', [silu, up])
    return this.tape.record(y, [gate, up], (g) => {
      // silu' = σ + silu · (1 − σ) = σ + silu − silu·σ
      const slope = graph.node('Sub', [graph.node('Add', [sigmoid, silu]), graph.node('Mul', [silu, sigmoid])])
      return [plus(graph.node('Mul', [graph.node('Mul', [g, up]), slope])), plus(graph.node('Mul', [g, silu]))]
    })
  }

  tail(x: Value): Value {
    const { graph, batch } = this
    const y = graph.node('Slice', [x, batch.tailStart, graph.ints(2 ** 31), graph.ints(0)], { label: 'tail' })
    return this.tape.record(y, [x], (g) => [plus(graph.node('Pad', [g, batch.tailPadding]))])
  }

  attention(q: Value, k: Value, v: Value, queries: 'all' | 'tail', shape: HeadShape): Value {
    const y = packedAttention(this.graph, this.batch, q, k, v, queries, shape)
    this.residuals.push(q, k, y)
    return this.tape.record(y, [q, k, v], (g) => packedAttentionRule(this.graph, this.batch, q, k, v, y, g, queries, shape).map(plus))
  }

  /** Reads which rows and words from the batch's inputs, where they stand chunk by chunk. */
  selectedLogProbs(hidden: Value, head: Value): Value {
    this.hidden = hidden
    return selectedLogProbs(this.graph, this.tape, this.batch, this.residuals, this.shapeOf(head), hidden, head)
  }
}
