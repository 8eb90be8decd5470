import type { HeadShape, PackedBatch } from '@plumbline/transformer'
import { completionBlock, JOINED_TAIL_BLOCK, PROMPT_TAIL_BLOCK, promptBlock } from '../graph/attention-layout'
import type { HostTensor } from '../runtime/session'
import { int32, int64 } from '../runtime/tensors'
import type { AttentionBlocks, Block } from './attention-blocks'

type Feeds = Record<string, HostTensor>

/** Seen by no query: larger than every position. */
const NEVER = 2 ** 30

/** Fills the inputs of `BatchInputs` that say which rows attention's blocks hold. */
export function attentionFeeds(batch: PackedBatch, blocks: AttentionBlocks, shape: HeadShape): Feeds {
  const { maxPrompt, groups, promptRows, rows } = batch
  const tailStart = rows - batch.tailRows
  const lastPromptRows: Block = {
    sequences: groups,
    queryRows: Int32Array.from({ length: groups }, (_, g) => tailStart + g),
    queries: 1,
    keyRows: batch.promptSlots,
    keys: maxPrompt,
  }
  const prompt: NamedBlock[] = blocks.prompt.map((block, i) => ({ name: promptBlock(i), ...block }))
  const completion: NamedBlock[][] = blocks.completion.map((chunks, c) =>
    chunks.map((block, i) => ({ name: completionBlock(c, i), ...block })),
  )
  const { joinedTail } = blocks
  const tail: NamedBlock[] = joinedTail
    ? [{ name: JOINED_TAIL_BLOCK, ...joinedTail }]
    : [{ name: PROMPT_TAIL_BLOCK, ...lastPromptRows }, ...completion.flat()]
  const feeds: Feeds = {
    all_back: int32(queriesBack([...prompt, ...completion.flat()], shape, 0, rows)),
    tail_back: int32(queriesBack(tail, shape, tailStart, rows)),
    max_prompt: int64([maxPrompt]),
    prompt_keys_back: int32(keysBack([{ ...lastPromptRows, from: 0 }], shape.kvHeads, 0, promptRows)),
  }
  for (const block of [...prompt, ...completion.flat()]) Object.assign(feeds, blockFeeds(block, batch, shape, 'all'))
  for (const block of tail) Object.assign(feeds, blockFeeds(block, batch, shape, 'tail'))
  for (const [chunk, block] of prompt.entries()) {
    feeds[`prompt_chunk_padding_${chunk}`] = int64([0, 0, 0, 0, 0, 0, maxPrompt - block.keys, 0])
  }
  for (const { name, sequences, groups: groupOf } of [...completion.flat(), ...tail]) {
    if (groupOf) feeds[`${name}_slot_groups`] = { data: membership(groupOf, groups), dims: [sequences, groups] }
  }
  for (let chunk = 0; chunk < blocks.layout.chunks; chunk++) {
    const parts = completion.map((chunks) => ({ ...chunks[chunk]!, from: maxPrompt }))
    feeds[`completion_keys_back_${chunk}`] = int32(keysBack(parts, shape.kvHeads, promptRows, rows))
  }
  return feeds
}

interface NamedBlock extends Block {
  readonly name: string
  /** Of completions. */
  readonly groups?: Int32Array
}

