import type { ChatMessage } from '../seams/tokenizer'
import { describe, isBlank, isEmpty } from './fields'
import type { Row } from './row'

/** What comes before an answer: system message, earlier turns, the last user message. */
export interface Head {
  /** The text of the last user message. */
  readonly prompt: string
  readonly messages: readonly ChatMessage[]
}

const ROLES: Readonly<Record<string, ChatMessage['role'] | undefined>> = { system: 'system', user: 'user', assistant: 'assistant' }

/** The names of ShareGPT, which stand under `from`. */
const SPEAKERS: typeof ROLES = { ...ROLES, human: 'user', gpt: 'assistant', chatgpt: 'assistant', bing: 'assistant', bard: 'assistant' }

/** Keys of a message that would change what the model reads or is to learn. */
const NOT_READ = [
  'tool_calls',
  'tool_call_id',
  'function_call',
  'tools',
  'name',
  'images',
  'image',
  'videos',
  'audio',
  'audios',
  'refusal',
  'prefix',
]
/** How an answer was come to, by the names in use: Qwen 3's, gpt-oss's, and that of servers. */
const REASONING = ['reasoning_content', 'thinking', 'reasoning']
/** Marks of messages that are not to be trained on. */
const TRAINED = ['weight', 'train', 'loss']

/**
 * A list of `{ role, content }` (or ShareGPT's `{ from, value }`) as messages.
 * @throws PlumbError PLUMB_DATA_FIELD for any other role, content that is no text, tools and the like.
 */
export function messagesOf(row: Row, value: unknown, field: string): ChatMessage[] {
  if (!Array.isArray(value)) throw row.error('PLUMB_DATA_FIELD', `"${field}" must be a list of messages, but is ${describe(value)}.`)
  if (value.length === 0) throw row.error('PLUMB_DATA_FIELD', `"${field}" must hold messages, but is an empty list.`)
  return value.map((message, index) => messageOf(row, message, `${field}.${index}`))
}

function messageOf(row: Row, value: unknown, field: string): ChatMessage {
  const refuse = (what: string): never => {
    throw row.error('PLUMB_DATA_FIELD', what)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse(`"${field}" must be a message { role, content }, but is ${describe(value)}.`)
  }
  const message = value as Readonly<Record<string, unknown>>
  const [roleKey, contentKey, roles] = 'from' in message ? (['from', 'value', SPEAKERS] as const) : (['role', 'content', ROLES] as const)
  const unread = NOT_READ.find((key) => !isEmpty(message[key]))
  if (unread !== undefined) return refuse(`"${field}.${unread}" is not supported: messages are read as role and text alone.`)
  const role = typeof message[roleKey] === 'string' && Object.hasOwn(roles, message[roleKey]) ? roles[message[roleKey]] : undefined
  if (role === undefined) {
    return refuse(`"${field}.${roleKey}" must be one of ${Object.keys(roles).join(', ')}, but is ${describe(message[roleKey])}.`)
  }
  const content = message[contentKey]
  if (typeof content !== 'string') {
    const parts = Array.isArray(content) ? ' Parts of text and images are not supported.' : ''
    return refuse(`"${field}.${contentKey}" must be a string, but is ${describe(content)}.${parts}`)
  }
  const untrained = TRAINED.find((key) => message[key] === 0 || message[key] === false)
  if (role === 'assistant' && untrained !== undefined) {
    return refuse(`"${field}.${untrained}" says that this message is not trained on, which is not supported.`)
  }
  const reasoning = reasoningOf(message, role, field, refuse)
  return { role, content, ...(reasoning === undefined ? {} : { reasoning }) }
}

function reasoningOf(
  message: Readonly<Record<string, unknown>>,
  role: ChatMessage['role'],
  field: string,
  refuse: (what: string) => never,
): string | undefined {
  const [first, second] = REASONING.filter((key) => !isEmpty(message[key]))
  if (first === undefined) return undefined
  const reasoning = message[first]
  if (role !== 'assistant') return refuse(`"${field}.${first}" is of a message with role "${role}"; only an assistant's has reasoning.`)
  if (typeof reasoning !== 'string') return refuse(`"${field}.${first}" must be a string, but is ${describe(reasoning)}.`)
  if (second !== undefined && message[second] !== reasoning) return refuse(`"${field}.${first}" and "${field}.${second}" differ.`)
  return reasoning
}

