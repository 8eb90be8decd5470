import { PlumbError } from '../errors'
import type { GroupRecord } from '../seams/records'
import type { Sequence } from '../util/sequence'
import { valueAt } from '../util/sequence'
import { noteOrigin, originOf } from './origin'

export type MixStrategy = 'under' | 'over'

/** More often than that nobody means to repeat a file. */
const MOST_PASSES = 1000

/**
 * How many records of each source are drawn, for shares in proportion to the weights. `under`: as many in all as the source that gives out
 * first allows, so that none is repeated; `over`: as many as it takes for every record of every source to be drawn. Each of at least one.
 */
export function drawsOf(sizes: readonly number[], weights: readonly number[], strategy: MixStrategy): number[] {
  const passes = sizes.map((size, s) => size / (weights[s] ?? 1))
  const perWeight = strategy === 'under' ? Math.min(...passes) : Math.max(...passes)
  return sizes.map((size, s) => {
    const drawn = Math.max(1, Math.round(perWeight * (weights[s] ?? 1)))
    return strategy === 'under' ? Math.min(size, drawn) : Math.max(size, drawn)
  })
}

/** A part of a mixture: records of one source, some or all of them, in their order. */
interface Part {
  readonly records: Sequence<GroupRecord>
  /** Their places; all where absent. */
  readonly picked?: Uint32Array
  /** How often each of them stands in the mixture before. */
  readonly copy: number
  /** Where the part begins in the mixture. */
  readonly start: number
}

/** Records of several sources as one sequence: in memory 4 bytes for each record of a source of which a part is drawn. */
export class Mixture implements Sequence<GroupRecord> {
  private readonly parts: Part[] = []
  length = 0

  /**
   * @param drawn how many of them: the whole source as often as it goes into the number, and of the rest a draw without replacement.
   * @throws PlumbError PLUMB_DATA_MIXTURE for a source that would be repeated more than a thousand times
   */
  add(records: Sequence<GroupRecord>, drawn: number, uniform: () => number, title: string): void {
    const passes = Math.floor(drawn / records.length)
    const rest = drawn % records.length
    if (passes > MOST_PASSES) {
      const message = `For its weight every record of ${title} would be repeated ${passes} times, and at most ${MOST_PASSES} are done; give it a smaller one.`
      throw new PlumbError('PLUMB_DATA_MIXTURE', message)
    }
    for (let copy = 0; copy < passes; copy++) this.put({ records, copy, start: this.length }, records.length)
    if (rest > 0) this.put({ records, picked: drawnOf(records.length, rest, uniform), copy: passes, start: this.length }, rest)
  }

  at(index: number): GroupRecord | undefined {
    const part = this.parts.findLast(({ start }) => start <= index)
    if (part === undefined || index >= this.length) return undefined
    return recordOf(part, index - part.start)
  }

  *[Symbol.iterator](): Generator<GroupRecord> {
    for (const part of this.parts) {
      if (part.picked === undefined) for (const record of part.records) yield copied(record, part.copy)
      else for (let at = 0; at < part.picked.length; at++) yield recordOf(part, at)
    }
  }

  private put(part: Part, count: number): void {
    this.parts.push(part)
    this.length += count
  }
}

function recordOf({ records, picked, copy }: Part, at: number): GroupRecord {
  return copied(valueAt(records, picked?.[at] ?? at), copy)
}

/** A record that is repeated has an id of its own, by which its candidates are drawn anew. */
function copied(record: GroupRecord, copy: number): GroupRecord {
  return copy === 0 ? record : withId(record, `${record.id}#${copy + 1}`)
}

/** The record under another id. */
export function withId(record: GroupRecord, id: string): GroupRecord {
  const renamed = { ...record, id }
  const origin = originOf(record)
  if (origin !== undefined) noteOrigin(renamed, origin)
  return renamed
}

/** `count` of the numbers below `size`, each set of them equally likely, in ascending order. */
function drawnOf(size: number, count: number, uniform: () => number): Uint32Array {
  const places = Uint32Array.from({ length: size }, (_, i) => i)
  for (let at = 0; at < count; at++) {
    const other = at + Math.floor(uniform() * (size - at))
    const moved = places[at] ?? 0
    places[at] = places[other] ?? 0
    places[other] = moved
  }
  return places.slice(0, count).sort()
}
