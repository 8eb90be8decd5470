import type { PackedBatch } from '@plumbline/transformer'
import { BLOCKED, JOINED, PLAIN, type AttentionLayout } from '../graph/attention-layout'

/** Which rows one attention block holds, side by side in padded slots; −1 is padding. */
export interface Block {
  readonly sequences: number
  /** [sequences · queries] */
  readonly queryRows: Int32Array
  readonly queries: number
  /** [sequences · keys] */
  readonly keyRows: Int32Array
  readonly keys: number
}

/** Completions' keys stand behind the prompt's: from position `maxPrompt` of the batch on. */
export interface CompletionBlock extends Block {
  /** Group of each sequence, −1 for a sequence that stands for none. [sequences] */
  readonly groups: Int32Array
}

export interface AttentionBlocks {
  readonly layout: AttentionLayout
  readonly prompt: readonly Block[]
  /** By class and chunk. */
  readonly completion: readonly (readonly CompletionBlock[])[]
  /** Where prompts stand among the completions: the same with the last row of each prompt alone. */
  readonly joinedTail?: CompletionBlock
}

/** Scores (per head and layer) that are worth the nodes of five more blocks: those cost about as long as 200,000 scores. */
const WORTH_BLOCKS = 200_000

/** Blocks of the layout that pays for this batch. */
export function attentionBlocks(batch: PackedBatch, heads: number): AttentionBlocks {
  const [plain, blocked] = [PLAIN, BLOCKED].map((layout) => ({ layout, classes: lengthClasses(batch, layout) }))
  const saved = scores(batch, plain!.layout, plain!.classes) - scores(batch, blocked!.layout, blocked!.classes)
  const { layout, classes } = heads * saved > WORTH_BLOCKS ? blocked! : plain!
  return planBlocks(batch, layout, classes)
}

/**
 * Scores (per head and layer) that a GPU computes for what the nodes of a prompts' own block take: some 35 forward and backward, each about 40 microseconds
 * of the host's time (measured on an H100), in which it computes some millions. Reckoned, not measured.
 */
const WORTH_JOINING = 4_000_000

/** Blocks for a GPU, which lacks no arithmetic and is told of every node: as few as padding allows. */
export function deviceBlocks(batch: PackedBatch, heads: number): AttentionBlocks {
  const sizeOf = (blocks: AttentionBlocks) =>
    [...blocks.prompt, ...blocks.completion.flat()].reduce((sum, { sequences, queries, keys }) => sum + sequences * queries * keys, 0)
  const [joined, plain] = [planBlocks(batch, JOINED), planBlocks(batch, PLAIN)]
  return heads * (sizeOf(joined) - sizeOf(plain)) > WORTH_JOINING ? plain : joined
}

/** Most positions of a block where attention takes a long sequence block by block. */
export const LONG_BLOCK = 256

/**
 * Blocks for a layer that is computed by itself, where nodes cost little and what is alive at a time much: as wide as all keys, and of few
 * queries each. Their number is a power of two, so that few graphs serve all lengths.
 */
export function longBlocks(batch: PackedBatch): AttentionBlocks {
  const chunks = (length: number) => 2 ** Math.ceil(Math.log2(Math.max(1, length / LONG_BLOCK)))
  return planBlocks(batch, { promptChunks: chunks(batch.maxPrompt), classes: 1, chunks: chunks(batch.maxCompletion), inTurn: true })
}

export function planBlocks(batch: PackedBatch, layout: AttentionLayout, classes = lengthClasses(batch, layout)): AttentionBlocks {
  if (layout.promptChunks === 0) return joinedBlocks(batch, layout)
  return {
    layout,
    prompt: chunkEnds(batch.maxPrompt, layout.promptChunks).map(([from, to]) => promptBlock(batch, from, to)),
    completion: classes.map(({ slots, length }) =>
      chunkEnds(length, layout.chunks).map(([from, to]) => completionBlock(batch, slots, from, to, spareKeys(layout.chunks))),
    ),
  }
}

/** A key that is always padding gives the sum over chunks a place that is always zero. */
const spareKeys = (chunks: number) => (chunks > 1 ? 1 : 0)

/** Scores (per head) that the blocks of these classes compute. */
function scores({ groups, maxPrompt }: PackedBatch, { promptChunks, chunks }: AttentionLayout, classes: readonly LengthClass[]): number {
  const ofPrompts = chunkEnds(maxPrompt, promptChunks).reduce((sum, [from, to]) => sum + (to - from) * Math.min(to, maxPrompt), 0)
  const before = maxPrompt + spareKeys(chunks)
  const ofCompletions = classes.map(({ slots, length }) => Math.max(1, slots.length) * chunkScores(length, chunks, before))
  return ofCompletions.reduce((sum, count) => sum + count, groups * ofPrompts)
}

/** Scores (per head) of all blocks, and of the largest one. */
export interface ScoreCounts {
  readonly all: number
  readonly largest: number
}

/** Of sequences of one length whose tokens are a prompt's, or a completion's, alone: nowhere else do so few tokens have as many. */
export function mostScores(sequences: number, length: number): ScoreCounts {
  const counts = chunkEnds(length, BLOCKED.chunks).map(([from, to]) => sequences * (to - from) * to)
  return { all: counts.reduce((sum, count) => sum + count, 0), largest: Math.max(...counts) }
}

/** Queries times keys of one sequence: `before` keys that all queries see, and its own up to the end of each chunk. */
function chunkScores(length: number, chunks: number, before: number): number {
  return chunkEnds(length, chunks).reduce((sum, [from, to]) => sum + (to - from) * (before + to), 0)
}

