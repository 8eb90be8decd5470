import type { Ops } from '@plumbline/transformer'
import type { Graph, Value } from '../graph/graph'

/** The transformer's operations as ONNX nodes, without gradients. Reads the inputs `rope_cosine` and `rope_sine` [maxPositions, headDim / 2]. */
export class InferenceOps implements Ops<Value> {
  constructor(private readonly graph: Graph) {}

  embedding(table: Value, ids: Value): Value {
    return this.graph.node('Gather', [table, ids], { attributes: { axis: 0 } })
  }

  linear(x: Value, weight: Value, residual?: Value): Value {
    return this.graph.node('Gemm', [x, weight, residual], { attributes: { transB: 1 } })
  }

  rmsNorm(x: Value, weight: Value, epsilon: number): Value {
    return this.graph.node('SimplifiedLayerNormalization', [x, weight], {
      attributes: { axis: -1, epsilon: { float: epsilon }, stash_type: 1 },
    })
  }

  /** positions [n, 1]: every row is a sequence of one token, since the operator wants none longer than its tables. */
  rope(x: Value, positions: Value): Value {
    // The width of a head is that of the tables.
    const { graph } = this
    const rows = graph.node('Unsqueeze', [x, graph.ints(1)])
    const turned = graph.node('RotaryEmbedding', [rows, positions, graph.input('rope_cosine'), graph.input('rope_sine')], {
      domain: 'com.microsoft',
      attributes: { interleaved: 0 },
    })
    return graph.node('Squeeze', [turned, graph.ints(1)])
  }

  swiglu(gate: Value, up: Value): Value {
    const { graph } = this
    return graph.node('Mul', [graph.node('Mul', [gate, graph.node('Sigmoid', [gate])]), up])
  }
}
