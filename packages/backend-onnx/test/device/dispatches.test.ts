import { parseModelConfig, type ModelConfig } from '@plumbline/transformer'
import { stepGraph } from '../../src/decode/step-graph'
import { fedWeights } from '../../src/decode/weights'
import { JOINED } from '../../src/graph/attention-layout'
import type { Emitted } from '../../src/graph/emit'
import { Graph } from '../../src/graph/graph'
import { traceTraining } from '../../src/training/training-graph'

/**
 * Nodes that a GPU is given a layer, without those that only look at a tensor in another shape. Each is encoded by the host, which is what a step of a
 * small model waits for. A change that adds nodes to every layer is seen here.
 */
const VIEWS = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Identity'])

const llama = (layers: number): ModelConfig =>
  parseModelConfig(
    {
      model_type: 'llama',
      vocab_size: 64,
      hidden_size: 32,
      intermediate_size: 48,
      num_hidden_layers: layers,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      max_position_embeddings: 64,
      rms_norm_eps: 1e-5,
      tie_word_embeddings: true,
    },
    'a Llama',
  )

/** What one more layer in the middle adds. */
function perLayer(emitted: (config: ModelConfig) => Emitted): number {
  return dispatches(emitted(llama(4))) - dispatches(emitted(llama(3)))
}

function dispatches({ model }: Emitted): number {
  const nodes = fields(fields(model, 7)[0]!, 1)
  const operators = nodes.map((node) => new TextDecoder().decode(fields(node, 4)[0]))
  return operators.filter((operator) => !VIEWS.has(operator)).length
}

/** The values of a length-delimited field of a protobuf message. */
function fields(message: Uint8Array, wanted: number): Uint8Array[] {
  let at = 0
  const varint = () => {
    let [value, shift] = [0, 0]
    for (;;) {
      const byte = message[at++]!
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
      shift += 7
    }
  }
  const found: Uint8Array[] = []
  while (at < message.length) {
    const key = varint()
    const type = key % 8
    if (type === 0) varint()
    else if (type === 5) at += 4
    else {
      const length = varint()
      if (Math.floor(key / 8) === wanted) found.push(message.subarray(at, at + length))
      at += length
    }
  }
  return found
}

const training = (config: ModelConfig) => traceTraining({ config, layout: JOINED }, 'webgpu')

it.each<[string, number, (config: ModelConfig) => Emitted]>([
  ['a forward pass', 23, (config) => training(config).forwardKeeping()],
  ['a backward pass', 90, (config) => training(config).backwardFromKept()],
  [
    'a token',
    29,
    (config) => {
      const graph = new Graph('webgpu')
      return stepGraph(graph, config, fedWeights(graph))
    },
  ],
])('%s has %i a layer', (_, nodes, emitted) => {
  expect(perLayer(emitted)).toBe(nodes)
})
