import { originOf } from '../data/origin'
import type { GroupRecord } from '../seams/records'
import { isPlumbError, PlumbError } from '../errors'
import type { RenderedPrompt } from '../prompt/render'
import type { ModelFacts } from '../seams/policy'
import type { Tokenizer, TokenPair } from '../seams/tokenizer'

/** The model's prompt for a question. */
export type RenderPrompt = (question: string, tokenizer: Tokenizer) => RenderedPrompt

/** What was tokenised before in this process: every stage needs the same prompts again. */
export class EncodingCache {
  private readonly known = new Map<string, TokenPair>()

  get(tokenizer: Tokenizer, prompt: string, chain: string | undefined, encode: () => TokenPair): TokenPair {
    const key = JSON.stringify([tokenizer.fingerprint, prompt, chain])
    const pair = this.known.get(key) ?? encode()
    this.known.set(key, pair)
    return pair
  }
}

/** Questions and chains as the model's tokens. Tokenised here and nowhere else. */
export class Encoder {
  /** Chains that were left out because prompt and chain exceed the context. */
  tooLong = 0
  /** Chains whose tokens next to the prompt had to be repaired; see `Tokenizer.encodePair`. */
  repaired = 0
  /** The text around the first repair. */
  firstRepair: string | undefined

  constructor(
    readonly model: ModelFacts,
    private readonly prompt: RenderPrompt,
    private readonly cache: EncodingCache,
  ) {}

  /**
   * The prompt that generation starts from.
   * @throws PlumbError PLUMB_PROMPT_TOO_LONG when it leaves no room for a token.
   */
  question(record: GroupRecord): readonly number[] {
    const { tokenizer } = this.model
    const { text, addSpecial } = this.prompt(record.prompt, tokenizer)
    const encode = () => ({ prompt: tokenizer.encode(text, { addSpecial }), completion: [], exact: true })
    return this.fitting(this.cache.get(tokenizer, text, undefined, encode).prompt, record)
  }

  /**
   * A question with one of its chains, EOS included; undefined (and counted) when the chain does not fit into the context.
   * @throws PlumbError PLUMB_PROMPT_TOO_LONG, PLUMB_TOKEN_BOUNDARY
   */
  example(record: GroupRecord, chain: string): { prompt: readonly number[]; completion: readonly number[] } | undefined {
    const pair = this.pair(record, chain)
    this.fitting(pair.prompt, record)
    const { eosId } = this.model.tokenizer
    const completion = eosId === undefined ? pair.completion : [...pair.completion, eosId]
    if (pair.prompt.length + completion.length > this.model.contextLength || completion.length === 0) {
      this.tooLong++
      return undefined
    }
    if (!pair.exact) {
      this.repaired++
      this.firstRepair ??= pair.where
    }
    return { prompt: pair.prompt, completion }
  }

  private pair(record: GroupRecord, chain: string): TokenPair {
    const { tokenizer } = this.model
    const { text, addSpecial } = this.prompt(record.prompt, tokenizer)
    return this.cache.get(tokenizer, text, chain, () => this.encodePair(record, text, addSpecial, chain))
  }

  private encodePair(record: GroupRecord, text: string, addSpecial: boolean, chain: string): TokenPair {
    const { tokenizer } = this.model
    if (addSpecial && tokenizer.encodePair) {
      try {
        return tokenizer.encodePair(text, chain)
      } catch (error) {
        if (!isPlumbError(error)) throw error
        const where = [originOf(record) ?? `question "${record.id}"`, error.where].filter(Boolean).join('  ')
        throw new PlumbError(error.code, error.message, where, { cause: error })
      }
    }
    // A chat template ends with special tokens, across which nothing merges.
    const prompt = tokenizer.encode(text, { addSpecial })
    const whole = tokenizer.encode(text + chain, { addSpecial })
    if (prompt.every((id, i) => id === whole[i])) return { prompt, completion: whole.slice(prompt.length), exact: true }
    return { prompt, completion: tokenizer.encode(chain), exact: false, where: `${text.slice(-24)}|${chain.slice(0, 24)}` }
  }

  private fitting(prompt: readonly number[], record: GroupRecord): readonly number[] {
    const { contextLength } = this.model
    if (prompt.length < contextLength) return prompt
    throw new PlumbError(
      'PLUMB_PROMPT_TOO_LONG',
      `The prompt of question "${record.id}" has ${prompt.length} tokens; the model's context is ${contextLength}, of which at least one is needed for the answer.`,
      originOf(record),
    )
  }
}
