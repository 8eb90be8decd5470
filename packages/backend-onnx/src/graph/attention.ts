import type { AttentionShape } from '@plumbline/transformer'
import type { AttentionInputs, BatchInputs } from './batch-inputs'
import { matMul } from './formulations'
import type { Graph, Value } from './graph'
import { softcap } from './ops'

type Queries = 'all' | 'tail'

/** Queries, keys and values with a row for each head of each row. [rows · heads, headDim], k and v [rows · kvHeads, headDim] */
export interface HeadRows {
  readonly q: Value
  readonly k: Value
  readonly v: Value
}

/**
 * Attention over packed rows, block by block (see `AttentionLayout`). Rows are gathered into padded slots, already split by heads
 * ([S, kvHeads, …, headDim]), so one gather is packing, head transposition, and the repetition of a prompt's keys for each of its
 * completions. Query heads that share keys are folded into the row dimension: keys are never repeated for heads.
 */
export function packedAttention(graph: Graph, batch: BatchInputs, { q, k, v }: HeadRows, queries: Queries, shape: AttentionShape): Value {
  const { scaled } = scaling(graph, shape.scale)
  const scaledQ = scaled(q)
  const attended = blocks(batch, queries).map((inputs) => {
    const query = slots(graph, scaledQ, inputs.queries)
    const keys = slots(graph, k, inputs.keys)
    const values = slots(graph, v, inputs.keys)
    return graph.node('MatMul', [probabilities(graph, inputs, query, keys, shape).p, values], { label: 'attention_out' })
  })
  return queryRows(graph, batch, attended, queries, shape)
}

/** Cotangents of q, k and v, [rows, (kv)heads · headDim] each, from that of the result y. */
export function packedAttentionRule(
  graph: Graph,
  batch: BatchInputs,
  { q, k, v }: HeadRows,
  y: Value,
  g: Value,
  queries: Queries,
  shape: AttentionShape,
): [Value, Value, Value] {
  const { headDim, kvHeads } = shape
  const { scaled, inProduct } = scaling(graph, shape.scale)
  const scaledQ = scaled(q)
  const gHeads = flat(graph, g, headDim)
  const centred = graph.device === 'cpu' ? centredByRows(graph, g, y, headDim) : centredInPlace(graph)
  const block = (inputs: AttentionInputs): BlockGradient => {
    const query = slots(graph, scaledQ, inputs.queries)
    const keys = slots(graph, k, inputs.keys)
    const { p, slope } = probabilities(graph, inputs, query, keys, shape)
    // Padding queries must not reach any key: their cotangent is made exactly zero.
    const dOut = graph.node('Mul', [slots(graph, gHeads, inputs.queries), inputs.live])
    const dValues = matMul(graph, p, dOut, { transA: true }, 'attention_dv')
    const dProbabilities = matMul(graph, dOut, slots(graph, v, inputs.keys), { transB: true }, 'attention_dp')
    const dCapped = centred(p, dProbabilities, inputs)
    const dScores = slope ? graph.node('Mul', [dCapped, slope()]) : dCapped
    const dQueries = matMul(graph, dScores, keys, inProduct, 'attention_dq')
    const dKeys = matMul(graph, dScores, query, { ...inProduct, transA: true }, 'attention_dk')
    return batch.layout.inTurn ? together(graph, { dQueries, dKeys, dValues }) : { dQueries, dKeys, dValues }
  }
  const prompt = batch.promptBlocks(queries).map(block)
  const completion = batch.completionBlocks(queries).map((chunks) => chunks.map(block))
  const dQueries = [...prompt, ...completion.flat()].map((part) => part.dQueries)
  const packed = (pick: (part: BlockGradient) => Value) => {
    const ofCompletions = completion.map((chunks) => chunks.map(pick))
    return flat(graph, keyRows(graph, batch, prompt.map(pick), ofCompletions, queries, headDim), kvHeads * headDim)
  }
  return [scaled(queryRows(graph, batch, dQueries, queries, shape)), packed((part) => part.dKeys), packed((part) => part.dValues)]
}

/** From probabilities p and their cotangents to those of the scores below the softmax: p · (∂p − Σ_t p·∂p). */
type Centred = (p: Value, dProbabilities: Value, inputs: AttentionInputs) => Value

