import { PlumbError } from '@plumbline/core/base'
import type { HuggingFaceTokenizer } from './huggingface'

export interface SpecialToken {
  readonly text: string
  readonly id: number
  /** True where only the model's config names it, by its id: transformers' tokenizer then has no such token, and no template is told. */
  readonly ofModel?: true
}

export interface SpecialTokens {
  readonly bos?: SpecialToken
  readonly eos?: SpecialToken
  readonly pad?: SpecialToken
  readonly unk?: SpecialToken
}

type Json = Readonly<Record<string, unknown>>

export interface SpecialTokenFiles {
  readonly tokenizerConfig?: Json
  readonly specialTokensMap?: Json
  readonly modelConfig?: Json
  readonly generationConfig?: Json
}

/**
 * Which tokens begin, end and pad a text: as `tokenizer_config.json` says, else `special_tokens_map.json`, as transformers resolves
 * them; else the ids of the model's `config.json`, else of `generation_config.json` (the first one of a list).
 *
 * @throws PlumbError PLUMB_TOKENIZER_EOS when the token that is named as the end is none of the tokenizer's: transformers would
 *   add it, beyond what the model has rows for.
 */
export function specialTokens(
  files: SpecialTokenFiles,
  vocabulary: Pick<HuggingFaceTokenizer, 'token_to_id' | 'id_to_token'>,
  where: string,
): SpecialTokens {
  const find = (name: 'bos' | 'eos' | 'pad' | 'unk'): SpecialToken | undefined => {
    const text = content(files.tokenizerConfig?.[`${name}_token`]) ?? content(files.specialTokensMap?.[`${name}_token`])
    const named = text === undefined ? undefined : vocabulary.token_to_id(text)
    if (text !== undefined && named !== undefined) return { text, id: named }
    if (text !== undefined && name === 'eos') {
      const message = `The eos_token ${JSON.stringify(text)} of tokenizer_config.json is not among the tokens of tokenizer.json; one of them was expected.`
      throw new PlumbError('PLUMB_TOKENIZER_EOS', message, where)
    }
    return byId(files.modelConfig, name) ?? byId(files.generationConfig, name)
  }
  const byId = (config: Json | undefined, name: string): SpecialToken | undefined => {
    const ids = config?.[`${name}_token_id`]
    const id: unknown = Array.isArray(ids) ? ids[0] : ids
    const known = typeof id === 'number' ? vocabulary.id_to_token(id) : undefined
    return typeof id === 'number' && known !== undefined ? { text: known, id, ofModel: true } : undefined
  }
  return { bos: find('bos'), eos: find('eos'), pad: find('pad'), unk: find('unk') }
}

/** A token is written as a string or as an object with its matching rules. */
export function content(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  const inner = (value as { content?: unknown } | null | undefined)?.content
  return typeof inner === 'string' ? inner : undefined
}
