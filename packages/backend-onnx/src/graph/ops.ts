import type { Activation, LinearOptions, LowRank, Ops, Rotation } from '@plumbline/transformer'
import { plus, type Rule, type Tape } from './autodiff'
import { layerNorm, rmsNorm, rowMean, rowProduct, silu } from './formulations'
import type { Graph, Value } from './graph'
import { addLowRank } from './low-rank'
import { weightGradient } from './weight-gradient'
import { gathered, widened } from './widen'

/**
 * The transformer's operations as ONNX nodes; with a tape they record their gradients. Reads for each rotary table `t` the inputs
 * `t_cosine` and `t_sine`, and for its gradient `t_minus_sine` [positions, dim / 2].
 */
export class OnnxOps implements Ops<Value> {
  constructor(
    protected readonly graph: Graph,
    protected readonly tape?: Tape,
    /** Factors beside a weight, where it has any. */
    private readonly lowRankOf: (weight: Value) => LowRank<Value> | undefined = () => undefined,
  ) {}

  embedding(table: Value, ids: Value): Value {
    return gathered(this.graph, table, ids, 'embedding')
  }

  positioned(x: Value, table: Value, positions: Value, width: number): Value {
    const { graph } = this
    const rows = gathered(graph, table, positions)
    const y = this.alike(x, graph.node('Add', [x, graph.node('Reshape', [rows, graph.ints(-1, width)])], { label: 'positioned' }))
    // Like that of the embedding, the table's gradient is added row by row outside the graph: its rows' cotangent is that of x.
    return this.record(y, [x], (g) => [plus(g)])
  }

  linear(x: Value, weight: Value, { bias, residual }: LinearOptions<Value> = {}): Value {
    const { graph } = this
    const product = graph.node('Gemm', [x, widened(graph, weight, x), residual ?? bias], { attributes: { transB: 1 }, label: 'linear' })
    const whole = residual && bias ? graph.node('Add', [product, bias]) : product
    const factors = this.lowRankOf(weight)
    const added = factors && addLowRank(graph, x, whole, factors, this.keptInput(x, factors))
    const y = this.alike(x, added ? added.y : whole)
    this.keepProduct(y, weight)
    const inputs = [x, weight, ...(factors ? [factors.A, factors.B] : []), ...(residual ? [residual] : []), ...(bias ? [bias] : [])]
    return this.record(y, inputs, (g) => {
      const ofFactors = added?.rules(g)
      return [
        (sum) => {
          const dx = graph.node('Gemm', [g, widened(graph, weight, g), sum], { label: 'linear_dx' })
          return ofFactors ? ofFactors.x(dx) : dx
        },
        weightGradient(graph, g, x),
        ...(ofFactors ? [ofFactors.A, ofFactors.B] : []),
        ...(residual ? [plus(g)] : []),
        ...(bias ? [plus(columnSums(graph, g))] : []),
      ]
    })
  }

  rmsNorm(x: Value, weight: Value, epsilon: number, parts?: { readonly heads: number; readonly headDim: number }): Value {
    const { graph } = this
    if (parts) {
      // Each head as a row of its own.
      const rows = this.reshaped(x, parts.headDim, parts.heads * parts.headDim)
      return this.alike(x, this.reshaped(this.rmsNorm(rows, weight, epsilon), parts.heads * parts.headDim, parts.headDim))
    }
    const { y, inverse } = rmsNorm(graph, x, weight, epsilon, () => this.widthOf(weight))
    this.alike(x, y)
    return this.record(y, [x, weight], (g) => {
      // x̂ = x/rms, t = g·x̂:  ∂w = Σ_rows t,  ∂x = (g·w − x̂ · mean(t·w)) / rms
      const scale = inverse()
      const normed = graph.node('Mul', [x, scale])
      const t = graph.node('Mul', [g, normed])
      const mean = rowProduct(graph, t, weight, () => this.widthOf(weight))
      const inner = graph.node('Sub', [graph.node('Mul', [g, weight]), graph.node('Mul', [normed, mean])])
      return [plus(graph.node('Mul', [inner, scale])), plus(columnSums(graph, t))]
    })
  }