/** [from, to) of each chunk of 0 … length − 1; at least one position each, the last ones padding where there are too few. */
function chunkEnds(length: number, chunks: number): [number, number][] {
  const size = Math.ceil(length / chunks)
  return Array.from({ length: chunks }, (_, i) => [i * size, Math.max(i * size + 1, Math.min(length, (i + 1) * size))])
}

function promptBlock({ groups, maxPrompt, promptSlots }: PackedBatch, from: number, to: number): Block {
  const keys = Math.min(to, maxPrompt)
  return {
    sequences: groups,
    queryRows: window(promptSlots, maxPrompt, from, to),
    queries: to - from,
    keyRows: window(promptSlots, maxPrompt, 0, keys),
    keys,
  }
}

function completionBlock(batch: PackedBatch, slots: readonly number[], from: number, to: number, spare: number): CompletionBlock {
  const { maxPrompt, maxCompletion, promptSlots, completionSlots, groupOfSlot } = batch
  // No tensor is empty: a class without completions holds one sequence of padding.
  const sequences = Math.max(1, slots.length)
  const keys = maxPrompt + to + spare
  const queryRows = new Int32Array(sequences * (to - from)).fill(-1)
  const keyRows = new Int32Array(sequences * keys).fill(-1)
  for (const [s, slot] of slots.entries()) {
    const own = completionSlots.subarray(slot * maxCompletion, (slot + 1) * maxCompletion)
    const group = groupOfSlot[slot]!
    queryRows.set(own.subarray(from, to), s * (to - from))
    keyRows.set(promptSlots.subarray(group * maxPrompt, (group + 1) * maxPrompt), s * keys)
    keyRows.set(own.subarray(0, to), s * keys + maxPrompt)
  }
  const groups = new Int32Array(sequences).fill(-1)
  for (const [s, slot] of slots.entries()) groups[s] = groupOfSlot[slot]!
  return { sequences, queryRows, queries: to - from, keyRows, keys, groups }
}

/** Prompts as sequences behind the completions: all of their rows, and the last one alone. */
function joinedBlocks(batch: PackedBatch, layout: AttentionLayout): AttentionBlocks {
  const { groups, groupOfSlot, maxPrompt, maxCompletion, promptSlots, rows, tailRows } = batch
  const { keys, ...completions } = completionBlock(batch, [...groupOfSlot.keys()], 0, Math.max(1, maxCompletion), 0)
  const keyRows = joined([completions.keyRows, window(promptSlots, maxPrompt, 0, keys)])
  const groupOf = joined([completions.groups, Int32Array.from({ length: groups }, (_, g) => g)])
  const withPrompts = (prompts: Int32Array, width: number): CompletionBlock => {
    const queries = Math.max(completions.queries, width)
    const queryRows = [window(completions.queryRows, completions.queries, 0, queries), window(prompts, width, 0, queries)]
    return { sequences: groupOf.length, queryRows: joined(queryRows), queries, keyRows, keys, groups: groupOf }
  }
  const lastRows = Int32Array.from({ length: groups }, (_, g) => rows - tailRows + g)
  return { layout, prompt: [], completion: [[withPrompts(promptSlots, maxPrompt)]], joinedTail: withPrompts(lastRows, 1) }
}

function joined(tables: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(tables.reduce((length, table) => length + table.length, 0))
  let at = 0
  for (const table of tables) {
    all.set(table, at)
    at += table.length
  }
  return all
}

/** Columns from … to − 1 of a table with `width` columns; −1 beyond it. */
function window(table: Int32Array, width: number, from: number, to: number): Int32Array {
  const rows = table.length / width
  const part = new Int32Array(rows * (to - from)).fill(-1)
  for (let row = 0; row < rows; row++) part.set(table.subarray(row * width + from, row * width + Math.min(to, width)), row * (to - from))
  return part
}

interface LengthClass {
  readonly slots: readonly number[]
  /** Of the longest. */
  readonly length: number
}

/** Completions in classes of neighbouring lengths, with the fewest scores in all; the last classes may be empty. */
function lengthClasses(batch: PackedBatch, { classes, chunks }: AttentionLayout): LengthClass[] {
  const lengths = slotLengths(batch)
  const sorted = [...lengths.keys()].sort((a, b) => lengths[b]! - lengths[a]! || a - b)
  const cost = (first: number, end: number) => (end - first) * chunkScores(lengths[sorted[first]!]!, chunks, batch.maxPrompt)
  // best[n] = the cheapest division of the n longest, and where its last class begins.
  let best = sorted.reduce<Division[]>((list, _, i) => [...list, { cost: cost(0, i + 1), starts: [0] }], [{ cost: 0, starts: [] }])
  for (let c = 1; c < classes; c++) {
    best = best.map((known, end) => {
      let chosen = known
      for (let first = 1; first < end; first++) {
        const total = best[first]!.cost + cost(first, end)
        if (total < chosen.cost) chosen = { cost: total, starts: [...best[first]!.starts, first] }
      }
      return chosen
    })
  }
  const { starts } = best[sorted.length]!
  const found = starts.map((start, c) => ({ slots: sorted.slice(start, starts[c + 1]), length: lengths[sorted[start]!]! }))
  return Array.from({ length: classes }, (_, c) => found[c] ?? { slots: [], length: 1 })
}

interface Division {
  readonly cost: number
  readonly starts: readonly number[]
}

/** Rows of each completion; at least one, so that no class is empty of positions. */
function slotLengths({ slots, maxCompletion, completionSlots }: PackedBatch): number[] {
  return Array.from({ length: slots }, (_, slot) => {
    const own = completionSlots.subarray(slot * maxCompletion, (slot + 1) * maxCompletion)
    const end = own.indexOf(-1)
    return Math.max(1, end < 0 ? maxCompletion : end)
  })
}
