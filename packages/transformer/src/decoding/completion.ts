import { isPlumbError, randomStreams, type PlumbError, type Generation, type Sampling, type Tokenizer } from '@plumbline/core/base'
import { nonFiniteLogits, TokenChooser } from './choose'
import { cutAtStop, StopWatcher } from './stop'

/** The model's side of when a completion ends. */
export interface ModelLimits {
  readonly vocabularySize: number
  /** Longest prompt + completion in tokens. */
  readonly contextLength: number
  /** Tokens that end a completion; none means that only length and stop strings do. */
  readonly endTokens: readonly number[]
}

/** What the completions of one run share: sampling settings, limits, tokenizer, scratch space. */
export class CompletionRules {
  readonly chooser: TokenChooser
  readonly streams: ReturnType<typeof randomStreams>
  readonly stop: readonly string[]
  /** The model's and those of this run. */
  readonly endTokens: ReadonlySet<number>

  constructor(
    readonly sampling: Sampling,
    readonly limits: ModelLimits,
    readonly tokenizer: Pick<Tokenizer, 'decode'>,
  ) {
    this.chooser = new TokenChooser(limits.vocabularySize, sampling)
    this.streams = randomStreams(sampling.seed)
    this.endTokens = new Set([...limits.endTokens, ...(sampling.endTokens ?? [])])
    this.stop = (sampling.stop ?? []).filter((text) => text.length > 0)
  }
}

/**
 * One completion while it is being sampled: draws each token from its own random stream, keyed by (seed, prompt id, candidate), and
 * knows when it is over. Independent of every other completion.
 */
export class Completion {
  readonly tokens: number[] = []
  private readonly uniform: () => number
  private readonly watcher: StopWatcher
  private readonly limit: number

  constructor(
    private readonly rules: CompletionRules,
    readonly id: string,
    readonly candidate: number,
    promptLength: number,
  ) {
    this.uniform = rules.streams(id, candidate)
    this.watcher = new StopWatcher(rules.tokenizer, rules.stop)
    this.limit = Math.min(rules.sampling.maxNewTokens, rules.limits.contextLength - promptLength)
  }

  /**
   * Chooses the next token.
   * @param logits [vocabularySize], of the position before it
   * @returns the finished completion, or undefined when it goes on
   * @throws PlumbError PLUMB_NON_FINITE_LOGITS with the prompt's id
   */
  next(logits: Float32Array): Generation | undefined {
    return this.take(this.choose(logits))
  }

  /** The next number of its random stream, in [0, 1); 0 where nothing is drawn at random. */
  draw(): number {
    return this.rules.chooser.random ? this.uniform() : 0
  }

  /**
   * Takes a token that was chosen elsewhere, by the number that {@link draw} gave.
   * @returns the finished completion, or undefined when it goes on
   */
  take(token: number): Generation | undefined {
    this.tokens.push(token)
    if (this.rules.endTokens.has(token)) return this.finish('eos')
    if (this.watcher.push(token)) return this.finish('stop')
    return this.tokens.length >= this.limit ? this.finish('length') : undefined
  }

  /** What is wrong where the logits of its next token are not finite. PLUMB_NON_FINITE_LOGITS */
  nonFiniteLogits(): PlumbError {
    return nonFiniteLogits(`prompt ${this.id}, candidate ${this.candidate}, token ${this.tokens.length}`)
  }

  private choose(logits: Float32Array): number {
    try {
      return this.rules.chooser.choose(logits, this.draw())
    } catch (error) {
      throw isPlumbError(error) && error.code === 'PLUMB_NON_FINITE_LOGITS' ? this.nonFiniteLogits() : error
    }
  }

  private finish(reason: Generation['finish']): Generation {
    const { text, stopped } = cutAtStop(completionText(this.rules.tokenizer, this.tokens, reason), this.rules.stop)
    return { id: this.id, candidate: this.candidate, tokens: this.tokens, text, finish: stopped ? 'stop' : reason }
  }
}

/** What a completion says. Its end is not part of that, whether or not the tokenizer counts it as a special token. */
export function completionText(tokenizer: Pick<Tokenizer, 'decode'>, tokens: readonly number[], finish: Generation['finish']): string {
  return tokenizer.decode(finish === 'eos' ? tokens.slice(0, -1) : tokens)
}