  layerNorm(x: Value, weight: Value, bias: Value, epsilon: number): Value {
    const { graph } = this
    const { y, statistics } = layerNorm(graph, x, weight, bias, epsilon)
    this.alike(x, y)
    return this.record(y, [x, weight, bias], (g) => {
      // x̂ = (x − mean)/deviation, t = g·w:  ∂x = (t − mean(t) − x̂ · mean(t·x̂)) / deviation
      const { mean, inverse } = statistics()
      const normed = graph.node('Mul', [graph.node('Sub', [x, mean]), inverse])
      const t = graph.node('Mul', [g, weight])
      const along = graph.node('Mul', [normed, rowMean(graph, graph.node('Mul', [t, normed]))])
      const inner = graph.node('Sub', [graph.node('Sub', [t, rowMean(graph, t)]), along])
      return [
        plus(graph.node('Mul', [inner, inverse])),
        plus(columnSums(graph, graph.node('Mul', [g, normed]))),
        plus(columnSums(graph, g)),
      ]
    })
  }

  rope(x: Value, positions: Value, { rope, heads, headDim, dim }: Rotation): Value {
    const { graph } = this
    const part: Record<string, number> = dim < headDim ? { num_heads: heads, rotary_embedding_dim: dim } : {}
    // The width of a head is otherwise that of the tables.
    const rotate = (rows: Value, sine: string) => {
      // Every row is a sequence of one token: the operator wants no more tokens in a sequence than the tables have positions.
      const batched = graph.node('Unsqueeze', [rows, graph.ints(1)])
      const turned = graph.node('RotaryEmbedding', [batched, positions, graph.input(`${rope}_cosine`), graph.input(`${rope}_${sine}`)], {
        domain: 'com.microsoft',
        attributes: { interleaved: 0, ...part },
        label: 'rope',
      })
      return graph.node('Squeeze', [turned, graph.ints(1)])
    }
    const y = this.alike(x, rotate(x, 'sine'))
    // The gradient is the rotation back.
    return this.record(y, [x], (g) => [plus(rotate(g, 'minus_sine'))])
  }

  swiglu(gate: Value, up: Value): Value {
    const { graph } = this
    const { y: bent, sigmoid } = silu(graph, gate)
    const y = this.alike(gate, graph.node('Mul', [bent, up]))
    return this.record(y, [gate, up], (g) => {
      // silu' = σ + silu · (1 − σ) = σ + silu − silu·σ
      const slope = graph.node('Sub', [graph.node('Add', [sigmoid(), bent]), graph.node('Mul', [bent, sigmoid()])])
      return [plus(graph.node('Mul', [graph.node('Mul', [g, up]), slope])), plus(graph.node('Mul', [g, bent]))]
    })
  }

  activate(x: Value, activation: Activation): Value {
    const { graph } = this
    const mul = (a: Value, b: Value | number) => graph.node('Mul', [a, typeof b === 'number' ? graph.scalar(b) : b])
    const add = (a: Value, b: Value | number) => graph.node('Add', [a, typeof b === 'number' ? graph.scalar(b) : b])
    if (activation === 'silu') {
      const sigmoid = graph.node('Sigmoid', [x])
      const y = this.alike(x, mul(x, sigmoid))
      return this.record(y, [x], (g) => [plus(mul(g, graph.node('Sub', [add(sigmoid, y), mul(y, sigmoid)])))])
    }
    // ½x(1 + tanh u), u = √(2/π)(x + 0.044715 x³)
    const root = Math.sqrt(2 / Math.PI)
    const square = mul(x, x)
    const tanh = graph.node('Tanh', [mul(x, add(mul(square, root * 0.044715), root))])
    const half = mul(x, 0.5)
    const y = this.alike(x, add(half, mul(half, tanh)))
    return this.record(y, [x], (g) => {
      // ½(1 + t) + ½x(1 − t²) · u′
      const inner = add(mul(square, 3 * root * 0.044715), root)
      const bent = mul(mul(half, graph.node('Sub', [graph.scalar(1), mul(tanh, tanh)])), inner)
      return [plus(mul(g, add(bent, add(mul(tanh, 0.5), 0.5))))]
    })
  }

