import { z } from 'zod'
import type { PlumbError } from '../errors'
import type { DatasetReader } from '../seams/dataset'
import type { GroupRecord } from '../seams/records'
import type { ChatMessage } from '../seams/tokenizer'
import {
  conversationAround,
  firstDifference,
  headOf,
  messagesOf,
  onlyAnswer,
  reasoningIn,
  splitAnswer,
  SYSTEM_FIELDS,
  withSystem,
} from './conversation'
import { describe, idSchema, isBlank, isEmpty } from './fields'
import { commonPrompt } from './implicit-prompt'
import type { Row } from './row'
import { jsonLinesReader } from './rows'

export const preferenceOptions = z.strictObject({
  chosenIsReference: z.boolean().default(true).describe('Whether the chosen text also serves as the reference chain of L_VFT.'),
})

const rowSchema = z.looseObject({ id: idSchema })

/**
 * TRL's preference pairs: `{ prompt, chosen, rejected }` as texts or lists of messages, with the prompt in its own field or as the
 * common beginning of both sides. `question` or `instruction` (with `input`) may stand for `prompt`, ShareGPT's `conversations` for
 * the head; `system` and `history` become messages.
 */
export function preferenceReader({ chosenIsReference }: z.output<typeof preferenceOptions>): DatasetReader {
  return jsonLinesReader(
    'preference',
    (row) => {
      const { id } = row.as(rowSchema)
      const { chosen, rejected, ...head } = pairOf(row)
      if (chosenIsReference && isBlank(chosen))
        throw row.error('PLUMB_DATA_FIELD', 'The "chosen" answer is a reference chain and must not be empty.')
      return {
        id,
        ...head,
        candidates: [
          { text: chosen, ...reasoningIn(row, 'chosen'), positive: true, reward: 1, ...(chosenIsReference ? { reference: true } : {}) },
          { text: rejected, ...reasoningIn(row, 'rejected'), positive: false, reward: 0 },
        ],
      }
    },
    {
      fields: ['id', 'chosen', 'rejected', ...PROMPTS, 'input', 'history', ...SYSTEM_FIELDS, 'messages'],
      read: [...SYSTEM_FIELDS, 'history', 'input'],
    },
  )
}

type Pair = Pick<GroupRecord, 'prompt' | 'messages' | 'literal'> & { readonly chosen: string; readonly rejected: string }

function pairOf(row: Row): Pair {
  const [chosen, rejected] = (['chosen', 'rejected'] as const).map((side) => sideOf(row, side))
  const prompt = promptOf(row)
  if (typeof chosen === 'string' && typeof rejected === 'string') return textPair(row, prompt, chosen, rejected)
  if (typeof chosen === 'object' && typeof rejected === 'object') return messagePair(row, prompt, chosen, rejected)
  throw row.error('PLUMB_DATA_FIELD', '"chosen" and "rejected" must both be texts or both be lists of messages.')
}

function sideOf(row: Row, side: 'chosen' | 'rejected'): string | ChatMessage[] {
  const value = row.field(side)
  if (typeof value === 'string') return value
  if (value === undefined || value === null) throw row.misfit(`"${side}" is missing; it must be a text or a list of messages.`)
  if (Array.isArray(value)) return messagesOf(row, value, side)
  // ShareGPT's pairs have one message in place of a list.
  if (typeof value === 'object') return messagesOf(row, [value], side)
  throw row.error('PLUMB_DATA_FIELD', `"${side}" must be a text or a list of messages, but is ${describe(value)}.`)
}

type Prompt = { readonly text: string; readonly field: string } | { readonly messages: ChatMessage[]; readonly field: string }

const PROMPTS = ['prompt', 'question', 'instruction', 'conversations'] as const

function promptOf(row: Row): Prompt | undefined {
  // A list is never passed over: an empty one is refused with what else is no message.
  const given = PROMPTS.filter((name) => Array.isArray(row.field(name)) || !isEmpty(row.field(name)))
  const [field, other] = given
  if (other !== undefined && row.field(other) !== row.field(field ?? other)) {
    throw row.error('PLUMB_DATA_FIELD', `"${String(field)}" and "${other}" both hold a prompt, and they differ.`)
  }
  const input = row.field('input')
  if (!isEmpty(input) && field !== 'instruction') {
    throw row.error('PLUMB_DATA_FIELD', '"input" is read beside "instruction" alone; join it to the prompt.')
  }
  if (field === undefined) return undefined
  const value = row.field(field)
  if (typeof value !== 'string') return { messages: messagesOf(row, value, field), field }
  if (isEmpty(input)) return { text: value, field }
  if (typeof input === 'string') return { text: `${value}\n${input}`, field }
  throw row.error('PLUMB_DATA_FIELD', `"input" must be a string, but is ${describe(input)}.`)
}

function textPair(row: Row, prompt: Prompt | undefined, chosen: string, rejected: string): Pair {
  refuseOtherMessages(row, prompt === undefined ? [] : 'text' in prompt ? [{ role: 'user', content: prompt.text }] : prompt.messages, [
    chosen,
    rejected,
  ])
  if (prompt === undefined) {
    const blank = PROMPTS.find((name) => typeof row.field(name) === 'string')
    if (blank !== undefined) throw row.error('PLUMB_DATA_FIELD', `"${blank}" must not be empty.`)
    return implicitPair(row, chosen, rejected)
  }
  if ('messages' in prompt) return { ...headOf(row, withSystem(row, prompt.messages), prompt.field), chosen, rejected }
  const conversation = conversationAround(row, prompt.text)
  if (conversation !== undefined) return { ...conversation, chosen, rejected }
  return { prompt: prompt.text, ...(prompt.field === 'prompt' ? { literal: true } : {}), chosen, rejected }
}

