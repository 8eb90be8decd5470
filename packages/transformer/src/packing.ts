/**
 * One micro-batch without padding: every prompt once, then every completion, one row per token.
 *
 * Row order: prompt rows other than the last of each group | the last prompt row of each group | completion rows. A completion's
 * last token predicts nothing, so it has no row. The last two parts are the `tail`: exactly the rows that predict a scored token.
 * Only attention wants sequences side by side; `promptSlots` and `completionSlots` say where their rows are.
 */
export interface PackedBatch {
  readonly groups: number
  readonly rows: number
  readonly promptRows: number
  /** groups + completion rows. */
  readonly tailRows: number
  /** Token of every row. [rows] */
  readonly tokens: Int32Array
  /** Position of every row in its sequence, as if prompt and completion stood alone. [rows] */
  readonly positions: Int32Array
  /** Length of every prompt. [groups] */
  readonly promptLengths: Int32Array
  readonly maxPrompt: number
  /** Row of every prompt position, −1 where the prompt is shorter. [groups · maxPrompt] */
  readonly promptSlots: Int32Array
  /** Completions with at least one row; at least one, so that no tensor is empty. */
  readonly slots: number
  readonly maxCompletion: number
  /** Row of every completion position, −1 where the completion is shorter. [slots · maxCompletion] */
  readonly completionSlots: Int32Array
  /** Which group a slot belongs to, ascending. [slots] */
  readonly groupOfSlot: Int32Array
  /** Tail row that predicts each scored token, completion by completion. [m] */
  readonly scoredRows: Int32Array
  /** The scored tokens. [m] */
  readonly scoredIds: Int32Array
}

/** A prompt and the completions to score, at least one, none of them empty. */
export interface PackedGroup {
  readonly prompt: readonly number[]
  readonly completions: readonly (readonly number[])[]
  /** What the group is known by, and which of its completions these are: what is drawn for a row is keyed by them. */
  readonly id?: string
  readonly selected?: readonly number[]
}

/** Lays groups out as one micro-batch. Deterministic: rows follow the order of the groups and completions. */
export function packGroups(groups: readonly PackedGroup[]): PackedBatch {
  const promptRows = sum(groups, ({ prompt }) => prompt.length)
  const lengths = groups.flatMap(({ completions }) => completions.map((c) => c.length))
  const completionRows = sum(lengths, (n) => n - 1)
  const slotCount = lengths.filter((n) => n > 1).length
  const maxPrompt = Math.max(...groups.map(({ prompt }) => prompt.length))
  const maxCompletion = Math.max(1, ...lengths.map((n) => n - 1))
  const rows = promptRows + Math.max(1, completionRows)
  const slots = Math.max(1, slotCount)
  const scored = sum(lengths, (n) => n)

  const tokens = new Int32Array(rows)
  const positions = new Int32Array(rows)
  const promptSlots = new Int32Array(groups.length * maxPrompt).fill(-1)
  const completionSlots = new Int32Array(slots * maxCompletion).fill(-1)
  const groupOfSlot = new Int32Array(slots)
  const scoredRows = new Int32Array(scored)
  const scoredIds = new Int32Array(scored)

  const tailStart = promptRows - groups.length
  let bodyRow = 0
  let completionRow = promptRows
  let slot = 0
  let s = 0
  for (const [g, { prompt, completions }] of groups.entries()) {
    for (const [t, token] of prompt.entries()) {
      const row = t === prompt.length - 1 ? tailStart + g : bodyRow++
      tokens[row] = token
      positions[row] = t
      promptSlots[g * maxPrompt + t] = row
    }
    for (const completion of completions) {
      for (const [t, token] of completion.entries()) {
        scoredRows[s] = t === 0 ? g : completionRow - 1 - tailStart
        scoredIds[s++] = token
        if (t === completion.length - 1) break
        tokens[completionRow] = token
        positions[completionRow] = prompt.length + t
        completionSlots[slot * maxCompletion + t] = completionRow++
      }
      if (completion.length > 1) groupOfSlot[slot++] = g
    }
  }
  if (completionRows === 0) {
    // Only one-token completions: one row that nothing reads.
    tokens[promptRows] = groups[0]!.prompt[0]!
    positions[promptRows] = groups[0]!.prompt.length
    completionSlots[0] = promptRows
  }
  return {
    groups: groups.length,
    rows,
    promptRows,
    tailRows: rows - tailStart,
    tokens,
    positions,
    promptLengths: Int32Array.from(groups, ({ prompt }) => prompt.length),
    maxPrompt,
    promptSlots,
    slots,
    maxCompletion,
    completionSlots,
    groupOfSlot,
    scoredRows,
    scoredIds,
  }
}

/** Rows a group costs when packed: its prompt once, and every completion without its last token. */
export function packedRows({ prompt, completions }: PackedGroup): number {
  return prompt.length + sum(completions, (c) => c.length - 1)
}

function sum<T>(items: readonly T[], size: (item: T) => number): number {
  return items.reduce((total, item) => total + size(item), 0)
}

/** Positions that a batch needs: one more than its last. */
export function positionsOf({ positions }: Pick<PackedBatch, 'positions'>): number {
  return positions.reduce((most, position) => Math.max(most, position), 0) + 1
}