/** Messages that an answer follows. @throws PlumbError PLUMB_DATA_FIELD unless the last is the user's, and says something. */
export function headOf(row: Row, messages: readonly ChatMessage[], field: string): Head {
  const last = messages.at(-1)
  if (last === undefined) throw row.error('PLUMB_DATA_FIELD', `"${field}" must hold a user message before the answer.`)
  if (last.role !== 'user') {
    throw row.error('PLUMB_DATA_FIELD', `"${field}" must end with a user message before the answer, but ends with role "${last.role}".`)
  }
  if (isBlank(last.content)) throw row.error('PLUMB_DATA_FIELD', `The last user message of "${field}" must not be empty.`)
  return { prompt: last.content, messages }
}

/** The answer of a list that holds nothing else. @throws PlumbError PLUMB_DATA_FIELD */
export function onlyAnswer(row: Row, messages: readonly ChatMessage[], field: string): string {
  const { before, answer } = splitAnswer(row, messages, field)
  if (before.length === 0) return answer
  throw row.error(
    'PLUMB_DATA_FIELD',
    `"${field}" must hold the assistant's answer alone, because the messages before it are given, but holds ${messages.length} messages.`,
  )
}

/** The reasoning of a list's last message, as a part of a candidate; nothing where it has none, or where the field holds a text. */
export function reasoningIn(row: Row, field: string): { readonly reasoning?: string } {
  const value = row.field(field)
  const reasoning = Array.isArray(value) ? messagesOf(row, value, field).at(-1)?.reasoning : undefined
  return reasoning === undefined ? {} : { reasoning }
}

/** A conversation cut before its last message. @throws PlumbError PLUMB_DATA_FIELD unless that is the assistant's. */
export function splitAnswer(row: Row, messages: readonly ChatMessage[], field: string): { before: ChatMessage[]; answer: string } {
  const last = messages.at(-1)
  if (last?.role === 'assistant') return { before: messages.slice(0, -1), answer: last.content }
  const found = last === undefined ? 'is empty' : `ends with role "${last.role}"`
  throw row.error('PLUMB_DATA_FIELD', `"${field}" must end with an assistant message, but ${found}.`)
}

/** Where two conversations part, from 0; undefined where they are the same. */
export function firstDifference(a: readonly ChatMessage[], b: readonly ChatMessage[]): number | undefined {
  const longest = Math.max(a.length, b.length)
  for (let index = 0; index < longest; index++) {
    const [x, y] = [a[index], b[index]]
    if (x?.role !== y?.role || x?.content !== y?.content || x?.reasoning !== y?.reasoning) return index
  }
  return undefined
}

/** A `system` column put before a conversation. @throws PlumbError PLUMB_DATA_FIELD where it has another system message already. */
export function withSystem(row: Row, head: readonly ChatMessage[]): readonly ChatMessage[] {
  const system = systemOf(row)
  if (system === undefined) return head
  const [first] = head
  if (first?.role !== 'system') return [{ role: 'system', content: system.text }, ...head]
  if (first.content === system.text) return head
  throw row.error('PLUMB_DATA_FIELD', `"${system.field}" and the conversation's own system message differ.`)
}

export const SYSTEM_FIELDS = ['system', 'system_prompt']

function systemOf(row: Row): { field: string; text: string } | undefined {
  const given = SYSTEM_FIELDS.flatMap((field) => (isEmpty(row.field(field)) ? [] : [{ field, text: row.field(field) }]))
  const [first, second] = given
  if (first === undefined) return undefined
  if (typeof first.text !== 'string') {
    throw row.error('PLUMB_DATA_FIELD', `"${first.field}" must be a string, but is ${describe(first.text)}.`)
  }
  if (second !== undefined && second.text !== first.text) {
    throw row.error('PLUMB_DATA_FIELD', `"${first.field}" and "${second.field}" differ.`)
  }
  return { field: first.field, text: first.text }
}

/**
 * A question in text, with the `system` and `history` columns (Alpaca's pairs of user and assistant) that make a conversation of it.
 * @returns undefined where there is neither.
 */
export function conversationAround(row: Row, question: string): Head | undefined {
  const messages = withSystem(row, [...historyOf(row), { role: 'user', content: question }])
  return messages.length === 1 ? undefined : { prompt: question, messages }
}

function historyOf(row: Row): ChatMessage[] {
  const history = row.field('history')
  if (isEmpty(history)) return []
  if (!Array.isArray(history)) {
    throw row.error('PLUMB_DATA_FIELD', `"history" must be a list of [user, assistant] pairs, but is ${describe(history)}.`)
  }
  return history.flatMap((pair: unknown, index): ChatMessage[] => {
    if (Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string' && typeof pair[1] === 'string') {
      return [
        { role: 'user', content: pair[0] },
        { role: 'assistant', content: pair[1] },
      ]
    }
    throw row.error('PLUMB_DATA_FIELD', `"history.${index}" must be a pair [user, assistant] of two strings.`)
  })
}
