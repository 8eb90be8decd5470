import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { configSchema, Encoder, EncodingCache, renderPrompt, type ChatMessage, type GroupRecord, type PromptConfig } from '@plumbline/core'
import { createTokenizer } from '../src'
import { npmTokenizer } from './support/npm-tokenizer'

/** What transformers renders and TRL trains, written by fixtures/thinking/make_thinking.py. */
interface Entry {
  readonly template: string
  readonly tokenizer: string
  readonly arguments: Readonly<Record<string, unknown>>
  readonly record: number
  readonly text: string
  readonly whole: string
  readonly prompt: readonly number[]
  readonly completion: readonly number[]
  /** The prompt's tokens do not begin those of the whole, and TRL cuts these by number. */
  readonly mismatch?: true
}

const read = (name: string) => JSON.parse(readFileSync(join(__dirname, 'fixtures/thinking', name), 'utf8')) as unknown
const entries = read('thinking.json') as readonly Entry[]
const templates = read('templates.json') as Readonly<Record<string, string>>
const records = read('records.json') as readonly {
  readonly messages: readonly (readonly [ChatMessage['role'], string, string?])[]
  readonly answer: string
  readonly reasoning?: string
}[]

const tokenizers = new Map<string, ReturnType<typeof npmTokenizer>>()
function tokenizerOf({ template, tokenizer: name }: Pick<Entry, 'template' | 'tokenizer'>) {
  const known = tokenizers.get(template) ?? npmTokenizer(name, templates[template])
  tokenizers.set(template, known)
  return known
}

function encoderOf(tokenizer: ReturnType<typeof npmTokenizer>, prompt: Partial<PromptConfig> = {}): Encoder {
  const config = configSchema.shape.prompt.parse(prompt)
  return new Encoder({ tokenizer, contextLength: 4096 }, (record, loaded) => renderPrompt(record, config, loaded), new EncodingCache())
}

function recordOf(n: number) {
  const { messages, answer, reasoning } = records[n]!
  const own = messages.map(([role, content, thought]) => ({ role, content, ...(thought === undefined ? {} : { reasoning: thought }) }))
  return {
    record: { id: `r${n}`, prompt: '', messages: own, candidates: [] } satisfies GroupRecord,
    answer: { text: answer, ...(reasoning === undefined ? {} : { reasoning }) },
  }
}

/** Records with reasoning in a field that the template does not read: TRL trains without it, here the record is refused. */
const isDropped = ({ template, record }: Entry) => template === 'modes' && records[record]!.reasoning !== undefined

/** What is trained behind a prompt where TRL cuts by number: the answer's own text continues the prompt. */
const CONTINUED: Readonly<Record<string, string>> = {
  'opened 0': '\n</think>\n\n17 + 25 = 42. The answer is 42.<｜end▁of▁sentence｜>',
  'opened 1': '\n</think>\n\n21<｜end▁of▁sentence｜>',
  'opened 2': '\n</think>\n\n30<｜end▁of▁sentence｜>',
  'opened 3': '240 / 3 = 80\n</think>\n\n80 km/h<｜end▁of▁sentence｜>',
  'opened 4': '240 / 3 = 80\n</think>\n\n80 km/h<｜end▁of▁sentence｜>',
  'opened 5': '\n</think>\n\n3<｜end▁of▁sentence｜>',
  'opened 6': '2 + 1 = 3\nSo 3.\n</think>\n\n3<｜end▁of▁sentence｜>',
  // asked not to think, with an answer that does: both spans are there
  'qwen3 3': '<think>\n240 / 3 = 80\n</think>\n\n80 km/h<|im_end|>\n',
  'qwen3 4': '<think>\n240 / 3 = 80\n</think>\n\n80 km/h<|im_end|>\n',
  'qwen3 6': '<think>\n2 + 1 = 3\nSo 3.\n</think>\n\n3<|im_end|>\n',
}

