import { packedRows, type PackedGroup } from '../packing'

/** A group's needed completions, by their indices in the caller's arrays. */
export interface SelectedGroup extends PackedGroup {
  readonly group: number
  readonly selected: readonly number[]
}

/**
 * Groups that are scored together, then differentiated together. It runs as one packed batch, or, where a single group is
 * larger than the budget, as several that each hold some of its completions.
 */
export interface MicroBatch {
  readonly parts: readonly (readonly SelectedGroup[])[]
}

/**
 * Splits groups into micro-batches of at most `budget` rows (prompts counted once). Groups of similar size share a batch, so
 * that attention pads little, and batches are filled evenly. Deterministic: ties keep the caller's order.
 */
export function planMicroBatches(groups: readonly SelectedGroup[], budget: number): MicroBatch[] {
  const cost = (group: SelectedGroup) => packedRows(group)
  const large = groups.filter((group) => cost(group) > budget)
  const bySize = groups.filter((group) => cost(group) <= budget).sort((a, b) => cost(b) - cost(a) || a.group - b.group)
  const total = bySize.reduce((sum, group) => sum + cost(group), 0)
  const even = total / Math.max(1, Math.ceil(total / budget))
  const batches: MicroBatch[] = large.map((group) => ({ parts: splitCompletions(group, budget).map((part) => [part]) }))
  let current: SelectedGroup[] = []
  let rows = 0
  for (const group of bySize) {
    const next = rows + cost(group)
    // Closer to an even share without this group than with it, or over the budget: begin the next batch.
    if (current.length > 0 && (next > budget || next - even > even - rows)) {
      batches.push({ parts: [current] })
      current = []
      rows = 0
    }
    current.push(group)
    rows += cost(group)
  }
  if (current.length > 0) batches.push({ parts: [current] })
  return batches
}

/** A group's completions in runs that fit the budget beside the prompt; a single completion always makes a run. */
function splitCompletions(group: SelectedGroup, budget: number): SelectedGroup[] {
  const runs: number[][] = []
  let rows = Infinity
  for (const [i, completion] of group.completions.entries()) {
    if (rows + completion.length - 1 > budget) {
      runs.push([])
      rows = group.prompt.length
    }
    runs.at(-1)!.push(i)
    rows += completion.length - 1
  }
  return runs.map((run) => ({
    id: group.id,
    group: group.group,
    prompt: group.prompt,
    selected: run.map((i) => group.selected[i]!),
    completions: run.map((i) => group.completions[i]!),
  }))
}
