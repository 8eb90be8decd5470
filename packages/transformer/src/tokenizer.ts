import { createHash, type Hash } from 'node:crypto'
import { PlumbError, type ThinkingTags, type Tokenizer as TokenizerSeam, type TurnEnd } from '@plumbline/core/base'
import { addedTokens, checkSingleWords, type AddedToken } from './added-tokens'
import { encodePair } from './boundary'
import { ChatTemplate } from './chat-template'
import { Tokenizer as Engine, type HuggingFaceTokenizer } from './huggingface'
import { specialTokens } from './special-tokens'
import { requireTokenIds } from './tokenizer-ids'
import { thinkingTagsOf } from './thinking'
import { turnEndOf } from './turn-end'

type Json = Readonly<Record<string, unknown>>

/** What a tokenizer is made of; all but `tokenizer` may be absent. */
export interface TokenizerFiles {
  /** `tokenizer.json` */
  readonly tokenizer: Json
  /** `tokenizer_config.json` */
  readonly tokenizerConfig?: Json
  /** `special_tokens_map.json` */
  readonly specialTokensMap?: Json
  /** `config.json` of the model, for its bos, eos and pad ids. */
  readonly modelConfig?: Json
  /** `generation_config.json` of the model, for the same where no other file names them. */
  readonly generationConfig?: Json
  /** `chat_template.jinja`, which takes precedence over `tokenizer_config.json`'s. */
  readonly chatTemplate?: string
}

/**
 * A tokenizer from the contents of its files.
 * @param where names the source in errors.
 */
export function createTokenizer(files: TokenizerFiles, where: string): TokenizerSeam {
  return new LoadedTokenizer(vocabularyOf(files, where), files, where)
}

/** What takes long to make of `tokenizer.json` and `tokenizer_config.json`, wherever they lie and whatever lies beside them. */
export interface Vocabulary {
  readonly engine: HuggingFaceTokenizer
  readonly size: number
  readonly added: readonly AddedToken[]
  /** What the post-processor puts before a text. */
  readonly leading: readonly number[]
  /** Of everything that is in it. */
  readonly hash: Hash
}

/** @throws PlumbError PLUMB_TOKENIZER_INVALID */
export function vocabularyOf(files: Pick<TokenizerFiles, 'tokenizer' | 'tokenizerConfig'>, where: string): Vocabulary {
  requireTokenIds(files, where)
  // The package wants these keys present, and takes the unknown token of word-level models from the config only.
  const absent = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] }
  const model = (files.tokenizer.model ?? {}) as Json
  try {
    const added = addedTokens(files)
    const engine = new Engine(
      { ...absent, ...files.tokenizer, added_tokens: added },
      { ...files.tokenizerConfig, unk_token: model.unk_token ?? undefined },
    )
    let largest = -1
    for (const id of engine.get_vocab().values()) largest = Math.max(largest, id)
    const hash = createHash('sha256').update(`[${JSON.stringify({ ...files.tokenizer, added_tokens: added })}`)
    return { engine, size: largest + 1, added, leading: leadingSpecials(engine), hash }
  } catch (cause) {
    if (cause instanceof PlumbError) throw cause
    const message = `This tokenizer cannot be used: ${(cause as Error).message}`
    throw new PlumbError('PLUMB_TOKENIZER_INVALID', message, where, { cause })
  }
}

export class LoadedTokenizer implements TokenizerSeam {
  readonly vocabularySize: number
  readonly bosId?: number
  readonly eosId?: number
  readonly padId?: number
  readonly fingerprint: string
  readonly renderChat?: TokenizerSeam['renderChat']
  readonly thinking?: ThinkingTags
  private readonly engine: HuggingFaceTokenizer
  private readonly leading: readonly number[]
  private readonly singleWords: readonly string[]
  private readonly isSpecial: ReadonlySet<number>
  private readonly chat?: ChatTemplate
  private foundTurnEnd?: { readonly end?: TurnEnd }