/** What one block is fed; in the `tail` its queries are rows of the tail. */
function blockFeeds(block: NamedBlock, batch: PackedBatch, { heads, kvHeads }: HeadShape, rows: 'all' | 'tail'): Feeds {
  const { name, sequences, queries, keys, queryRows, keyRows } = block
  const repeat = heads / kvHeads
  const position = (outside: number) => (row: number) => (row < 0 ? outside : batch.positions[row]!)
  const offset = rows === 'tail' ? batch.rows - batch.tailRows : 0
  return {
    [`${name}_${rows}_queries`]: headRows(queryRows, offset, sequences, queries, kvHeads, repeat),
    [`${name}_keys`]: headRows(keyRows, 0, sequences, keys, kvHeads, 1),
    [`${name}_query_positions`]: { data: queryRows.map(position(0)), dims: [sequences, 1, 1, queries, 1] },
    [`${name}_key_positions`]: { data: keyRows.map(position(NEVER)), dims: [sequences, 1, 1, 1, keys] },
    [`${name}_live`]: { data: live(queryRows, sequences, queries, repeat), dims: [sequences, 1, repeat * queries, 1] },
    [`${name}_head_shape`]: int64([sequences, kvHeads, repeat, queries, keys]),
    [`${name}_matrix_shape`]: int64([sequences, kvHeads, repeat * queries, keys]),
  }
}

/** Slot rows [sequences, length] to [sequences, kvHeads, repeat · length] rows of x seen as [rows · heads, headDim]; 0 in padding. */
function headRows(slotRows: Int32Array, offset: number, sequences: number, length: number, kvHeads: number, repeat: number): HostTensor {
  const heads = kvHeads * repeat
  const index = new Int32Array(sequences * heads * length)
  let i = 0
  for (let s = 0; s < sequences; s++) {
    for (let head = 0; head < heads; head++) {
      for (let t = 0; t < length; t++) {
        const row = slotRows[s * length + t]!
        index[i++] = row < 0 ? 0 : (row - offset) * heads + head
      }
    }
  }
  return { data: index, dims: [sequences, kvHeads, repeat * length] }
}

/** For the heads of every row of first … end − 1, where they stand among the query slots of the blocks, one behind the other. */
function queriesBack(blocks: readonly Block[], { heads }: HeadShape, first: number, end: number): Int32Array {
  const index = new Int32Array((end - first) * heads)
  let start = 0
  for (const { sequences, queries, queryRows } of blocks) {
    for (let s = 0; s < sequences; s++) {
      for (let t = 0; t < queries; t++) {
        const row = queryRows[s * queries + t]! - first
        if (row < 0) continue
        for (let head = 0; head < heads; head++) index[row * heads + head] = start + (s * heads + head) * queries + t
      }
    }
    start += sequences * heads * queries
  }
  return index
}

/**
 * For the heads of every row of first … end − 1, where they stand among the blocks' key slots from `from` on, one block behind the
 * other. Rows that are in none of them are sent to padding, whose cotangent is zero: the first block's last key.
 */
function keysBack(blocks: readonly (Block & { readonly from: number })[], kvHeads: number, first: number, end: number): Int32Array {
  const padding = blocks[0]!.keys - blocks[0]!.from - 1
  const index = new Int32Array((end - first) * kvHeads).fill(padding)
  let start = 0
  for (const { sequences, keys, keyRows, from } of blocks) {
    const length = keys - from
    for (let s = 0; s < sequences; s++) {
      for (let t = 0; t < length; t++) {
        const row = keyRows[s * keys + from + t]! - first
        if (row < 0) continue
        for (let head = 0; head < kvHeads; head++) index[row * kvHeads + head] = start + (s * kvHeads + head) * length + t
      }
    }
    start += sequences * kvHeads * length
  }
  return index
}

function live(slotRows: Int32Array, sequences: number, length: number, repeat: number): Float32Array {
  const mask = new Float32Array(sequences * repeat * length)
  for (let s = 0; s < sequences; s++) {
    for (let r = 0; r < repeat; r++) {
      for (let t = 0; t < length; t++) mask[(s * repeat + r) * length + t] = slotRows[s * length + t]! < 0 ? 0 : 1
    }
  }
  return mask
}

function membership(groupOfSequence: Int32Array, groups: number): Float32Array {
  const matrix = new Float32Array(groupOfSequence.length * groups)
  for (const [s, group] of groupOfSequence.entries()) if (group >= 0) matrix[s * groups + group] = 1
  return matrix
}