/** By Σ_t p·∂p = ∂out·out, which is over headDim numbers instead of T, once for all blocks. */
function centredByRows(graph: Graph, g: Value, y: Value, headDim: number): Centred {
  const products = flat(graph, graph.node('Mul', [g, y]), headDim)
  const inner = graph.node('ReduceSum', [products, graph.ints(-1)], { attributes: { keepdims: 1 } })
  return (p, dProbabilities, { queries, live }) => {
    const own = graph.node('Mul', [graph.node('Gather', [inner, queries], { attributes: { axis: 0 } }), live])
    return graph.node('Mul', [graph.node('Sub', [dProbabilities, own]), p], { label: 'attention_ds' })
  }
}

/** The sum as it stands: more arithmetic and fewer nodes. */
function centredInPlace(graph: Graph): Centred {
  return (p, dProbabilities) => {
    const products = graph.node('Mul', [p, dProbabilities])
    const inner = graph.node('ReduceSum', [products, graph.ints(-1)], { attributes: { keepdims: 1 } })
    return graph.node('Sub', [products, graph.node('Mul', [p, inner])], { label: 'attention_ds' })
  }
}

/**
 * Where the factor of the scores goes: into each product on a CPU, whose operator takes it for nothing; on a GPU into the queries, once for
 * all blocks.
 */
function scaling(graph: Graph, scale: number): { readonly scaled: (x: Value) => Value; readonly inProduct: { readonly alpha?: number } } {
  if (graph.device === 'cpu') return { scaled: (x) => x, inProduct: { alpha: scale } }
  return { scaled: (x) => graph.node('Mul', [x, graph.scalar(scale)], { label: 'scaled' }), inProduct: {} }
}

interface BlockGradient {
  readonly dQueries: Value
  readonly dKeys: Value
  readonly dValues: Value
}

/**
 * The same numbers, none of which is there before all are: zero is added that is made of all three. The runtime would otherwise compute the
 * value cotangents of every block first, which the first weight's gradient wants, and keep every block's probabilities for the rest.
 */
function together(graph: Graph, { dQueries, dKeys, dValues }: BlockGradient): BlockGradient {
  const first = (x: Value) => graph.node('Slice', [x, graph.ints(0, 0, 0, 0), graph.ints(1, 1, 1, 1)])
  const zero = graph.node('Mul', [graph.node('Sum', [first(dQueries), first(dKeys), first(dValues)]), graph.scalar(0)])
  const tied = (x: Value) => graph.node('Add', [x, zero], { label: 'in_turn' })
  return { dQueries: tied(dQueries), dKeys: tied(dKeys), dValues: tied(dValues) }
}

function blocks(batch: BatchInputs, queries: Queries): AttentionInputs[] {
  return [...batch.promptBlocks(queries), ...batch.completionBlocks(queries).flat()]
}

/** softmax(cap(scale · q kᵀ) + mask) in slots, and the slope of the cap where there is one. [S, kvHeads, repeat · L, T] */
function probabilities(
  graph: Graph,
  inputs: AttentionInputs,
  query: Value,
  keys: Value,
  { scale, softcap: cap, window }: AttentionShape,
): { readonly p: Value; readonly slope?: () => Value } {
  const scores = matMul(graph, query, keys, { transB: true, ...scaling(graph, scale).inProduct }, 'attention_scores')
  const capped = cap === undefined ? undefined : softcap(graph, scores, cap)
  const shaped = graph.node('Reshape', [capped?.y ?? scores, inputs.headShape])
  const masked = graph.node('Add', [shaped, mask(graph, inputs, window)], { label: 'attention_masked' })
  const normalised = graph.node('Softmax', [masked], { attributes: { axis: -1 } })
  const p = graph.node('Reshape', [normalised, inputs.matrixShape])
  return capped ? { p, slope: capped.slope } : { p }
}

const masks = new WeakMap<Graph, Map<string, Value>>()

/** 0 where a query sees a key (see `firstSeen`), else a number that leaves exp(…) exactly 0. [S or 1, 1, 1, L, T]; one for all layers of a window. */
function mask(graph: Graph, { keyPositions, queryPositions }: AttentionInputs, window: number | undefined): Value {
  const known = masks.get(graph) ?? new Map<string, Value>()
  masks.set(graph, known)
  const name = `${queryPositions.name} ${window}`
  const made = known.get(name) ?? hidden(graph, keyPositions, queryPositions, window)
  known.set(name, made)
  return made
}