  split(x: Value, widths: readonly number[]): Value[] {
    const { graph } = this
    const total = widths.reduce((sum, width) => sum + width, 0)
    let from = 0
    return widths.map((width) => {
      const before = from
      from += width
      // Not Split: the runtime's writes an output that nothing reads through a null pointer.
      const part = graph.node('Slice', [x, graph.ints(before), graph.ints(from), graph.ints(1)], { label: 'split' })
      this.alike(x, part)
      return this.record(part, [x], (g) => [plus(graph.node('Pad', [g, graph.ints(0, before, 0, total - before - width)]))])
    })
  }

  add(a: Value, b: Value): Value {
    const y = this.alike(a, this.graph.node('Add', [a, b]))
    return this.record(y, [a, b], (g) => [plus(g), plus(g)])
  }

  multiply(a: Value, b: Value): Value {
    const { graph } = this
    const y = this.alike(a, graph.node('Mul', [a, b]))
    return this.record(y, [a, b], (g) => [plus(graph.node('Mul', [g, b])), plus(graph.node('Mul', [g, a]))])
  }

  scale(x: Value, factor: number): Value {
    const scaled = (value: Value) => this.graph.node('Mul', [value, this.graph.scalar(factor)])
    return this.record(this.alike(x, scaled(x)), [x], (g) => [plus(scaled(g))])
  }

  shift(x: Value, by: number): Value {
    const y = this.alike(x, this.graph.node('Add', [x, this.graph.scalar(by)]))
    return this.record(y, [x], (g) => [plus(g)])
  }

  softcap(x: Value, cap: number): Value {
    const { y, slope } = softcap(this.graph, x, cap)
    return this.record(this.alike(x, y), [x], (g) => [plus(this.graph.node('Mul', [g, slope()]))])
  }

  /** Numbers of a norm's weight; asked by gradients alone. */
  protected widthOf(weight: Value): number {
    throw new Error(`The shape of ${weight.name} is not known`)
  }

  protected record(output: Value, inputs: readonly Value[], rule: Rule): Value {
    return this.tape ? this.tape.record(output, inputs, rule) : output
  }

  /** Says that y has a row for each row of x; who keeps activations wants to know. */
  protected alike(_x: Value, y: Value): Value {
    return y
  }

  /** Which inputs of the factors are kept, where any are dropped. [n, in] */
  protected keptInput: (x: Value, factors: LowRank<Value>) => Value | undefined = () => undefined

  /** The result of a matrix product, which is dear to compute again. */
  protected keepProduct: (y: Value, weight: Value) => void = () => undefined

  private reshaped(x: Value, width: number, before: number): Value {
    const { graph } = this
    const y = graph.node('Reshape', [x, graph.ints(-1, width)])
    return this.record(y, [x], (g) => [plus(graph.node('Reshape', [g, graph.ints(-1, before)]))])
  }
}

/** c · tanh(x / c), and its slope 1 − tanh². */
export function softcap(graph: Graph, x: Value, cap: number): { readonly y: Value; readonly slope: () => Value } {
  const tanh = graph.node('Tanh', [graph.node('Mul', [x, graph.scalar(1 / cap)])])
  return {
    y: graph.node('Mul', [tanh, graph.scalar(cap)], { label: 'softcap' }),
    slope: () => graph.node('Sub', [graph.scalar(1), graph.node('Mul', [tanh, tanh])]),
  }
}

function columnSums(graph: Graph, x: Value): Value {
  return graph.node('ReduceSum', [x, graph.ints(0)], { attributes: { keepdims: 0 } })
}
