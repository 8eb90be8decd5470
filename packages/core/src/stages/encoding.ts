import { originOf } from '../data/origin'
import { isPlumbError, PlumbError } from '../errors'
import type { Lengths } from '../config/schema'
import { continuationOf, tokenPair } from '../prompt/continuation'
import { unreadArguments, type ChatAnswer, type PromptSource, type RenderedPrompt } from '../prompt/render'
import type { Generation, ModelFacts, Sampling } from '../seams/policy'
import type { GroupRecord } from '../seams/records'
import type { Tokenizer, TokenPair } from '../seams/tokenizer'
import { cutBefore, FittedPrompts } from './lengths'

/** The model's prompt for a record. */
export type RenderPrompt = (record: PromptSource, tokenizer: Tokenizer) => RenderedPrompt

/** Characters of text that are remembered with their tokens. */
const REMEMBERED = 32_000_000

/** What was tokenised before in this process: every stage needs the same prompts again. The oldest is forgotten first. */
export class EncodingCache {
  private readonly known = new Map<string, TokenPair>()
  private size = 0

  get(tokenizer: Tokenizer, { text, addSpecial }: RenderedPrompt, continuation: string, encode: () => TokenPair): TokenPair {
    const key = JSON.stringify([tokenizer.fingerprint, addSpecial, text, continuation])
    const found = this.known.get(key)
    if (found !== undefined) return found
    const pair = encode()
    this.known.set(key, pair)
    this.size += key.length
    for (const oldest of this.known.keys()) {
      if (this.size <= REMEMBERED) break
      this.known.delete(oldest)
      this.size -= oldest.length
    }
    return pair
  }
}

/** A prompt with one of its chains, as it is trained on. */
export interface Example {
  readonly prompt: readonly number[]
  /** With the end of the text, or of the turn and what the template writes behind it. */
  readonly completion: readonly number[]
  /** True where the completion was cut to the length limit, and has no end. */
  readonly cut?: true
}

/** How a completion ends, in the model's tokens. */
export type Ending = Required<Pick<Sampling, 'stop' | 'endTokens'>>

/** Questions and chains as the model's tokens. Tokenised here and nowhere else. */
export class Encoder {
  /** Chains that were left out because they are too long; those of prompts that were left out are none of them. */
  tooLong = 0
  /** Chains that were cut, and how many tokens they lost: in all, and the one that lost most. */
  readonly cutChains = { count: 0, tokens: 0, most: 0 }
  /** Chains whose tokens next to the prompt had to be repaired; see `Tokenizer.encodePair`. */
  repaired = 0
  /** The text around the first repair. */
  firstRepair: string | undefined
  /** Chains that the chat template writes behind another text than it writes as the prompt; see `continuationOf`. */
  reshaped = 0
  /** Chains of conversations that the chat template does not end by a special token. */
  unended = 0
  /** Plain chains of a model that has a chat template. */
  untemplated = 0
  /** Prompts that are too long, by what became of them. */
  readonly prompts: FittedPrompts
  /** Arguments of records that the chat template does not read, with the number of records. */
  readonly unreadArguments = new Map<string, number>()
  /** Records with arguments that go through no chat template. */
  idleArguments = 0

  constructor(
    readonly model: ModelFacts,
    private readonly prompt: RenderPrompt,
    private readonly cache: EncodingCache,
    readonly lengths: Lengths = { onTooLong: 'error' },
  ) {
    this.prompts = new FittedPrompts(model.contextLength, lengths)
  }

  /**
   * The prompt that generation starts from: the same tokens as an example's. Undefined (and counted) where it is too long and such are
   * skipped.
   * @throws PlumbError PLUMB_PROMPT_TOO_LONG; PLUMB_TOKENIZER_NO_EOS; what rendering throws.
   */
  question(record: GroupRecord): readonly number[] | undefined {
    const fitted = this.fitted(record)
    return fitted && this.promptOf(fitted)
  }

  /** Counts the record's arguments for the chat template that change nothing. To be called once for each record. */
  noteArguments(record: GroupRecord): void {
    if (record.chatTemplateKwargs === undefined) return
    if (this.rendered(record).answered === undefined) this.idleArguments++
    for (const name of unreadArguments(record, this.model.tokenizer)) {
      this.unreadArguments.set(name, (this.unreadArguments.get(name) ?? 0) + 1)
    }
  }

