import type { HeadShape, ScoringOps } from '@plumbline/transformer'
import { flat, packedAttention, packedAttentionRule } from './attention'
import { plus, type Tape } from './autodiff'
import { deviceLogProbs } from './device-head'
import { rmsNorm } from './formulations'
import type { Graph, Value } from './graph'
import { BatchInputs } from './batch-inputs'
import { selectedLogProbs } from './head'
import { weightGradient } from './weight-gradient'

/** A value worth keeping for the backward pass, and its shape: `split` rows of width `width / split` for each row it belongs to. */
export interface Residual {
  readonly value: Value
  readonly width: number
  readonly split: number
  /** One for each tail row, else for each row. */
  readonly tail: boolean
}

/** The transformer's operations as ONNX nodes with their gradients. */
export class OnnxOps implements ScoringOps<Value> {
  /** Results of matrix products. Everything else is cheap to compute again. */
  readonly residuals: Residual[] = []
  private readonly tailValues = new Set<Value>()
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
    if (this.embedded) throw new Error('A second embedding would have no gradient: only one table\u2019s rows are asked for')
    return (this.embedded = this.graph.node('Gather', [table, ids], { attributes: { axis: 0 }, label: 'embedding' }))
  }

  linear(x: Value, weight: Value, residual?: Value): Value {
    const { graph } = this
    const y = this.alike(x, graph.node('Gemm', [x, weight, residual], { attributes: { transB: 1 }, label: 'linear' }))
    this.keep(y, this.shapeOf(weight)[0]!)
    return this.tape.record(y, residual ? [x, weight, residual] : [x, weight], (g) => [
      (sum) => graph.node('Gemm', [g, weight, sum], { label: 'linear_dx' }),
      weightGradient(graph, g, x),
      plus(g),
    ])
  }

  rmsNorm(x: Value, weight: Value, epsilon: number): Value {
    const { graph } = this
    const { y, inverse } = rmsNorm(graph, x, weight, epsilon)
    this.alike(x, y)
    return this.tape.record(y, [x, weight], (g) => {
      // x̂ = x/rms, t = g·x̂:  ∂w = Σ_rows t,  ∂x = (g·w − x̂ · mean(t·w)) / rms
      const scale = inverse()
      const normed = graph.node('Mul', [x, scale])
      const t = graph.node('Mul', [g, normed])
      const mean = graph.node('ReduceMean', [graph.node('Mul', [t, weight])], { attributes: { axes: [-1], keepdims: 1 } })
      const inner = graph.node('Sub', [graph.node('Mul', [g, weight]), graph.node('Mul', [normed, mean])])
      return [plus(graph.node('Mul', [inner, scale])), plus(graph.node('ReduceSum', [t, graph.ints(0)], { attributes: { keepdims: 0 } }))]
    })
  }

  rope(x: Value, positions: Value): Value {
    // The width of a head is that of the tables.
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
    const y = this.alike(x, rotate(x, this.batch.ropeSine))
    // The gradient is the rotation back.
    return this.tape.record(y, [x], (g) => [plus(rotate(g, this.batch.ropeMinusSine))])
  }

  swiglu(gate: Value, up: Value): Value {
    const { graph } = this
    const sigmoid = graph.node('Sigmoid', [gate])
    const silu = graph.node('Mul', [gate, sigmoid])
    const y = this.alike(gate, graph.node('Mul', [silu, up]))
    return this.tape.record(y, [gate, up], (g) => {
      // silu' = σ + silu · (1 − σ) = σ + silu − silu·σ
      const slope = graph.node('Sub', [graph.node('Add', [sigmoid, silu]), graph.node('Mul', [silu, sigmoid])])
      return [plus(graph.node('Mul', [graph.node('Mul', [g, up]), slope])), plus(graph.node('Mul', [g, silu]))]
    })
  }

  tail(x: Value): Value {
    const { graph, batch } = this
    const y = graph.node('Slice', [x, batch.tailStart, graph.ints(2 ** 31), graph.ints(0)], { label: 'tail' })
    this.tailValues.add(y)
    return this.tape.record(y, [x], (g) => [plus(graph.node('Pad', [g, batch.tailPadding]))])
  }

  attention(q: Value, k: Value, v: Value, queries: 'all' | 'tail', shape: HeadShape): Value {
    const { heads, kvHeads, headDim } = shape
    const inputs = { q: flat(this.graph, q, headDim), k: flat(this.graph, k, headDim), v: flat(this.graph, v, headDim) }
    const y = packedAttention(this.graph, this.batch, inputs, queries, shape)
    if (queries === 'tail') this.tailValues.add(y)
    // Kept as they are read: a view of a kept tensor would be a copy.
    this.residuals.push({ value: inputs.q, width: heads * headDim, split: heads, tail: queries === 'tail' })
    this.residuals.push({ value: inputs.k, width: kvHeads * headDim, split: kvHeads, tail: false })
    this.keep(y, heads * headDim)
    return this.tape.record(y, [q, k, v], (g) => packedAttentionRule(this.graph, this.batch, inputs, y, g, queries, shape).map(plus))
  }

  /** Reads which rows and words from the batch's inputs, where they stand chunk by chunk. */
  selectedLogProbs(hidden: Value, head: Value): Value {
    this.hidden = hidden
    const keep = (value: Value, width: number) => this.residuals.push({ value, width, split: 1, tail: true })
    const formulation = this.graph.device === 'cpu' ? selectedLogProbs : deviceLogProbs
    return formulation(this.graph, this.tape, this.batch, keep, this.shapeOf(head)[0]!, hidden, head)
  }

  /** Says that y has a row for each row of x. */
  private alike(x: Value, y: Value): Value {
    if (this.tailValues.has(x)) this.tailValues.add(y)
    return y
  }

  private keep(value: Value, width: number): void {
    this.residuals.push({ value, width, split: 1, tail: this.tailValues.has(value) })
  }
}
