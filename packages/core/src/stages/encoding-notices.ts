import type { StageNotice } from '../run/store'
import type { Encoder } from './encoding'

/** What is to be said of the chains that an encoder has seen, once each. */
export function encodingNotices(encoder: Encoder, title: string, what: 'reference chain' | 'candidate'): StageNotice[] {
  const { tooLong, cutChains, repaired, firstRepair, reshaped, unended, untemplated, model, lengths } = encoder
  const counted = (count: number) => `${count} ${what}${count === 1 ? '' : 's'} of ${title}`
  const { maxCompletionTokens: limit } = lengths
  const bound =
    limit === undefined ? "the model's context" : `lengths.maxCompletionTokens (${limit}) or the model's context (${model.contextLength})`
  const all: readonly Counted[] = [
    [tooLong, 'warning', `${counted(tooLong)} left out: longer than ${bound}.`],
    [
      cutChains.count,
      'warning',
      `${counted(cutChains.count)} cut at the end, to ${bound}: ${lostTokens(cutChains)}. They have no end, so they do not teach the model to stop.`,
    ],
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
  return [...promptNotices(encoder, title), ...noticesOf(all)]
}

/** What is to be said of the prompts that an encoder has seen, once each. */
export function promptNotices(encoder: Encoder, title: string): StageNotice[] {
  const { prompts, unreadArguments, idleArguments } = encoder
  const { skipped, cut, limit } = prompts
  const counted = (count: number) => `${count} question${count === 1 ? '' : 's'} of ${title}`
  return noticesOf([
    [skipped, 'warning', `${counted(skipped)} left out: the prompt is longer than ${limit} tokens.`],
    [cut.count, 'warning', `${counted(cut.count)} cut at the beginning, to a prompt of ${limit} tokens: ${lostTokens(cut)}.`],
    [
      idleArguments,
      'warning',
      `The chat_template_kwargs of ${counted(idleArguments)} change nothing: a plain question goes through no chat template unless prompt.chat is true.`,
    ],
    ...[...unreadArguments].map(([name, count]): Counted => [
      count,
      'warning',
      `The model's chat template reads no argument "${name}", which ${counted(count)} ${count === 1 ? 'brings' : 'bring'} in chat_template_kwargs; it changes nothing.`,
    ]),
  ])
}

type Counted = readonly [count: number, level: StageNotice['level'], message: string]

const noticesOf = (all: readonly Counted[]): StageNotice[] =>
  all.flatMap(([count, level, message]) => (count > 0 ? [{ level, message }] : []))

const lostTokens = ({ tokens, most }: { readonly tokens: number; readonly most: number }) =>
  `${tokens} ${tokens === 1 ? 'token' : 'tokens'} less in all, ${most} at most`
