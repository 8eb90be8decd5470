import { packGroups, type PackedBatch, type PackedGroup } from '@plumbline/transformer'

/** A forward pass that waits for its cotangents. */
export interface Pending {
  readonly groups: readonly PackedGroup[]
  readonly batch: PackedBatch
  addGradients(live: LiveBatch): Promise<void>
  /** Gives back what it kept. */
  release(): void
}

/** Takes the oldest waiting pass and adds the gradients of what is alive in it; what it kept is given back in any case. */
export async function differentiateOldest(waiting: Pending[], cotangents: Float32Array): Promise<void> {
  const pass = waiting.shift()
  if (!pass) throw new Error('There is no forward pass to differentiate')
  try {
    const live = liveBatch(pass.groups, pass.batch, cotangents)
    if (live) await pass.addGradients(live)
  } finally {
    pass.release()
  }
}

/** What is left of a packed batch when completions that need no backward pass are dropped. */
export interface LiveBatch {
  readonly batch: PackedBatch
  /** Row of the full batch that each row of this one was. [rows] */
  readonly sourceRows: Int32Array
  /** Tail row of the full batch that each tail row of this one was. [tailRows] */
  readonly sourceTailRows: Int32Array
  /** Cotangents of the scored tokens that are left. [m] */
  readonly cotangents: Float32Array
}

/**
 * Drops completions whose cotangents are all exactly zero, and groups of which none is left.
 * @returns the full batch itself when all are alive, undefined when none is.
 */
export function liveBatch(groups: readonly PackedGroup[], full: PackedBatch, cotangents: Float32Array): LiveBatch | undefined {
  const kept: PackedGroup[] = []
  const keptCotangents: Float32Array[] = []
  const keptGroups: number[] = []
  const keptSlots: number[] = []
  let offset = 0
  let slot = 0
  let dropped = false
  for (const [g, { prompt, completions }] of groups.entries()) {
    const alive: (readonly number[])[] = []
    for (const completion of completions) {
      const own = cotangents.subarray(offset, (offset += completion.length))
      const hasSlot = completion.length > 1
      if (own.some((value) => value !== 0)) {
        alive.push(completion)
        keptCotangents.push(own)
        if (hasSlot) keptSlots.push(slot)
      } else dropped = true
      if (hasSlot) slot++
    }
    if (alive.length > 0) {
      kept.push({ prompt, completions: alive })
      keptGroups.push(g)
    }
  }
  if (!dropped) return { batch: full, sourceRows: upTo(full.rows), sourceTailRows: upTo(full.tailRows), cotangents }
  if (kept.length === 0) return undefined
  const batch = packGroups(kept)
  // A row without a source (see packGroups on one-token completions) is read by nothing; any row will do.
  const sourceRows = new Int32Array(batch.rows)
  mapSlots(keptGroups, batch.promptSlots, batch.maxPrompt, full.promptSlots, full.maxPrompt, sourceRows)
  mapSlots(keptSlots, batch.completionSlots, batch.maxCompletion, full.completionSlots, full.maxCompletion, sourceRows)
  const live = new Float32Array(keptCotangents.reduce((sum, { length }) => sum + length, 0))
  let written = 0
  for (const own of keptCotangents) {
    live.set(own, written)
    written += own.length
  }
  const fullTail = full.rows - full.tailRows
  const sourceTailRows = sourceRows.subarray(batch.rows - batch.tailRows).map((row) => row - fullTail)
  return { batch, sourceRows, sourceTailRows, cotangents: live }
}

const upTo = (count: number) => Int32Array.from({ length: count }, (_, i) => i)

function mapSlots(
  kept: readonly number[],
  slots: Int32Array,
  length: number,
  fullSlots: Int32Array,
  fullLength: number,
  sources: Int32Array,
): void {
  for (const [s, full] of kept.entries()) {
    for (let t = 0; t < length; t++) {
      const row = slots[s * length + t]!
      if (row >= 0) sources[row] = fullSlots[full * fullLength + t]!
    }
  }
}

/** Copies rows of `width` numbers, neighbours in one go. */
export function selectRows(data: Float32Array, width: number, sources: Int32Array): Float32Array {
  const result = new Float32Array(sources.length * width)
  let row = 0
  while (row < sources.length) {
    let end = row + 1
    while (end < sources.length && sources[end] === sources[end - 1]! + 1) end++
    result.set(data.subarray(sources[row]! * width, (sources[row]! + end - row) * width), row * width)
    row = end
  }
  return result
}