  /**
   * A question with one of its chains, its end included; undefined (and counted) where one of the two is too long and such are skipped.
   * @throws PlumbError PLUMB_PROMPT_TOO_LONG, PLUMB_COMPLETION_TOO_LONG, PLUMB_PROMPT_REASONING, PLUMB_TOKEN_BOUNDARY,
   *   PLUMB_TOKENIZER_NO_EOS; what rendering throws.
   */
  example(original: GroupRecord, answer: string | ChatAnswer): Example | undefined {
    const { tokenizer } = this.model
    const given = typeof answer === 'string' ? { text: answer } : answer
    const whole = this.build(original, given)
    const record = whole.pair.prompt.length > this.prompts.limit ? this.fitted(original) : original
    if (record === undefined) return undefined
    const { pair, completion, exact, isChat } = record === original ? whole : this.build(record, given)
    const { contextLength } = this.model
    const { maxCompletionTokens = Infinity, onTooLong } = this.lengths
    const limit = Math.min(maxCompletionTokens, contextLength - pair.prompt.length)
    const isCut = completion.length > limit && onTooLong === 'truncate'
    if (completion.length === 0 || (completion.length > limit && !isCut)) {
      if (completion.length > 0 && onTooLong === 'error') throw this.completionTooLong(record, pair.prompt.length, completion.length)
      this.tooLong++
      return undefined
    }
    if (!exact) this.reshaped++
    else if (!pair.exact) this.repaired++
    if (exact && !pair.exact) this.firstRepair ??= pair.where
    if (isChat && tokenizer.turnEnd === undefined) this.unended++
    if (!isChat && tokenizer.renderChat !== undefined) this.untemplated++
    if (!isCut) return { prompt: pair.prompt, completion }
    const kept = cutBefore(completion, limit, { tokenizer, chain: given.text })
    const lost = completion.length - kept.length
    this.cutChains.count++
    this.cutChains.tokens += lost
    this.cutChains.most = Math.max(this.cutChains.most, lost)
    return { prompt: pair.prompt, completion: kept, cut: true }
  }

  private build(record: GroupRecord, answer: ChatAnswer) {
    const rendered = this.rendered(record)
    const isChat = rendered.answered !== undefined
    const end = isChat ? '' : this.endText()
    const { text, exact } = this.located(record, () => continuationOf(rendered, answer, end))
    const { eosId } = this.model.tokenizer
    const whole = this.pair(record, rendered, text)
    const isEnded = isChat || eosId === undefined || whole.completion.at(-1) === eosId
    // An end that is no text of its own, or is not taken for the token beside other text, is appended as a token.
    const pair = isEnded || text === answer.text ? whole : this.pair(record, rendered, answer.text)
    return { pair, completion: isEnded ? pair.completion : [...pair.completion, eosId], exact, isChat }
  }

  /**
   * How the completions of these records end: by the chat template's end of a turn where a record goes through one, by stop strings,
   * and by those of them that are special tokens, which no text ever holds.
   * @throws PlumbError PLUMB_STOP_NEVER for a stop string that holds a special token among other text.
   */
  ending(records: Iterable<GroupRecord>, stop: readonly string[]): Ending {
    const { tokenizer } = this.model
    const special = stop.map((text) => specialIn(tokenizer, text))
    const { turnEnd } = tokenizer
    const isChat = turnEnd !== undefined && this.anyChat(records)
    return {
      stop: stop.filter((_, i) => special[i] === undefined),
      endTokens: [...new Set([...(isChat ? [turnEnd.token] : []), ...special.filter((id) => id !== undefined)])],
    }
  }

  /**
   * A sampled completion as it is trained and scored beside the references, in which every answer ends as the model's answers end:
   * behind the end of a turn stands what the template writes there; a stop string is replaced by the end, so that nobody learns to
   * write it. Where the stop string begins inside of a token, the text before it is tokenised anew. A completion that was cut off
   * has no end.
   */
  sampled(original: GroupRecord, generation: Generation): Generation {
    const record = this.fitted(original)
    if (record === undefined) return generation
    const prompt = this.promptOf(record)
    const tokens = this.endedTokens(record, prompt, generation)
    // what the template writes behind an end may be more than the context has room for
    return tokens === undefined || prompt.length + tokens.length > this.model.contextLength ? generation : { ...generation, tokens }
  }

  /** Undefined where they stay as they were sampled. */
  private endedTokens(record: GroupRecord, prompt: readonly number[], { tokens, finish, text }: Generation): readonly number[] | undefined {
    const { tokenizer } = this.model
    const { turnEnd, eosId } = tokenizer
    const rendered = this.rendered(record)
    const isChat = rendered.answered !== undefined
    if (finish === 'eos')
      return isChat && turnEnd !== undefined && tokens.at(-1) === turnEnd.token ? [...tokens, ...turnEnd.tail] : undefined
    if (finish !== 'stop') return undefined
    const end = isChat && turnEnd ? [turnEnd.token, ...turnEnd.tail] : eosId === undefined ? [] : [eosId]
    for (let length = tokens.length - 1; length >= 0; length--) {
      const decoded = tokenizer.decode(tokens.slice(0, length))
      if (decoded === text) return [...tokens.slice(0, length), ...end]
      if (decoded.length < text.length && !decoded.endsWith('\ufffd')) break
    }
    // Some decoders show the space before a text only where something stands before it.
    const behind = tokenizer.decode([...prompt, ...tokens]).slice(tokenizer.decode(prompt).length)
    const continuation = behind.slice(0, Math.max(0, behind.indexOf(text)) + text.length)
    return [...tokenPair(tokenizer, rendered, continuation).completion, ...end]
  }

