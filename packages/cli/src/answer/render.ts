import type { GivenAnswer } from '@plumbline/core'
import { printable } from '@plumbline/core/base'
import type { ModelAnswer } from './session'

/** An answer under the name of its model. */
export function renderModelAnswer(answer: ModelAnswer): string {
  const text = renderAnswer(answer)
    .split('\n')
    .map((line) => `  ${line}`.trimEnd())
  return [printable(answer.model), ...text].join('\n')
}

/** The text, and behind it what one does not see of it. */
export function renderAnswer({ text, reasoning, finish, completionTokens }: GivenAnswer): string {
  const remarks = [
    ...(reasoning === undefined ? [] : [`${reasoning.length} characters of reasoning before it`]),
    ...(finish === 'length' ? [`cut off after ${completionTokens} tokens`] : []),
  ]
  const shown = text.trim() === '' ? '(nothing)' : printable(text.trim())
  return remarks.length === 0 ? shown : `${shown}\n(${remarks.join('; ')})`
}
