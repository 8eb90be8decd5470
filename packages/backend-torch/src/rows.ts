import type { Generation, GenerationPrompt } from '@plumbline/core'
import { Completion, type CompletionRules } from '@plumbline/transformer'
import type { RemoteModel } from './remote'

/** A completion that is under way in a slot. */
interface Row {
  readonly completion: Completion
  readonly promptLength: number
}

/** A prompt with the candidates that have no slot yet. */
interface Job {
  readonly prompt: GenerationPrompt
  readonly candidates: number[]
}

/** Most tokens of prompts that are computed together. */
const PREFILL_TOKENS = 8192

/**
 * Samples completions with as many rows as the device has slots for; a row that ends makes room for the next candidate. What is drawn for a
 * row is drawn here, from its own stream, and where it ends is decided here; Python computes.
 *
 * @param stopped asked before every step.
 */
export async function sampleRows(
  model: RemoteModel,
  prompts: readonly GenerationPrompt[],
  rules: CompletionRules,
  emit: (generation: Generation) => void,
  stopped: () => boolean,
): Promise<void> {
  const queue = prompts.flatMap((prompt): Job[] => (prompt.candidates.length > 0 ? [{ prompt, candidates: [...prompt.candidates] }] : []))
  if (queue.length === 0) return
  const { sampling, limits } = rules
  const longest = prompts.reduce((most, { prompt }) => Math.max(most, prompt.length), 0)
  const capacity = Math.min(limits.contextLength, longest + sampling.maxNewTokens)
  const wanted = queue.reduce((sum, { candidates }) => sum + candidates.length, 0)
  const { temperature, topK, topP } = sampling
  const slots = (await model.call('begin_sampling', { wanted, capacity, temperature, topK, topP })).result
  try {
    await new Rows(model, rules, slots, emit).run(queue, stopped)
  } finally {
    if (model.isAlive) await model.call('end_sampling', {})
  }
}

class Rows {
  /** Those under way; the index is the slot. */
  private rows: Row[] = []

  constructor(
    private readonly model: RemoteModel,
    private readonly rules: CompletionRules,
    private readonly slots: number,
    private readonly emit: (generation: Generation) => void,
  ) {}

  async run(queue: Job[], stopped: () => boolean): Promise<void> {
    while ((queue.length > 0 || this.rows.length > 0) && !stopped()) {
      let moves: (readonly [number, number])[] = []
      // A few free slots are not worth a pass of their own, unless that is all there is.
      const free = this.slots - this.rows.length
      if (queue.length > 0 && (this.rows.length === 0 || 4 * free >= this.slots)) await this.start(queue)
      moves = this.close()
      if (this.rows.length > 0) await this.step(moves)
    }
  }

  /** Gives free slots to candidates, prompt by prompt. */
  private async start(queue: Job[]): Promise<void> {
    const groups: { readonly prompt: readonly number[]; readonly completions: [] }[] = []
    const slots: number[][] = []
    const uniforms: number[] = []
    let tokens = 0
    while (queue.length > 0 && this.rows.length < this.slots) {
      const { prompt, candidates } = queue[0]!
      if (groups.length > 0 && tokens + prompt.prompt.length > PREFILL_TOKENS) break
      tokens += prompt.prompt.length
      groups.push({ prompt: prompt.prompt, completions: [] })
      const own: number[] = []
      for (const candidate of candidates.splice(0, this.slots - this.rows.length)) {
        const completion = new Completion(this.rules, prompt.id, candidate, prompt.prompt.length)
        own.push(this.rows.length)
        uniforms.push(completion.draw())
        this.rows.push({ completion, promptLength: prompt.prompt.length })
      }
      slots.push(own)
      if (candidates.length === 0) queue.shift()
    }
    const started = slots.flat()
    const chosen = await this.model.startRows(groups, slots, Float64Array.from(uniforms))
    this.take(started, chosen)
  }

  private async step(moves: readonly (readonly [number, number])[]): Promise<void> {
    const tokens = Int32Array.from(this.rows, ({ completion }) => completion.tokens.at(-1)!)
    const positions = Int32Array.from(this.rows, ({ completion, promptLength }) => promptLength + completion.tokens.length - 1)
    const uniforms = Float64Array.from(this.rows, ({ completion }) => completion.draw())
    const chosen = await this.model.call('step_rows', { moves }, [tokens, positions, uniforms])
    this.take([...this.rows.keys()], chosen.arrays[0] as Int32Array)
  }

  private readonly ended = new Set<number>()

  private take(slots: readonly number[], chosen: Int32Array): void {
    for (const [i, slot] of slots.entries()) {
      const { completion } = this.rows[slot]!
      if (chosen[i]! < 0) throw completion.nonFiniteLogits()
      const generation = completion.take(chosen[i]!)
      if (!generation) continue
      this.emit(generation)
      this.ended.add(slot)
    }
  }

  /** Frees the slots of rows that ended: the last rows take their places, so that those under way are the first ones. */
  private close(): (readonly [number, number])[] {
    const moves: (readonly [number, number])[] = []
    for (const slot of [...this.ended].sort((a, b) => b - a)) {
      const last = this.rows.length - 1
      if (slot < last) {
        this.rows[slot] = this.rows[last]!
        moves.push([last, slot])
      }
      this.rows.pop()
    }
    this.ended.clear()
    return moves
  }
}
