/** Text to token ids and back, as the model's `tokenizer.json` says. */
export interface Tokenizer {
  readonly vocabularySize: number
  readonly bosId?: number
  readonly eosId?: number
  readonly padId?: number
  /** Token ids; with `addSpecial` also what the tokenizer's post-processor adds (BOS, …). */
  encode(text: string, options?: { readonly addSpecial?: boolean }): number[]
  /**
   * Text without special tokens; with `special`, they are shown too. Ids that the tokenizer has no text for (rows that a model is
   * padded with) give none.
   */
  decode(ids: readonly number[], options?: { readonly special?: boolean }): string
  /** Identifies the tokenizer by content; part of artifact keys. */
  readonly fingerprint: string
  /**
   * Tokenises a prompt and a completion that is continued from it, once, with the boundary between them.
   *
   * Let `whole = encode(prompt + completion, { addSpecial: true })`, less whatever special tokens the post-processor puts at
   * its end, and `head = encode(prompt, { addSpecial: true })`, treated alike. Where `whole` starts with `head`, the result is
   * `{ prompt: head, completion: whole.slice(head.length), exact: true }`: training and generation then see the same ids.
   *
   * Otherwise a token crosses the boundary (a merge over it, or a prefix that the completion alone would get, such as the
   * `▁` of SentencePiece). The repair, declared by `exact: false`: `prompt: head`, always, because generation starts from it,
   * and `completion` is a tokenisation that continues it: tokens t with `decode([...head, ...t]) = decode(head) + completion`
   * (the completion encoded without special tokens and without the prefix that a text's beginning gets). `where` then shows the
   * text around the boundary.
   *
   * Texts are equal where the tokenizer's own normalisation makes them so. Nothing is appended: an end of sequence is part of the
   * completion, as text, or is the caller's. `prompt` has at least one token. An empty completion gives an empty list.
   * Deterministic.
   *
   * With `addSpecial: false` the texts are those of a chat template, which has written its special tokens: `encode` above is then
   * without them. Default true.
   *
   * Core falls back to `encode(prompt, { addSpecial })` and `encode(completion)`, with the same comparison, where a
   * tokenizer lacks this method.
   * @throws PlumbError PLUMB_TOKEN_BOUNDARY with the text around the boundary, when no tokens continue the prompt to that text.
   */
  encodePair?(prompt: string, completion: string, options?: { readonly addSpecial?: boolean }): TokenPair
  /**
   * The messages through the model's chat template, as text, ending where the assistant's answer starts, or, without the
   * generation prompt, behind the last message. The text holds the template's special tokens, so it is encoded without
   * `addSpecial`. It holds what every message says (without the generation prompt: what the last one says), white space at their
   * ends aside. Equal arguments give equal text: a template that asks for the date gets `options.date`. Absent where the model has
   * no chat template.
   * @throws PlumbError PLUMB_CHAT_TEMPLATE when the template refuses the messages, PLUMB_CHAT_TEMPLATE_DROPS when it leaves
   *   one out, or the reasoning of the last one.
   */
  renderChat?(messages: readonly ChatMessage[], options?: RenderChatOptions): string
  /**
   * How the chat template ends an assistant's turn. Absent where there is no chat template, or where it ends the turn by no special
   * token.
   */
  readonly turnEnd?: TurnEnd
  /**
   * Names of the variables that the chat template reads beside what every template is given (`messages`, `bos_token`, …), e.g.
   * `enable_thinking`: an argument of another name would change nothing. Absent where that is not known.
   */
  readonly chatArguments?: readonly string[]
  /** The tags that a model which thinks writes its reasoning between, as the chat template or the vocabulary has them. */
  readonly thinking?: ThinkingTags
}

/** What opens the reasoning of an answer and what closes it, e.g. `<think>` and `</think>`. */
export type ThinkingTags = readonly [open: string, close: string]

export interface RenderChatOptions {
  /** End where the assistant's answer starts. Default true. */
  readonly addGenerationPrompt?: boolean
  /** The day that the template is told, `YYYY-MM-DD`. */
  readonly date?: string
  /** Variables of the template beside the messages: `chat_template_kwargs` of transformers. */
  readonly arguments?: ChatArguments
}

/** Values as JSON has them, by the template's names. */
export type ChatArguments = Readonly<Record<string, unknown>>

export interface TurnEnd {
  /** The special token that follows an answer, e.g. `<|im_end|>`: a sampled answer ends with it. */
  readonly token: number
  /** What the template writes behind that token before anything else begins, e.g. a newline; often nothing. */
  readonly tail: readonly number[]
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
  /** How an assistant came to the answer in `content`, where the two are given apart; the template says where it stands. */
  readonly reasoning?: string
}

/** A prompt and its completion as token ids, with the boundary recorded. Never tokenise them again. */
export interface TokenPair {
  readonly prompt: readonly number[]
  readonly completion: readonly number[]
  /** Whether prompt and completion together are the tokens of the whole text. */
  readonly exact: boolean
  /** The text around the boundary, when not exact, e.g. `…answer is|␣72 …`. */
  readonly where?: string
}
