import type { ChatArguments, ChatMessage } from './tokenizer'

/**
 * The k-ary record, one JSON object per line: a question and its candidates. Every stage and every reader speaks it.
 */
export interface GroupRecord {
  readonly id: string
  /** The question as the dataset has it, before any prompt template. Of a conversation, the text of its last user message. */
  readonly prompt: string
  /**
   * The whole conversation before the answer (system message, earlier turns, the last user message), where the data file gives
   * message lists. It goes through the model's chat template; `prompt` is then for people and labelers.
   */
  readonly messages?: readonly ChatMessage[]
  /**
   * True where `prompt` is the very text that a candidate continues (the standard types of TRL: `prompt` with `completion`,
   * `chosen` and `rejected`), and not a question that waits for a template. The default template then adds nothing.
   */
  readonly literal?: true
  /** The record's own arguments for the chat template (TRL's column `chat_template_kwargs`), which go before those of the config. */
  readonly chatTemplateKwargs?: ChatArguments
  /** The expected final answer, where it is known. */
  readonly answer?: string
  readonly candidates: readonly CandidateRecord[]
}

export interface CandidateRecord {
  /** The answer's text; of a conversation, the content of the assistant's message behind `messages`. */
  readonly text: string
  /** How the answer was come to, where the file gives it apart from `text` (`reasoning_content`, `thinking`). */
  readonly reasoning?: string
  readonly positive?: boolean
  readonly reward?: number
  /** True for the dataset's own chain of thought. */
  readonly reference?: boolean
}

export type Question = Pick<GroupRecord, 'id' | 'prompt' | 'messages' | 'answer'>
