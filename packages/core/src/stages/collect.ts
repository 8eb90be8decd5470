import { PlumbError } from '../errors'
import { WindowJournal } from '../run/window-journal'
import type { Generation } from '../seams/policy'
import { slice, type Sequence } from '../util/sequence'
import { Pace, type StageDesk } from './context'

/**
 * Completions that a source is asked for at once: so many that an engine's batches are full nearly all of the time, so few that they, and
 * their questions, fit into any memory.
 */
const AT_ONCE = 2048

/**
 * Questions that are asked at once. Their boundaries are fixed, so that a run that was interrupted asks as one that was not. What a
 * completion is depends on its question alone (see `Sampler` and `Sampling`), and not on this number.
 */
export function windowOf(k: number): number {
  return Math.max(1, Math.ceil(AT_ONCE / k))
}

/** What is asked: a question by its id, with whatever the source needs of it. */
interface Asked {
  readonly id: string
}

export interface Collection<Q extends Asked> {
  /** The journal's file name in the stage's work folder. */
  readonly name: string
  readonly desk: StageDesk
  readonly questions: Pick<Sequence<Q>, 'length' | 'at'>
  /** Candidates 0 … k−1 per question. */
  readonly k: number
  /** Whose completions these are, for the error of a missing one. */
  readonly source: string
  /** Asked once for each window, for what is not there yet. */
  produce(missing: readonly Missing<Q>[]): AsyncIterable<Generation>
}

export interface Missing<Q> {
  readonly question: Q
  /** Candidate indices. */
  readonly candidates: readonly number[]
}

/** A question and its k completions, candidates in order. */
export interface Collected<Q> {
  readonly question: Q
  readonly completions: readonly Generation[]
}

/**
 * Collects k completions per question, writing each down as it comes, so that an interrupted stage asks only for the rest. Questions come
 * in their order; in memory are those of one window.
 * @throws PlumbError PLUMB_SAMPLER_INCOMPLETE when the source ends without having given all.
 */
export async function* collect<Q extends Asked>({
  name,
  desk,
  questions,
  k,
  source,
  produce,
}: Collection<Q>): AsyncGenerator<Collected<Q>> {
  const size = windowOf(k)
  const journal = await WindowJournal.open<Generation>(desk.folder.work(name), (message) => desk.say(message))
  const total = questions.length * k
  let done = Math.min(journal.length, total)
  const pace = new Pace(done, total)
  desk.start(total, done)
  try {
    for (let from = 0; from < questions.length; from += size) {
      const window = new Window(slice(questions, from, from + size), k)
      for (const generation of await journal.take(({ id }) => window.has(id))) window.put(generation)
      const missing = window.missing()
      if (missing.length > 0) {
        for await (const { id, candidate, tokens, text, finish } of produce(missing)) {
          const generation: Generation = { id, candidate, tokens: [...tokens], text, finish }
          if (!window.put(generation)) continue
          await journal.append(generation)
          desk.progress({ done: ++done, total, unit: 'completions', ...pace.at(done, tokens.length) })
        }
      }
      yield* window.whole(source)
    }
  } finally {
    await journal.close()
  }
}

class Window<Q extends Asked> {
  private readonly slots: Map<string, { readonly question: Q; readonly completions: (Generation | undefined)[] }>
  private filled = 0

  constructor(
    questions: readonly Q[],
    private readonly k: number,
  ) {
    this.slots = new Map(
      questions.map((question) => [question.id, { question, completions: new Array<Generation | undefined>(k).fill(undefined) }]),
    )
  }

  has(id: string): boolean {
    return this.slots.has(id)
  }

  /** False for one that nobody asked for, and for a second one. */
  put(generation: Generation): boolean {
    const completions = this.slots.get(generation.id)?.completions
    if (completions === undefined || !(generation.candidate in completions) || completions[generation.candidate] !== undefined) return false
    completions[generation.candidate] = generation
    this.filled++
    return true
  }

  missing(): Missing<Q>[] {
    const all = [...this.slots.values()].map(({ question, completions }) => ({
      question,
      candidates: completions.flatMap((there, c) => (there ? [] : [c])),
    }))
    return all.filter(({ candidates }) => candidates.length > 0)
  }

  *whole(source: string): Generator<Collected<Q>> {
    const total = this.slots.size * this.k
    if (this.filled < total) {
      throw new PlumbError('PLUMB_SAMPLER_INCOMPLETE', `${source} gave ${this.filled} of ${total} completions and ended.`)
    }
    for (const { question, completions } of this.slots.values()) {
      yield { question, completions: completions.filter((completion) => completion !== undefined) }
    }
  }
}
