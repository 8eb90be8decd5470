import type { Attribute, Graph, Value } from './graph'

/**
 * What is written differently for each device. The CPU's graphs take the fused operator wherever there is one; the WebGPU provider
 * has no kernel for these, and a node without one is computed on the CPU, with copies both ways.
 */

export interface MatMulOptions {
  readonly transA?: boolean
  readonly transB?: boolean
  /** Factor on the result; on a CPU alone, whose operator has one. */
  readonly alpha?: number
}

/** alpha · op(a) op(b) over the last two of four dimensions. */
export function matMul(graph: Graph, a: Value, b: Value, options: MatMulOptions, label: string): Value {
  if (graph.device === 'cpu') {
    const attributes = Object.entries(options).map(([name, value]) => [name, name === 'alpha' ? { float: value as number } : Number(value)])
    return graph.node('FusedMatMul', [a, b], {
      domain: 'com.microsoft',
      attributes: Object.fromEntries(attributes) as Record<string, Attribute>,
      label,
    })
  }
  const { transA, transB, alpha } = options
  if (alpha !== undefined) throw new Error('No product of a GPU has a factor')
  const transposed = (x: Value) => graph.node('Transpose', [x], { attributes: { perm: [0, 1, 3, 2] } })
  return graph.node('MatMul', [transA ? transposed(a) : a, transB ? transposed(b) : b], { label })
}

/**
 * x / √(mean(x²) + ε) · weight row by row, and the factor 1 / √(mean(x²) + ε) for its gradient. [n, 1]
 *
 * The runtime's operator returns that factor too; on WebGPU the output holds the rows' means instead (seen in 1.30.0), so that it is
 * computed.
 *
 * @param width d
 */
export function rmsNorm(graph: Graph, x: Value, weight: Value, epsilon: number, width: () => number) {
  const attributes = { axis: -1, epsilon: { float: epsilon }, stash_type: 1 }
  const [y, inverse] = graph.nodes('SimplifiedLayerNormalization', [x, weight], 2, { attributes, label: 'rms_norm' })
  if (graph.device === 'cpu') return { y: y!, inverse: (): Value => inverse! }
  return {
    y: y!,
    inverse: (): Value => {
      // √d / √(Σx² + d·ε)
      const squares = graph.node('ReduceSumSquare', [x], { attributes: { axes: [-1], keepdims: 1 } })
      const root = graph.node('Sqrt', [graph.node('Add', [squares, graph.scalar(width() * epsilon)])])
      return graph.node('Div', [graph.scalar(Math.sqrt(width())), root])
    },
  }
}

/** mean(x · weight) row by row. [n, 1] */
export function rowProduct(graph: Graph, x: Value, weight: Value, width: () => number): Value {
  if (graph.device === 'cpu') return rowMean(graph, graph.node('Mul', [x, weight]))
  const column = graph.node('Reshape', [weight, graph.ints(-1, 1)])
  return graph.node('Gemm', [x, column], { attributes: { alpha: { float: 1 / width() } }, label: 'row_product' })
}

/** x · σ(x), and σ(x) for its gradient. On a CPU the one operator takes longer than the two. */
export function silu(graph: Graph, x: Value): { readonly y: Value; readonly sigmoid: () => Value } {
  let made: Value | undefined
  const sigmoid = () => (made ??= graph.node('Sigmoid', [x]))
  if (graph.device === 'cpu') return { y: graph.node('Mul', [x, sigmoid()]), sigmoid }
  return { y: graph.node('QuickGelu', [x], { domain: 'com.microsoft', attributes: { alpha: { float: 1 } }, label: 'silu' }), sigmoid }
}

/**
 * (x − mean) / √(variance + ε) · weight + bias row by row, and what its gradient wants: mean and 1 / √(variance + ε). [n, 1] each, computed
 * again, since the operator's further outputs are not the same on every provider.
 */
export function layerNorm(
  graph: Graph,
  x: Value,
  weight: Value,
  bias: Value,
  epsilon: number,
): { readonly y: Value; readonly statistics: () => { readonly mean: Value; readonly inverse: Value } } {
  const attributes = { axis: -1, epsilon: { float: epsilon }, stash_type: 1 }
  const y = graph.node('LayerNormalization', [x, weight, bias], { attributes, label: 'layer_norm' })
  return {
    y,
    statistics: () => {
      const mean = rowMean(graph, x)
      const centred = graph.node('Sub', [x, mean])
      const variance = rowMean(graph, graph.node('Mul', [centred, centred]))
      const inverse = graph.node('Reciprocal', [graph.node('Sqrt', [graph.node('Add', [variance, graph.scalar(epsilon)])])])
      return { mean, inverse }
    },
  }
}

/** The mean over the last dimension, which stays. */
export function rowMean(graph: Graph, x: Value): Value {
  if (graph.opset === 17) return graph.node('ReduceMean', [x], { attributes: { axes: [-1], keepdims: 1 } })
  return graph.node('ReduceMean', [x, graph.ints(-1)], { attributes: { keepdims: 1 } })
}