describe.each(entries)('$template $arguments, record $record', (entry) => {
  const tokenizer = tokenizerOf(entry)
  const { record, answer } = recordOf(entry.record)
  const options = { arguments: entry.arguments }

  it('the prompt is what transformers writes', () => {
    expect(tokenizer.renderChat!(record.messages, options)).toBe(entry.text)
    expect(encoderOf(tokenizer, { chatTemplateKwargs: entry.arguments }).question(record)).toEqual(entry.prompt)
  })

  it('the answer is trained as TRL trains it, or continues the prompt', () => {
    const encoder = encoderOf(tokenizer, { chatTemplateKwargs: entry.arguments })
    if (isDropped(entry)) {
      expect(() => encoder.example(record, answer)).toThrow(expect.objectContaining({ code: 'PLUMB_CHAT_TEMPLATE_DROPS' }))
      return
    }
    const example = encoder.example(record, answer)!
    expect(example.prompt).toEqual(entry.prompt)
    expect(encoder.reshaped).toBe(entry.mismatch ? 1 : 0)
    if (!entry.mismatch) {
      expect(example.completion).toEqual(entry.completion)
      const { text: content, reasoning } = answer
      const messages: ChatMessage[] = [...record.messages, { role: 'assistant', content, ...(reasoning ? { reasoning } : {}) }]
      expect(tokenizer.renderChat!(messages, { ...options, addGenerationPrompt: false })).toBe(entry.whole)
    } else {
      const text = tokenizer.decode(example.completion, { special: true })
      expect(text).toBe(CONTINUED[`${entry.template} ${entry.record}`])
    }
  })

  it("ends as the template ends an assistant's turn", () => {
    const { token, tail } = tokenizer.turnEnd!
    expect(tokenizer.decode([token, ...tail], { special: true })).toBe(
      entry.template === 'opened' ? '<｜end▁of▁sentence｜>' : '<|im_end|>\n',
    )
  })
})

describe('arguments of a chat template', () => {
  const modes = tokenizerOf({ template: 'modes', tokenizer: 'qwen3' })
  const { record } = recordOf(0)

  it('are those that it reads before it sets them itself', () => {
    expect(modes.chatArguments).toEqual(['enable_thinking', 'persona'])
    expect(npmTokenizer('qwen3').chatArguments).toEqual(['enable_thinking'])
  })

  it('of another name are refused with the one that was meant', () => {
    const wrong = encoderOf(modes, { chatTemplateKwargs: { enable_thinkin: false } })
    expect(() => wrong.question(record)).toThrow(
      expect.objectContaining({
        code: 'PLUMB_CHAT_TEMPLATE_ARGUMENT',
        message: expect.stringMatching(/"enable_thinkin".*Did you mean "enable_thinking"\?$/) as string,
        where: 'question "r0"',
      }),
    )
    const far = encoderOf(modes, { chatTemplateKwargs: { budget: 3 } })
    expect(() => far.question(record)).toThrow(/It reads: enable_thinking, persona\.$/)
  })

  it('never replace what every template is given', () => {
    expect(() => modes.renderChat!(record.messages, { arguments: { messages: [] } })).toThrow(
      expect.objectContaining({ code: 'PLUMB_CHAT_TEMPLATE_ARGUMENT' }),
    )
  })

  it("are a record's own before the config's, and counted where the template does not read them", () => {
    const encoder = encoderOf(modes, { chatTemplateKwargs: { enable_thinking: true } })
    const own = { ...record, chatTemplateKwargs: { enable_thinking: false, level: 3 } }
    encoder.noteArguments(own)
    const text = modes.decode(encoder.question(own)!, { special: true })
    expect(text).toContain('Mode: /no_think')
    expect([...encoder.unreadArguments]).toEqual([['level', 1]])
  })
})

describe('the tags of thinking', () => {
  const file = readFileSync(join(__dirname, 'fixtures/tokenizer-byte-level.json'), 'utf8')
  const { tokenizer } = JSON.parse(file) as { readonly tokenizer: Readonly<Record<string, unknown>> }
  const tagsOf = (chatTemplate?: string) => createTokenizer({ tokenizer, ...(chatTemplate ? { chatTemplate } : {}) }, 'here').thinking

  it('are those of the template, or of the vocabulary, or none', () => {
    expect(tokenizerOf({ template: 'opened', tokenizer: 'deepseek_v3' }).thinking).toEqual(['<think>', '</think>'])
    expect(tagsOf("{{ messages[0].content.split('[/THINK]')[-1] }}")).toEqual(['[THINK]', '[/THINK]'])
    expect(tagsOf('{{ messages[0].content }}')).toBeUndefined()
    expect(tagsOf()).toBeUndefined()
    // the vocabulary has both tags as tokens, the template says nothing
    expect(npmTokenizer('qwen3', '{{ messages[0].content }}').thinking).toEqual(['<think>', '</think>'])
  })
})