function hidden(graph: Graph, keyPositions: Value, queryPositions: Value, window: number | undefined): Value {
  const isLater = graph.node('Greater', [keyPositions, queryPositions], { dtype: 'bool' })
  const number = (condition: Value, otherwise: Value) =>
    graph.node('Where', [condition, graph.scalar(-1e9), otherwise], { dtype: 'float32', label: 'mask' })
  if (window === undefined) return number(isLater, graph.scalar(0))
  const first = graph.node('Sub', [queryPositions, graph.constant(Int32Array.of(window - 1), [])])
  const isTooEarly = graph.node('Less', [keyPositions, first], { dtype: 'bool' })
  return number(isTooEarly, number(isLater, graph.scalar(0)))
}

/** Query slots of all blocks back to rows. [rows, heads · headDim] */
function queryRows(graph: Graph, batch: BatchInputs, parts: readonly Value[], queries: Queries, { heads, headDim }: AttentionShape): Value {
  const rows = graph.node('Gather', [stacked(graph, parts, headDim), batch.back(queries)], { attributes: { axis: 0 } })
  return flat(graph, rows, heads * headDim)
}

/**
 * Cotangents of key slots back to rows, prompts then completions. A prompt's are summed over its completions by 0/1 products, which
 * cannot race; a completion's own stand in one block of each chunk.
 */
function keyRows(
  graph: Graph,
  batch: BatchInputs,
  prompt: readonly Value[],
  completion: readonly (readonly Value[])[],
  queries: Queries,
  headDim: number,
): Value {
  const rows = graph.ints(0, -1)
  const whole = prompt.map((part, chunk) => (chunk < prompt.length - 1 ? graph.node('Pad', [part, batch.promptChunkPadding(chunk)]) : part))
  let summed = whole.length > 0 ? graph.node('Reshape', [whole.reduce((sum, part) => graph.node('Add', [sum, part])), rows]) : undefined
  const inputs = batch.completionBlocks(queries)
  for (const [c, chunks] of completion.entries()) {
    for (const [i, part] of chunks.entries()) {
      const ofPrompt = graph.node('Slice', [part, graph.ints(0), batch.maxPrompt, graph.ints(2)])
      summed = graph.node('Gemm', [inputs[c]![i]!.slotGroups, graph.node('Reshape', [ofPrompt, rows]), summed], {
        attributes: { transA: 1 },
        label: 'prompt_keys_sum',
      })
    }
  }
  const own = completion[0]!.map((_, chunk) => {
    const ownParts = completion.map((chunks) =>
      graph.node('Slice', [chunks[chunk], batch.maxPrompt, graph.ints(2 ** 31), graph.ints(2)], { label: 'own_keys' }),
    )
    return graph.node('Gather', [stacked(graph, ownParts, headDim), batch.completionKeysBack(chunk)], { attributes: { axis: 0 } })
  })
  const ofPrompts = graph.node('Gather', [flat(graph, summed!, headDim), batch.promptKeysBack], { attributes: { axis: 0 } })
  const ofCompletions = own.reduce((sum, part) => graph.node('Add', [sum, part]))
  return graph.node('Concat', [ofPrompts, ofCompletions], { attributes: { axis: 0 } })
}

/** Slots of several blocks as one list of heads. */
function stacked(graph: Graph, parts: readonly Value[], headDim: number): Value {
  const flattened = parts.map((part) => flat(graph, part, headDim))
  return flattened.length === 1 ? flattened[0]! : graph.node('Concat', flattened, { attributes: { axis: 0 } })
}

/** Rows to slots by heads. x [rows · heads, headDim], index into its rows → index's shape × headDim. */
function slots(graph: Graph, x: Value, index: Value): Value {
  return graph.node('Gather', [x, index], { attributes: { axis: 0 }, label: 'slots' })
}

/** Any tensor as rows of `width` numbers. */
export function flat(graph: Graph, x: Value, width: number): Value {
  return graph.node('Reshape', [x, graph.ints(-1, width)])
}