  /** @throws PlumbError PLUMB_TOKENIZER_EOS */
  constructor(
    { engine, size, added, leading, hash }: Vocabulary,
    files: Omit<TokenizerFiles, 'tokenizer'>,
    private readonly where: string,
  ) {
    this.engine = engine
    this.vocabularySize = size
    this.leading = leading
    const specials = specialTokens(files, engine, where)
    const { bos, eos, pad, unk } = specials
    this.bosId = bos?.id
    this.eosId = eos?.id
    this.padId = pad?.id
    this.singleWords = added.filter((token) => token.single_word).map(({ content }) => content)
    const named = [bos, eos, pad].flatMap((token) => token?.id ?? [])
    this.isSpecial = new Set([...added.filter(({ special, id }) => special && id !== unk?.id).map(({ id }) => id), ...named])
    const template = files.chatTemplate ?? namedTemplate(files.tokenizerConfig?.chat_template)
    if (template !== undefined) {
      const chat = new ChatTemplate(template, specials, where)
      this.chat = chat
      this.renderChat = (messages, options) => chat.render(messages, options)
    }
    this.thinking = thinkingTagsOf(template, new Set(added.map(({ content }) => content)))
    const rest = [this.bosId, this.eosId, this.padId, template].map((value) => JSON.stringify(value ?? null))
    this.fingerprint = hash.copy().update(`,${rest.join()}]`).digest('hex')
  }

  get chatArguments(): readonly string[] | undefined {
    return this.chat?.arguments
  }

  get turnEnd(): TurnEnd | undefined {
    const { renderChat } = this
    this.foundTurnEnd ??= { end: renderChat && turnEndOf(renderChat, (text) => this.encode(text), this.isSpecial) }
    return this.foundTurnEnd.end
  }

  encode(text: string, { addSpecial = false }: { readonly addSpecial?: boolean } = {}): number[] {
    checkSingleWords(text, this.singleWords, this.where)
    // Half of a surrogate pair is no character; everywhere else it becomes U+FFFD.
    const { ids } = this.engine.encode(text.replace(LONE_SURROGATE, '\ufffd'), { add_special_tokens: addSpecial })
    if (ids.some((id) => id === undefined)) {
      const message = `The tokenizer has no tokens for a part of ${JSON.stringify(text.slice(0, 80))} and no unknown token.`
      throw new PlumbError('PLUMB_TOKENIZER_UNKNOWN_TEXT', message, this.where)
    }
    return ids as number[]
  }

  /** Never "cleans up" spaces: the text must be the tokens', whatever the tokenizer's config asks for. */
  decode(ids: readonly number[], { special = false }: { readonly special?: boolean } = {}): string {
    const known = ids.filter((id) => this.engine.id_to_token(id) !== undefined)
    if (known.length === 0) return ''
    return this.engine.decode(known, { skip_special_tokens: !special, clean_up_tokenization_spaces: false })
  }

  encodePair(prompt: string, completion: string, { addSpecial = true }: { readonly addSpecial?: boolean } = {}) {
    const tokenizer = {
      encode: (text: string) => this.encode(text),
      decode: (ids: readonly number[]) => this.decode(ids, { special: true }),
      leading: addSpecial ? this.leading : [],
      normalise: (text: string) => this.engine.normalizer?.(text) ?? text,
    }
    return encodePair(tokenizer, prompt, completion)
  }
}

const LONE_SURROGATE = /\p{Surrogate}/gu

function leadingSpecials(engine: HuggingFaceTokenizer): readonly number[] {
  const probe = '0'
  const plain = engine.encode(probe, { add_special_tokens: false }).ids
  const full = engine.encode(probe, { add_special_tokens: true }).ids as number[]
  for (let start = 0; start + plain.length <= full.length; start++) {
    if (plain.every((id, i) => id === full[start + i])) return full.slice(0, start)
  }
  return []
}

/** `chat_template` is a template, or a list of named ones. */
function namedTemplate(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (!Array.isArray(value)) return undefined
  const named = value as readonly { name?: unknown; template?: unknown }[]
  const template = (named.find(({ name }) => name === 'default') ?? named[0])?.template
  return typeof template === 'string' ? template : undefined
}
