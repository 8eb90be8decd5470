import type { Generation, Policy, Sampling } from '@plumbline/core'
import { PlumbError } from '@plumbline/core/base'
import { Completion, CompletionRules, completionText } from '@plumbline/transformer'
import type { Choice } from './protocol'
import { unreadable } from './protocol'

/** The model's side, as the sampler sees it. */
export type Reader = Pick<Policy, 'info' | 'tokenizer'>

/** Whose candidate it is. */
export interface Asked {
  readonly id: string
  readonly candidate: number
  readonly prompt: readonly number[]
}

/**
 * Makes completions of what a server gives, by the rules of the engines: tokens are taken one by one until an end token, a stop string or the
 * limit, whatever the server did behind that.
 */
export class CompletionReader {
  private readonly rules: CompletionRules

  constructor(
    private readonly model: Reader,
    sampling: Sampling,
    /** The server's address, for errors. */
    private readonly where: string,
  ) {
    const { vocabularySize, contextLength } = model.info
    this.rules = new CompletionRules(sampling, { vocabularySize, contextLength, endTokens: endTokensOf(model) }, model.tokenizer)
  }

  /** What a server is told to stop at. */
  get endTokens(): readonly number[] {
    return [...this.rules.endTokens]
  }

  /** Most tokens behind a prompt. */
  room(prompt: readonly number[]): number {
    return Math.min(this.rules.sampling.maxNewTokens, this.model.info.contextLength - prompt.length)
  }

  /** @throws PlumbError PLUMB_SERVER_TOKENIZER, PLUMB_SERVER_ANSWER */
  read({ id, candidate, prompt }: Asked, choice: Choice): Generation {
    checkTokens(this.model, prompt, choice, id, this.where)
    const completion = new Completion(this.rules, id, candidate, prompt.length)
    for (const token of choice.tokens) {
      const generation = completion.take(token)
      if (generation) return { ...generation, tokens: [...generation.tokens] }
    }
    return this.ended(completion, choice)
  }

  /** The server stopped before the rules said so. */
  private ended({ id, candidate, tokens }: Completion, { finish }: Choice): Generation {
    const { tokenizer } = this.model
    if (finish === 'length') return { id, candidate, tokens, text: tokenizer.decode(tokens), finish }
    if (finish !== 'stop') throw unreadable(`a completion of question "${id}" ended by ${JSON.stringify(finish)}`, this.where)
    const last = tokens.at(-1)
    // A further end that the model's own files name: a special token, as ends are.
    const isSpecial = last !== undefined && tokenizer.decode([last]) === '' && tokenizer.decode([last], { special: true }) !== ''
    if (isSpecial) return { id, candidate, tokens, text: completionText(tokenizer, tokens, 'eos'), finish: 'eos' }
    const seen = last === undefined ? 'no token at all' : `token ${last} (${JSON.stringify(tokenizer.decode([last], { special: true }))})`
    const message = `a completion of question "${id}" is said to have ended by itself, and its last is ${seen}, which ends nothing here: the end must be among the ids`
    throw unreadable(message, this.where)
  }
}

function endTokensOf({ tokenizer: { eosId } }: Reader): readonly number[] {
  return eosId === undefined ? [] : [eosId]
}

/**
 * That the server's ids mean what they mean here: the prompt came back as it was sent, ids are of the vocabulary, and they spell the text
 * that stands beside them.
 */
export function checkTokens({ info, tokenizer }: Reader, prompt: readonly number[], choice: Choice, id: string, where: string): void {
  const differs = (what: string): PlumbError =>
    new PlumbError(
      'PLUMB_SERVER_TOKENIZER',
      `The server's tokens are not this model's: of question "${id}" ${what}. Does it serve a model of the same tokenizer?`,
      where,
    )
  const { tokens, text, promptTokens } = choice
  if (promptTokens && (promptTokens.length !== prompt.length || promptTokens.some((token, i) => token !== prompt[i]))) {
    const at = prompt.findIndex((token, i) => token !== promptTokens[i])
    throw differs(
      at < 0
        ? `the prompt came back with ${promptTokens.length} tokens, and has ${prompt.length}`
        : `token ${at} of the prompt came back as ${promptTokens[at] ?? 'nothing'}, and is ${prompt[at]}`,
    )
  }
  const outside = tokens.find((token) => token < 0 || token >= info.vocabularySize)
  if (outside !== undefined) throw differs(`it gives the id ${outside}, and the vocabulary has ${info.vocabularySize}`)
  const own = letters(tokenizer.decode(tokens))
  const theirs = letters(text)
  // A server cuts at a stop string; either side may leave out a character that is not complete.
  if (!own.startsWith(theirs) && !theirs.startsWith(own)) {
    throw differs(`its text ${quoted(text)} stands beside ids that say ${quoted(tokenizer.decode(tokens))}`)
  }
}

/** Without what decoders treat differently: white space, and bytes that make no character yet. */
const letters = (text: string) => text.replaceAll(/[\s\ufffd]+/g, '')

const quoted = (text: string) => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
