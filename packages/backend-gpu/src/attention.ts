import * as tf from '@tensorflow/tfjs-core'
import { firstSeen, MASKED, windowsOf, type AttentionShape, type ModelConfig, type PackedBatch } from '@plumbline/transformer'
import { differentiable } from './engine'
import { capped, capSlope } from './softcap'

type T = tf.Tensor

/** Where rows lie in slots [sequences, length] side by side, and back. Empty slots point one past the last row. */
interface Slots {
  readonly sequences: number
  readonly length: number
  /** [sequences · length] */
  readonly rows: tf.Tensor1D
  /** Slot of every row. [rows] */
  readonly back: tf.Tensor1D
}

/** One packed batch as attention needs it. All tensors belong to whoever made it. */
export interface AttentionPlan {
  readonly promptRows: number
  readonly tailRows: number
  readonly groupOfSlot: tf.Tensor1D
  readonly prompts: Slots
  /** The last prompt row of every group, as rows of the tail. */
  readonly promptTails: Slots
  /** Completion rows, counted from the first of them. */
  readonly completions: Slots
  /** By the window of a layer. */
  readonly masks: ReadonlyMap<number | undefined, Masks>
}

/** 0 where a query sees a key, else −1e9. [sequences, 1, repeat · queries, keys] */
interface Masks {
  readonly prompt: T
  readonly promptTail: T
  readonly completion: T
}

export function planAttention(
  batch: PackedBatch,
  { heads, kvHeads, attention }: Pick<ModelConfig, 'heads' | 'kvHeads' | 'attention'>,
): AttentionPlan {
  const { groups, slots, maxPrompt, maxCompletion, promptRows, rows, promptLengths, groupOfSlot } = batch
  const repeat = heads / kvHeads
  const own = batch.completionSlots.map((row) => (row < 0 ? -1 : row - promptRows))
  return {
    promptRows,
    tailRows: batch.tailRows,
    groupOfSlot: tf.tensor1d(groupOfSlot, 'int32'),
    prompts: slotTensors(batch.promptSlots, groups, maxPrompt, promptRows),
    promptTails: slotTensors(
      Int32Array.from({ length: groups }, (_, g) => g),
      groups,
      1,
      groups,
    ),
    completions: slotTensors(own, slots, maxCompletion, rows - promptRows),
    masks: new Map(windowsOf(attention).map((window) => [window, masksOf(window)])),
  }

  function masksOf(window: number | undefined): Masks {
    const isSeen = (query: number, key: number) => key <= query && key >= firstSeen(query, window)
    return {
      prompt: mask(groups, maxPrompt, maxPrompt, repeat, (_, query, key) => isSeen(query, key)),
      promptTail: mask(groups, 1, maxPrompt, repeat, (g, _, key) => isSeen(promptLengths[g]! - 1, key)),
      completion: mask(slots, maxCompletion, maxPrompt + maxCompletion, repeat, (s, query, key) => {
        const length = promptLengths[groupOfSlot[s]!]!
        // Behind the prompt its padding, then the completion's own keys.
        if (key >= length && key < maxPrompt) return false
        return isSeen(length + query, key < maxPrompt ? key : length + key - maxPrompt)
      }),
    }
  }
}

function slotTensors(slotRows: Int32Array, sequences: number, length: number, count: number): Slots {
  const back = new Int32Array(count)
  for (const [slot, row] of slotRows.entries()) if (row >= 0) back[row] = slot
  return {
    sequences,
    length,
    rows: tf.tensor1d(
      slotRows.map((row) => (row < 0 ? count : row)),
      'int32',
    ),
    back: tf.tensor1d(back, 'int32'),
  }
}

function mask(
  sequences: number,
  queries: number,
  keys: number,
  repeat: number,
  sees: (s: number, query: number, key: number) => boolean,
): T {
  const values = new Float32Array(sequences * queries * keys)
  let i = 0
  for (let s = 0; s < sequences; s++) {
    for (let query = 0; query < queries; query++) {
      for (let key = 0; key < keys; key++) values[i++] = sees(s, query, key) ? 0 : MASKED
    }
  }
  return tf.tile(tf.tensor4d(values, [sequences, 1, queries, keys]), [1, 1, repeat, 1])
}

/**
 * Causal attention inside every sequence of a packed batch; see `ScoringOps.attention`. Rows are set side by side in padded slots
 * for attention only. A group's prompt keys are computed once and repeated for its completions. The scores are computed again
 * in the backward pass: they are the largest tensors of a layer.
 */
