import { PlumbError } from '../errors'
import { Journal } from '../run/journal'
import type { Generation } from '../seams/policy'
import { Pace, type StageDesk } from './context'

export interface Collection {
  /** The journal's file name in the stage's work folder. */
  readonly name: string
  readonly desk: StageDesk
  readonly ids: readonly string[]
  /** Candidates 0 … k−1 per id. */
  readonly k: number
  /** Whose completions these are, for the error of a missing one. */
  readonly source: string
  /** Asked once, for what is not there yet: id → candidate indices. */
  produce(missing: ReadonlyMap<string, readonly number[]>): AsyncIterable<Generation>
}

/**
 * Collects k completions per id, writing each down as it comes, so that an interrupted stage asks only for the rest.
 * @returns per id, candidates in order
 * @throws PlumbError PLUMB_SAMPLER_INCOMPLETE when the source ends without having given all.
 */
export async function collect({ name, desk, ids, k, source, produce }: Collection): Promise<Map<string, readonly Generation[]>> {
  const journal = await Journal.open<Generation>(desk.folder.work(name), { say: (message) => desk.say(message) })
  const slots = new Map(ids.map((id): [string, (Generation | undefined)[]] => [id, new Array<undefined>(k).fill(undefined)]))
  const put = (generation: Generation): boolean => {
    const slot = slots.get(generation.id)
    if (slot === undefined || !(generation.candidate in slot) || slot[generation.candidate] !== undefined) return false
    slot[generation.candidate] = generation
    return true
  }
  try {
    let done = journal.records.filter(put).length
    const total = ids.length * k
    const pace = new Pace(done, total)
    desk.start(total, done)
    const missing = new Map(
      [...slots]
        .map(([id, slot]): [string, number[]] => [id, slot.flatMap((there, c) => (there ? [] : [c]))])
        .filter(([, c]) => c.length > 0),
    )
    if (missing.size > 0) {
      for await (const { id, candidate, tokens, text, finish } of produce(missing)) {
        const generation: Generation = { id, candidate, tokens: [...tokens], text, finish }
        if (!put(generation)) continue
        await journal.append(generation)
        desk.progress({ done: ++done, total, unit: 'completions', ...pace.at(done, tokens.length) })
      }
    }
    if (done < total) {
      throw new PlumbError('PLUMB_SAMPLER_INCOMPLETE', `${source} gave ${done} of ${total} completions and ended.`)
    }
  } finally {
    await journal.close()
  }
  return slots as Map<string, Generation[]>
}
