import type { StageNotice } from '../run/store'
import type { Encoder } from './encoding'

/** What is to be said of the chains that an encoder has seen, once each. */
export function encodingNotices(
  { tooLong, repaired, firstRepair, reshaped, unended, untemplated }: Encoder,
  title: string,
  what: 'reference chain' | 'candidate',
): StageNotice[] {
  const counted = (count: number) => `${count} ${what}${count === 1 ? '' : 's'} of ${title}`
  const all: readonly [count: number, level: StageNotice['level'], message: string][] = [
    [tooLong, 'warning', `${counted(tooLong)} left out: longer than the model's context.`],
    [
      repaired,
      'info',
      `In ${counted(repaired)} a token would cross the boundary to the prompt (first: ${firstRepair ?? ''}); the text is tokenised as a continuation.`,
    ],
    [
      reshaped,
      'warning',
      `The chat template writes ${counted(reshaped)} behind another text than it writes as the prompt; what differs is trained as a continuation of the prompt. plumb inspect data shows it.`,
    ],
    [unended, 'warning', `The chat template ends ${counted(unended)} with no special token, so nothing teaches the model to stop.`],
    [
      untemplated,
      'info',
      `The model has a chat template, which ${counted(untemplated)} are trained without, being no conversations; prompt.chat: true puts them through it.`,
    ],
  ]
  return all.flatMap(([count, level, message]) => (count > 0 ? [{ level, message }] : []))
}