  /** The text of the prompt as it is asked, and whether it goes through the chat template; undefined where the record is skipped. */
  asked(original: GroupRecord): (Pick<RenderedPrompt, 'text'> & { readonly isChat: boolean }) | undefined {
    const record = this.fitted(original)
    if (record === undefined) return undefined
    const { text, answered } = this.rendered(record)
    return { text, isChat: answered !== undefined }
  }

  /** The record, or as much of it as makes a prompt that is short enough; undefined where it is skipped. */
  private fitted(record: GroupRecord): GroupRecord | undefined {
    return this.prompts.fit(record, (other) => this.promptOf(other).length)
  }

  private promptOf(record: GroupRecord): readonly number[] {
    return this.pair(record, this.rendered(record), '').prompt
  }

  private rendered(record: GroupRecord): RenderedPrompt {
    const rendered = this.located(record, () => this.prompt(record, this.model.tokenizer))
    if (rendered.answered === undefined && this.model.tokenizer.eosId === undefined) {
      throw new PlumbError(
        'PLUMB_TOKENIZER_NO_EOS',
        "The model names no end-of-sequence token, so no answer could end; write eos_token into the model's tokenizer_config.json (or eos_token_id into its config.json).",
      )
    }
    return rendered
  }

  private anyChat(records: Iterable<GroupRecord>): boolean {
    for (const record of records) if (this.rendered(record).answered !== undefined) return true
    return false
  }

  private pair(record: GroupRecord, rendered: RenderedPrompt, continuation: string): TokenPair {
    const { tokenizer } = this.model
    return this.cache.get(tokenizer, rendered, continuation, () => this.located(record, () => tokenPair(tokenizer, rendered, continuation)))
  }

  /** The end-of-sequence token as text, where that text is taken for the token. */
  private endText(): string {
    const { tokenizer } = this.model
    const { eosId } = tokenizer
    this.end ??= eosId === undefined ? '' : textOfToken(tokenizer, eosId)
    return this.end
  }
  private end: string | undefined

  /** Errors about one record say which. */
  private located<T>(record: GroupRecord, work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (!isPlumbError(error)) throw error
      const where = [originOf(record) ?? `question "${record.id}"`, error.where].filter(Boolean).join('  ')
      throw new PlumbError(error.code, error.message, where, { cause: error })
    }
  }

  private completionTooLong(record: GroupRecord, prompt: number, completion: number): PlumbError {
    const { maxCompletionTokens = Infinity } = this.lengths
    const { contextLength } = this.model
    const over =
      completion > maxCompletionTokens
        ? `${completion} tokens, and lengths.maxCompletionTokens is ${maxCompletionTokens}`
        : `${completion} tokens behind a prompt of ${prompt}, and the model's context is ${contextLength}`
    return new PlumbError(
      'PLUMB_COMPLETION_TOO_LONG',
      `An answer to question "${record.id}" has ${over}; lengths.onTooLong: skip leaves such answers out, truncate cuts them.`,
      originOf(record),
    )
  }
}

/** The token's text, where the tokenizer makes that one token of it; else nothing. */
function textOfToken(tokenizer: Tokenizer, id: number): string {
  const text = tokenizer.decode([id], { special: true })
  const [only, ...others] = text === '' ? [] : tokenizer.encode(text)
  return only === id && others.length === 0 ? text : ''
}

/** The token that a stop string is, where it is exactly one that texts do not show. */
function specialIn(tokenizer: Tokenizer, stop: string): number | undefined {
  const ids = tokenizer.encode(stop)
  const hidden = ids.filter((id) => {
    const shown = tokenizer.decode([id], { special: true })
    return shown !== '' && tokenizer.decode([id]) === '' && stop.includes(shown) // an unknown word is no special token
  })
  if (hidden.length === 0) return undefined
  if (ids.length === 1) return hidden[0]
  const [first] = hidden
  const shown = first === undefined ? '' : tokenizer.decode([first], { special: true })
  throw new PlumbError(
    'PLUMB_STOP_NEVER',
    `The stop string ${JSON.stringify(stop)} holds the special token ${JSON.stringify(shown)}, which no text shows, so it would never match; give the token alone, or other text.`,
  )
}