/** Both sides are whole texts, as in hh-rlhf. */
function implicitPair(row: Row, chosen: string, rejected: string): Pair {
  const column = [...SYSTEM_FIELDS, 'history'].find((name) => !isEmpty(row.field(name)))
  if (column !== undefined) throw row.error('PLUMB_DATA_FIELD', `"${column}" needs a "prompt", and this record has none.`)
  const cut = chosen === rejected ? 0 : commonPrompt(chosen, rejected)
  if (isBlank(chosen.slice(0, cut))) {
    const why = chosen === rejected ? 'are the same text' : 'have no beginning in common'
    throw row.misfit(`"prompt" is missing, and "chosen" and "rejected" ${why}.`)
  }
  const rest = { chosen: chosen.slice(cut), rejected: rejected.slice(cut) }
  for (const [side, text] of Object.entries(rest)) {
    const turn = /(?:^|\n)\s*(?:Human|User):/.test(chosen.slice(0, cut)) ? /\n\s*(Human|User|Assistant):/.exec(text) : null
    if (turn === null) continue
    throw row.error(
      'PLUMB_DATA_HEADS_DIFFER',
      `"chosen" and "rejected" part before the last answer: behind their common beginning "${side}" has another turn ("${turn[1] ?? ''}:").` +
        ' Expected one conversation with two last answers.',
    )
  }
  return { prompt: chosen.slice(0, cut), literal: true, ...rest }
}

function messagePair(row: Row, prompt: Prompt | undefined, chosen: ChatMessage[], rejected: ChatMessage[]): Pair {
  if (prompt !== undefined && 'messages' in prompt) {
    const head = headOf(row, withSystem(row, prompt.messages), prompt.field)
    for (const [side, messages] of [
      ['chosen', chosen],
      ['rejected', rejected],
    ] as const) {
      if (
        messages.length <= prompt.messages.length ||
        firstDifference(messages.slice(0, prompt.messages.length), prompt.messages) !== undefined
      )
        continue
      throw row.error('PLUMB_DATA_FIELD', `"${side}" repeats the messages of "${prompt.field}"; leave them out of one of the two.`)
    }
    const parted = partedHeads(row, chosen.slice(0, -1), rejected.slice(0, -1))
    if (parted !== undefined) throw parted
    const answers = { chosen: onlyAnswer(row, chosen, 'chosen'), rejected: onlyAnswer(row, rejected, 'rejected') }
    refuseOtherMessages(row, prompt.messages, Object.values(answers))
    return { ...head, ...answers }
  }
  const good = splitAnswer(row, chosen, 'chosen')
  const bad = splitAnswer(row, rejected, 'rejected')
  const parted = partedHeads(row, good.before, bad.before)
  if (parted !== undefined) throw parted
  refuseOtherMessages(row, good.before.length > 0 ? good.before : [{ role: 'user', content: prompt?.text ?? '' }], [
    good.answer,
    bad.answer,
  ])
  const answers = { chosen: good.answer, rejected: bad.answer }
  if (good.before.length === 0) {
    if (prompt === undefined) throw row.misfit('"prompt" is missing, and "chosen" and "rejected" hold nothing before their answers.')
    const head = conversationAround(row, prompt.text) ?? { prompt: prompt.text, messages: [{ role: 'user', content: prompt.text }] }
    return { ...head, ...answers }
  }
  const first = good.before.find(({ role }) => role === 'user')
  if (prompt !== undefined && first?.content.trim() !== prompt.text.trim()) {
    throw row.error(
      'PLUMB_DATA_HEADS_DIFFER',
      `"${prompt.field}" is ${describe(prompt.text)}, but the first user message of "chosen" is ${describe(first?.content)}. Expected the same text.`,
    )
  }
  if (!isEmpty(row.field('history'))) {
    throw row.error('PLUMB_DATA_FIELD', '"history" needs a prompt in text, but "chosen" and "rejected" are whole conversations.')
  }
  return { ...headOf(row, withSystem(row, good.before), 'chosen'), ...answers }
}

function partedHeads(row: Row, chosen: readonly ChatMessage[], rejected: readonly ChatMessage[]): PlumbError | undefined {
  const at = firstDifference(chosen, rejected)
  if (at === undefined) return undefined
  const shown = (message: ChatMessage | undefined): string =>
    message === undefined ? 'missing' : `${message.role} ${describe(message.content)}`
  return row.error(
    'PLUMB_DATA_HEADS_DIFFER',
    `"chosen" and "rejected" part before the last answer: message ${at + 1} is ${shown(chosen[at])} and ${shown(rejected[at])}.` +
      ' Expected one conversation with two last answers.',
  )
}

/** `messages` beside a pair is let through where it repeats the pair's conversation, as in UltraFeedback-binarized. */
function refuseOtherMessages(row: Row, head: readonly ChatMessage[], answers: readonly string[]): void {
  if (isEmpty(row.field('messages'))) return
  const messages = messagesOf(row, row.field('messages'), 'messages')
  const last = messages.at(-1)
  const before = last?.role === 'assistant' && answers.includes(last.content) ? messages.slice(0, -1) : messages
  if (firstDifference(before, head) === undefined) return
  throw row.error('PLUMB_DATA_FIELD', '"messages" holds another conversation than "prompt", "chosen" and "rejected".')
}
