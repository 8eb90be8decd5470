import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { configSchema, Encoder, EncodingCache, renderPrompt, type ChatMessage, type GroupRecord, type Tokenizer } from '@plumbline/core'
import { npmTokenizer } from './support/npm-tokenizer'

/** What TRL trains on, written by fixtures/trl/make_trl_tokens.py. */
interface Tokens {
  readonly prompt: readonly number[]
  readonly completion: readonly number[]
  /** TRL warns: the prompt's tokens do not begin those of the whole, and cuts these by number. */
  readonly mismatch?: true
}
interface Rendered extends Tokens {
  readonly text: string
  readonly whole: string
}
interface Entry {
  readonly eos: number
  readonly bos: number | null
  readonly literal: readonly Tokens[]
  readonly chat: readonly (Rendered | { readonly error: string })[]
}
type Turn = readonly [ChatMessage['role'], string]

const read = (name: string) => JSON.parse(readFileSync(join(__dirname, 'fixtures/trl', name), 'utf8')) as unknown
const expected = read('tokens.json') as Readonly<Record<string, Entry>>
const templates = read('templates.json') as Readonly<Record<string, string>>
const records = read('records.json') as {
  readonly literal: readonly (readonly [string, string])[]
  readonly chat: readonly { readonly prompt: readonly Turn[]; readonly answer: string }[]
}
const { prompt: promptConfig } = configSchema.pick({ prompt: true }).parse({})

function encoderOf(tokenizer: Tokenizer): Encoder {
  return new Encoder(
    { tokenizer, contextLength: 4096 },
    (record, loaded) => renderPrompt(record, promptConfig, loaded),
    new EncodingCache(),
  )
}

describe.each(Object.entries(expected))("TRL's tokens with %s", (name, { eos, bos, literal, chat }) => {
  const tokenizer = npmTokenizer(name === 'thinking' ? 'qwen2_5' : name, templates[name])
  const show = (id: number | null) => (id === null ? '' : tokenizer.decode([id], { special: true }))
  const fill = (text: string) => text.replaceAll('{eos}', show(eos)).replaceAll('{bos}', show(bos))
  const conversation = (n: number) => {
    const { prompt, answer } = records.chat[n]!
    const messages = prompt.map(([role, content]) => ({ role, content: fill(content) }))
    return { messages, answer: fill(answer), record: { id: `chat-${n}`, prompt: '', messages, candidates: [] } satisfies GroupRecord }
  }

  it('agrees on the special tokens', () => {
    expect(tokenizer.eosId).toBe(eos)
    expect(tokenizer.bosId ?? null).toBe(bos)
  })

  if (literal.length > 0) {
    it.each(literal.map((tokens, n) => ({ n, pair: records.literal[n]!, ...tokens })))(
      'literal $n: $pair',
      ({ pair: [prompt, completion], mismatch, ...tokens }) => {
        const encoder = encoderOf(tokenizer)
        const record: GroupRecord = { id: 'r', prompt: fill(prompt), literal: true, candidates: [] }
        const example = encoder.example(record, fill(completion))!
        expect(example.prompt).toEqual(tokens.prompt)
        expect(encoder.question(record)).toEqual(tokens.prompt)
        expect(encoder.repaired).toBe(mismatch ? 1 : 0)
        if (!mismatch) expect(example.completion).toEqual(tokens.completion)
        else {
          // TRL trains the tokens behind a boundary that is none; here they continue the prompt, to the same text and one end.
          const text = (ids: readonly number[]) => tokenizer.decode(ids, { special: true }).normalize('NFC')
          expect(text([...example.prompt, ...example.completion])).toBe(
            text(tokens.prompt) + `${fill(completion)}${show(eos)}`.normalize('NFC'),
          )
          expect(example.completion.at(-1)).toBe(eos)
        }
      },
    )
  }

  it.each(chat.map((row, n) => ({ n, row })))('conversation $n', ({ n, row }) => {
    const { messages, answer, record } = conversation(n)
    const encoder = encoderOf(tokenizer)
    if ('error' in row) {
      expect(() => encoder.question(record)).toThrow(expect.objectContaining({ code: 'PLUMB_CHAT_TEMPLATE' }))
      return
    }
    expect(tokenizer.renderChat!(messages)).toBe(row.text)
    const whole = () => tokenizer.renderChat!([...messages, { role: 'assistant', content: answer }], { addGenerationPrompt: false })
    const thinks = name === 'thinking' && answer.startsWith('<think>')
    if (thinks) expect(whole).toThrow(expect.objectContaining({ code: 'PLUMB_CHAT_TEMPLATE_DROPS' }))
    else expect(whole()).toBe(row.whole)
    const example = encoder.example(record, answer)!
    expect(example.prompt).toEqual(row.prompt)
    expect(encoder.question(record)).toEqual(row.prompt)
    expect(encoder.reshaped + encoder.repaired).toBe(row.mismatch ? 1 : 0)
    if (!row.mismatch) expect(example.completion).toEqual(row.completion)
    else {
      const text = tokenizer.decode([...example.prompt, ...example.completion], { special: true })
      const said = thinks ? answer.slice('<think>\n'.length) : name === 'thinking' ? `\n</think>\n\n${answer}` : answer
      expect(text).toBe((row.text + said + ENDS[name]!).normalize('NFC'))
    }
  })
})

/**
 * TRL cuts the tokens of the conversation with its answer at the number of the prompt's, whether or not they begin alike: with a
 * prompt that opens `<think>` the answer's first words are not trained; with Mistral's template, which writes the system message
 * in the last turn only if that is the user's, half of the answer is not, and the model never sees the system message.
 * Here the answer continues the prompt, to this end; behind a prompt that opens `<think>` its own reasoning does, or the span is closed
 * before it.
 */
const ENDS: Readonly<Record<string, string>> = { thinking: '<|im_end|>\n', mistral_nemo: '</s>' }
