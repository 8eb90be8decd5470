import type { PromptConfig } from '../config/schema'
import type { ThinkingTags, Tokenizer } from '../seams/tokenizer'

/** The tags that reasoning stands between: those of the configuration, or those that the tokenizer knows of. */
export function thinkingTags(
  { thinking }: Pick<PromptConfig, 'thinking'>,
  detected: Tokenizer['thinking'] | undefined,
): ThinkingTags | undefined {
  if (thinking === false) return undefined
  return thinking === 'auto' ? detected : thinking
}

/** Whether a prompt ends inside of a span: R1's generation prompt opens one, which the model then goes on with. */
export function opensThinking(prompt: string, [open]: ThinkingTags): boolean {
  return prompt.trimEnd().endsWith(open)
}

/** A text without its reasoning. */
export interface Thought {
  /** What stands behind the last span, or the whole text where there is none. Empty where the reasoning never ends. */
  readonly answer: string
  /** What stands before the answer, tags included. Absent where there is no reasoning. */
  readonly reasoning?: string
  /** Whether the text ends outside of a span. */
  readonly isFinished: boolean
}

/**
 * Where the answer of a text begins: behind the last closing tag, as the templates of Qwen 3 and R1 cut earlier turns. A span that is
 * not closed holds no answer, nor does anything before it: what a model writes while it thinks is not what it says in the end.
 *
 * @param isOpen whether the prompt has opened a span
 */
export function splitThinking(text: string, [open, close]: ThinkingTags, isOpen: boolean): Thought {
  const closed = text.lastIndexOf(close)
  const end = closed < 0 ? 0 : closed + close.length
  const answer = text.slice(end)
  const isFinished = !answer.includes(open) && (closed >= 0 || !isOpen)
  if (!isFinished) return { answer: '', reasoning: text, isFinished }
  return closed < 0 ? { answer, isFinished } : { answer, reasoning: text.slice(0, end), isFinished }
}
