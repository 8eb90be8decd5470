import { elements } from '@plumbline/transformer'

/**
 * Trained tensors that the optimizer takes as one: rows of the same width, one tensor's below the other's. An update has a dozen nodes, and a model some
 * hundred tensors, most of them so small that a GPU is done with a node before the host has the next one.
 */
export interface ParameterGroup {
  readonly names: readonly string[]
  /** Rows of each tensor; of a vector, its numbers. */
  readonly rows: readonly number[]
  /** Of all together. */
  readonly dims: readonly number[]
}

/** Numbers of a group of several (64 MiB): old and new tensors lie side by side while it is updated. */
const MOST = 16 * 2 ** 20

/** Every tensor in one group, in the order of their first members. @param tensors dimensions by name */
export function parameterGroups(tensors: ReadonlyMap<string, readonly number[]>, most = MOST): ParameterGroup[] {
  const groups: { readonly names: string[]; readonly rows: number[]; readonly width: readonly number[] }[] = []
  /** The one of each width that takes more. */
  const open = new Map<string, { readonly group: (typeof groups)[number]; room: number }>()
  for (const [name, dims] of tensors) {
    const [rows = 1, ...width] = dims
    const key = width.join()
    let place = open.get(key)
    if (place === undefined || place.room < elements(dims)) {
      place = { group: { names: [], rows: [], width }, room: most }
      groups.push(place.group)
      open.set(key, place)
    }
    place.group.names.push(name)
    place.group.rows.push(rows)
    place.room -= elements(dims)
  }
  return groups.map(({ names, rows, width }) => ({ names, rows, dims: [rows.reduce((sum, count) => sum + count, 0), ...width] }))
}

/** A group's numbers, as its tensors' one after the other. */
export function partsOf({ names, rows, dims }: ParameterGroup, numbers: Float32Array): [string, Float32Array][] {
  const width = elements(dims.slice(1))
  let offset = 0
  return names.map((name, i) => [name, numbers.subarray(offset, (offset += rows[i]! * width))])
}