export function attention(plan: AttentionPlan, q: T, k: T, v: T, queries: 'all' | 'tail', shape: AttentionShape): T {
  const { headDim, heads, kvHeads } = shape
  const promptQueries = queries === 'all' ? plan.prompts : plan.promptTails
  const masks = plan.masks.get(shape.window)!
  const promptMask = queries === 'all' ? masks.prompt : masks.promptTail
  /** The query rows of prompts stand first. */
  const cut = queries === 'all' ? plan.promptRows : plan.prompts.sequences

  const keysOf = (x: T) => {
    const prompt = toSlots(rowsFrom(x, 0, plan.promptRows), plan.prompts, headDim)
    const own = toSlots(rowsFrom(x, plan.promptRows), plan.completions, headDim)
    return { prompt, completion: tf.concat([tf.gather(prompt, plan.groupOfSlot), own], 2) }
  }
  const queriesOf = (x: T) => ({
    prompt: foldHeads(toSlots(rowsFrom(x, 0, cut), promptQueries, headDim), kvHeads),
    completion: foldHeads(toSlots(rowsFrom(x, cut), plan.completions, headDim), kvHeads),
  })
  const rowsOf = (prompt: T, completion: T) =>
    tf.concat([toRows(unfoldHeads(prompt, heads), promptQueries), toRows(unfoldHeads(completion, heads), plan.completions)])
  /** Cotangents of key slots to those of rows: a prompt's are summed over its completions. */
  const keyRowsOf = (prompt: T, completion: T) => {
    const { length } = plan.prompts
    const shared = tf.slice(completion, [0, 0, 0, 0], [-1, -1, length, -1])
    const own = tf.slice(completion, [0, 0, length, 0], [-1, -1, -1, -1])
    const summed = tf.add(prompt, tf.unsortedSegmentSum(shared, plan.groupOfSlot, plan.prompts.sequences))
    return tf.concat([toRows(summed, plan.prompts), toRows(own, plan.completions)])
  }

  return differentiable(
    [q, k, v],
    () => {
      const [query, key, value] = [queriesOf(q), keysOf(k), keysOf(v)]
      const prompt = tf.matMul(probabilities(query.prompt, key.prompt, promptMask, shape), value.prompt)
      const completion = tf.matMul(probabilities(query.completion, key.completion, masks.completion, shape), value.completion)
      const y = rowsOf(prompt, completion)
      return { value: y, saved: [q, k, v, y] }
    },
    (dy, [q, k, v, y]) => {
      const [query, key, value, dOut, out] = [queriesOf(q!), keysOf(k!), keysOf(v!), queriesOf(dy), queriesOf(y!)]
      const p = attentionGradients(query.prompt, key.prompt, value.prompt, dOut.prompt, out.prompt, promptMask, shape)
      const c = attentionGradients(
        query.completion,
        key.completion,
        value.completion,
        dOut.completion,
        out.completion,
        masks.completion,
        shape,
      )
      return [rowsOf(p.dQuery, c.dQuery), keyRowsOf(p.dKey, c.dKey), keyRowsOf(p.dValue, c.dValue)]
    },
  )
}

/** softmax(cap(scale · q kᵀ) + mask). q [S, kvHeads, repeat · L, headDim], k [S, kvHeads, K, headDim] → [S, kvHeads, repeat · L, K] */
export function probabilities(query: T, key: T, mask: T, shape: AttentionShape): T {
  return tf.softmax(tf.add(capped(scores(query, key, shape), shape.softcap), mask))
}

function scores(query: T, key: T, { scale }: AttentionShape): T {
  return tf.mul(tf.matMul(query, key, false, true), scale)
}

/** Padding queries have a cotangent of exactly zero, so they reach no key. */
function attentionGradients(
  query: T,
  key: T,
  value: T,
  dOut: T,
  out: T,
  mask: T,
  shape: AttentionShape,
): { dQuery: T; dKey: T; dValue: T } {
  const weights = probabilities(query, key, mask, shape)
  // Σ_t p·∂p = ∂out·out, over headDim numbers instead of K.
  const inner = tf.sum(tf.mul(dOut, out), -1, true)
  const dCapped = tf.mul(weights, tf.sub(tf.matMul(dOut, value, false, true), inner))
  const bent = shape.softcap === undefined ? dCapped : tf.mul(dCapped, capSlope(scores(query, key, shape), shape.softcap))
  const dScores = tf.mul(bent, shape.scale)
  return { dQuery: tf.matMul(dScores, key), dKey: tf.matMul(dScores, query, true, false), dValue: tf.matMul(weights, dOut, true, false) }
}

const rowsFrom = (x: T, start: number, count = -1) => tf.slice(x, [start, 0], [count, -1])

/** Rows [n, heads · headDim] to slots [S, heads, L, headDim]; empty slots are zero. */
function toSlots(x: T, { sequences, length, rows }: Slots, headDim: number): T {
  const padded = tf.concat([x, tf.zeros([1, x.shape[1]!])])
  const slots = tf.reshape(tf.gather(padded, rows), [sequences, length, x.shape[1]! / headDim, headDim])
  return tf.transpose(slots, [0, 2, 1, 3])
}

/** The way back; what empty slots hold is dropped. */
function toRows(slots: T, { back }: Slots): T {
  const [sequences, heads, length, headDim] = slots.shape as [number, number, number, number]
  return tf.gather(tf.reshape(tf.transpose(slots, [0, 2, 1, 3]), [sequences * length, heads * headDim]), back)
}

/** Query heads that share keys side by side in the row dimension. [S, heads, L, d] ↔ [S, kvHeads, repeat · L, d] */
const foldHeads = (x: T, kvHeads: number) => tf.reshape(x, [x.shape[0], kvHeads, -1, x.shape[3]!])
const unfoldHeads = (x: T, heads: number) => tf.reshape(x, [x.shape[0], heads, -1, x.shape[3]!])
