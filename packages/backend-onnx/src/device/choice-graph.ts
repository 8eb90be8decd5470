import { emit, type Emitted } from '../graph/emit'
import { Graph, type Value } from '../graph/graph'

/** How tokens are chosen, as far as the graph depends on it. */
export interface ChoiceKind {
  /** Drawn at random; else the likeliest. */
  readonly random: boolean
  /** Only the likeliest so many are in the running; all when absent. */
  readonly topK?: number
  /** Only the nucleus is in the running (input `top_p`). */
  readonly nucleus: boolean
}

/** Weights are summed block by block; a search then looks into one block only. */
const BLOCK = 256

/**
 * Chooses a token for each of N rows on a GPU: `TokenChooser` of `@plumbline/transformer` in float32, with the same layout of the unit
 * interval (by id), so that the same number draws the same token up to rounding. Equally likely tokens at the border of a nucleus are
 * all in it.
 *
 * Inputs: `logits` [R, vocabulary], `rows` [N], which of them to choose from; for a random choice `uniforms` [N, 1] in [0, 1), `numbers` =
 * 0 … N − 1 [N, 1], `inverse_temperature` [1] and `top_p` [1].
 * Outputs, all float32: `tokens` [N, 1], exact below 2²⁴; `totals` [N, 1], sums of the weights e^((logit − largest) / temperature), at least 1 unless a logit is not finite.
 *
 * No sum is a matrix product: what a row gets must not depend on how many there are.
 */
export function choiceGraph(vocabulary: number, kind: ChoiceKind): Emitted {
  const graph = new Graph('webgpu')
  const logits = graph.node('Gather', [graph.input('logits'), graph.input('rows', 'int32')], { attributes: { axis: 0 } })
  return emit({ ...choice(graph, logits, vocabulary, kind) })
}

/**
 * The same for every row of logits [R, vocabulary], where the host does not look at each token: `next_ids` [R], int32, are what the next step reads,
 * and `all` [R, C + 2] is the input `before` [R, C] with the tokens and the totals behind it.
 */
export function continuedChoice(
  graph: Graph,
  logits: Value,
  vocabulary: number,
  kind: ChoiceKind,
): { readonly next_ids: Value; readonly all: Value } {
  const { tokens, totals } = choice(graph, logits, vocabulary, kind)
  const all = graph.node('Concat', [graph.input('before'), tokens, totals], { attributes: { axis: 1 } })
  return { next_ids: graph.node('Reshape', [toIndex(graph, tokens), graph.ints(-1)]), all }
}

/** A token for each row of logits, and the sum of its row's weights. [N, 1] each */
function choice(
  graph: Graph,
  logits: Value,
  vocabulary: number,
  { random, topK, nucleus }: ChoiceKind,
): { readonly tokens: Value; readonly totals: Value } {
  const largest = lastMax(graph, logits)
  const weightOf = (x: Value) => {
    const depth = graph.node('Sub', [x, largest])
    return graph.node('Exp', [random ? graph.node('Mul', [depth, graph.input('inverse_temperature')]) : depth])
  }
  const weights = weightOf(logits)
  const totals = lastSum(graph, weights)
  const choose = (running: Value, fraction: Value) => ({ tokens: search(graph, running, vocabulary, fraction, 'LessOrEqual'), totals })
  if (!random) return choose(where(graph, atLeast(graph, logits, largest), 1, 0), graph.scalar(0))

  const size = Math.min(topK ?? vocabulary, vocabulary)
  let running = weights
  if (size < vocabulary || nucleus) {
    const [sorted] = graph.nodes('TopK', [logits, graph.ints(size)], 2, { attributes: { axis: -1 }, label: 'sorted' })
    const border = nucleus
      ? graph.node('GatherElements', [sorted, toIndex(graph, search(graph, weightOf(sorted!), size, graph.input('top_p'), 'Less'))], {
          attributes: { axis: 1 },
        })
      : column(graph, sorted!, size - 1)
    running = where(graph, atLeast(graph, logits, border), weights, 0)
  }
  return choose(running, graph.input('uniforms'))
}

/**
 * The index where the running sum of a row's weights [N, size] passes `fraction` of their total: how many sums are below it (`Less`), or not
 * above (`LessOrEqual`). Never that of a weight of zero. [N, 1]
 */
function search(graph: Graph, weights: Value, size: number, fraction: Value, below: 'Less' | 'LessOrEqual'): Value {
  const count = Math.ceil(size / BLOCK)
  const padding = count * BLOCK - size
  const whole = padding === 0 ? weights : graph.node('Pad', [weights, graph.ints(0, 0, 0, padding)])
  const sums = graph.node('ReduceSum', [graph.node('Reshape', [whole, graph.ints(-1, count, BLOCK)]), graph.ints(-1)], {
    attributes: { keepdims: 0 },
  })
  const reached = cumulative(graph, sums)
  const target = graph.node('Mul', [column(graph, reached, count - 1), fraction])
  const isBelow = graph.node(below, [reached, target], { dtype: 'bool' })
  const block = lastSum(graph, where(graph, isBelow, 1, 0))
  const before = lastMax(graph, where(graph, isBelow, reached, 0))

  const place = graph.node('Add', [graph.node('Mul', [graph.input('numbers'), graph.scalar(count)]), block])
  const blocks = graph.node('Reshape', [whole, graph.ints(-1, BLOCK)])
  const own = graph.node('Gather', [blocks, graph.node('Reshape', [toIndex(graph, place), graph.ints(-1)])], { attributes: { axis: 0 } })
  const inside = cumulative(graph, own)
  // The block's sum was added up in another order: the rest may be a little less than nothing, or as much as there is in the block.
  const rest = graph.node('Relu', [graph.node('Sub', [target, before])])
  const passed = lastSum(graph, where(graph, graph.node(below, [inside, rest], { dtype: 'bool' }), 1, 0))
  const isBeforeLast = graph.node('Less', [inside, lastMax(graph, inside)], { dtype: 'bool' })
  const last = lastSum(graph, where(graph, isBeforeLast, 1, 0))
  const found = where(graph, graph.node('Less', [passed, last], { dtype: 'bool' }), passed, last)
  return graph.node('Add', [graph.node('Mul', [block, graph.scalar(BLOCK)]), found])
}

function where(graph: Graph, condition: Value, yes: Value | number, no: Value | number): Value {
  const value = (x: Value | number) => (typeof x === 'number' ? graph.scalar(x) : x)
  return graph.node('Where', [condition, value(yes), value(no)], { dtype: 'float32' })
}

function atLeast(graph: Graph, x: Value, least: Value): Value {
  return graph.node('GreaterOrEqual', [x, least], { dtype: 'bool' })
}

function lastMax(graph: Graph, x: Value): Value {
  return graph.node('ReduceMax', [x], { attributes: { axes: [-1], keepdims: 1 } })
}

function lastSum(graph: Graph, x: Value): Value {
  return graph.node('ReduceSum', [x, graph.ints(-1)], { attributes: { keepdims: 1 } })
}

function cumulative(graph: Graph, x: Value): Value {
  return graph.node('CumSum', [x, graph.constant(Int32Array.of(1), [])])
}

/** [N, size] → [N, 1] */
function column(graph: Graph, x: Value, index: number): Value {
  return graph.node('Gather', [x, graph.constant(Int32Array.of(index))], { attributes: { axis: 1 } })
}

function toIndex(graph: Graph, x: Value): Value {
  return graph.node('Cast', [x], { attributes: { to: INT32 }, dtype: 'int32' })
}

/** ONNX's number for the element type. */
const INT32 = 6
