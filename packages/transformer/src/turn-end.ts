import type { Tokenizer, TurnEnd } from '@plumbline/core/base'

const ANSWER = 'plumb1answer'

/**
 * What ends an assistant's turn: the first special token that the chat template writes behind an answer, and what it writes behind
 * that. Undefined where it writes none, or takes no conversation of one question and one answer.
 */
export function turnEndOf(
  renderChat: NonNullable<Tokenizer['renderChat']>,
  encode: (text: string) => readonly number[],
  specials: ReadonlySet<number>,
): TurnEnd | undefined {
  let text: string
  try {
    const messages = [
      { role: 'user', content: 'plumb0question' },
      { role: 'assistant', content: ANSWER },
    ] as const
    text = renderChat(messages, { addGenerationPrompt: false })
  } catch {
    return undefined // whoever renders a conversation is told why
  }
  const behind = encode(text.slice(text.lastIndexOf(ANSWER) + ANSWER.length))
  const at = behind.findIndex((id) => specials.has(id))
  const token = behind[at]
  return token === undefined ? undefined : { token, tail: behind.slice(at + 1) }
}
