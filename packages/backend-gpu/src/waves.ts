import * as tf from '@tensorflow/tfjs-core'
import type { Generation, GenerationPrompt } from '@plumbline/core'
import { Completion, type CompletionRules, type DecodingRows, type Turn } from '@plumbline/transformer'
import type { Engine } from './engine'

/** Keys and values of one layer. [sequences, kvHeads, positions, headDim] */
export type Cache = { readonly keys: tf.Tensor; readonly values: tf.Tensor }

interface Computed {
  /** Of the next token. [sequences, vocabulary] */
  readonly logits: tf.Tensor
  readonly caches: Cache[]
}

/** What computes a wave. */
export interface WaveModel {
  /** The prompts side by side, `length` positions each. */
  prefill(prompts: readonly GenerationPrompt[], length: number): Computed
  /** One token for every sequence; with it they have `made` of their own, behind `length` positions of a prompt. */
  step(sequences: readonly Running[], caches: readonly Cache[], length: number, made: number): Computed
  /** Caches of the chosen sequences, which may repeat; the old ones are freed. */
  select(caches: readonly Cache[], rows: readonly number[]): Cache[]
}

/** Sequences decoded together. */
const WAVE = 32

/** A sequence that is being continued. */
export interface Running {
  readonly completion: Completion
  readonly promptLength: number
}

export interface Job {
  readonly prompt: GenerationPrompt
  readonly candidate: number
}

/**
 * Decoding in waves: each prompt of a wave is computed once, its cache repeated for its candidates; one forward pass per token continues all
 * of them, those that end drop out, and the next wave begins when none is left.
 */
export class Waves implements DecodingRows {
  private begun = 0
  private sequences: readonly Running[] = []
  private caches: readonly Cache[] = []
  /** Positions of the wave's prompts in their caches. */
  private length = 0
  /** Tokens that each sequence has of its own once the next step is taken. */
  private made = 0

  constructor(
    private readonly model: WaveModel,
    private readonly rules: CompletionRules,
    private readonly engine: Engine,
    private readonly jobs: readonly Job[],
    private readonly signal?: AbortSignal,
  ) {}

  get alive(): number {
    return this.sequences.length
  }

  async begin(): Promise<Turn | undefined> {
    if (this.alive > 0 || this.begun === this.jobs.length) return undefined
    await this.pause()
    const jobs = this.jobs.slice(this.begun, this.begun + WAVE)
    this.begun += jobs.length
    const prompts = [...new Set(jobs.map(({ prompt }) => prompt))]
    this.length = Math.max(...prompts.map(({ prompt }) => prompt.length))
    this.made = 0
    const { logits, caches } = this.model.prefill(prompts, this.length)
    this.caches = caches
    const sequences = jobs.map(({ prompt, candidate }): Running => ({
      completion: new Completion(this.rules, prompt.id, candidate, prompt.prompt.length),
      promptLength: prompt.prompt.length,
    }))
    const ofPrompt = jobs.map(({ prompt }) => prompts.indexOf(prompt))
    return this.turn(sequences, await this.engine.read(logits), ofPrompt)
  }

  pause(): Promise<void> {
    return this.engine.pause(this.signal)
  }

  async step(): Promise<Turn> {
    this.made++
    const { logits, caches } = this.model.step(this.sequences, this.caches, this.length, this.made)
    this.release()
    this.caches = caches
    return this.turn(this.sequences, await this.engine.read(logits))
  }

  /** Frees what the run holds. */
  release(): void {
    tf.dispose(this.caches.flatMap(({ keys, values }) => [keys, values]))
    this.caches = []
  }

  /** @param rows of logits and caches that the sequences begin with; each has its own when absent. */
  private turn(sequences: readonly Running[], logits: Float32Array, rows?: readonly number[]): Turn {
    const { vocabularySize } = this.rules.limits
    const rowOf = (place: number) => rows?.[place] ?? place
    return {
      due: sequences.length,
      next: (place): Generation | undefined =>
        sequences[place]!.completion.next(logits.subarray(rowOf(place) * vocabularySize, (rowOf(place) + 1) * vocabularySize)),
      settle: (ended) => {
        const over = new Set(ended)
        const kept = [...sequences.keys()].filter((place) => !over.has(place))
        if (rows !== undefined || ended.length > 0) this.caches = this.model.select(this.caches, kept.map(rowOf))
        this.sequences = kept.map((place) => sequences[place]!)
      },
    }
  }
}
