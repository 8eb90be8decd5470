import { createTokenizer, wordLevelTokenizerConfig, wordLevelTokenizerJson } from '../src'
import { npmTokenizer } from './support/npm-tokenizer'

type Json = Readonly<Record<string, unknown>>
const words = wordLevelTokenizerJson(['one', 'two', 'bee'])
const make = (tokenizer: Json, more: Partial<Parameters<typeof createTokenizer>[0]> = {}) =>
  createTokenizer({ tokenizer, tokenizerConfig: wordLevelTokenizerConfig(), ...more }, 'fixture')
const item = (id: string) => ({ SpecialToken: { id, type_id: 0 } })

describe('which token ends a text', () => {
  it('may stand in generation_config.json alone', () => {
    expect(make(words, { tokenizerConfig: {}, generationConfig: { eos_token_id: [2, 5] } }).eosId).toBe(2)
    expect(make(words, { tokenizerConfig: {}, modelConfig: { eos_token_id: 1 }, generationConfig: { eos_token_id: 2 } }).eosId).toBe(1)
    expect(make(words, { tokenizerConfig: {} }).eosId).toBeUndefined()
  })

  it('may be added by tokenizer_config.json, as transformers adds it', () => {
    const added_tokens_decoder = {
      7: { content: '<|im_end|>', special: true, lstrip: false, rstrip: false, normalized: false, single_word: false },
    }
    const tokenizer = make(words, { tokenizerConfig: { eos_token: '<|im_end|>', added_tokens_decoder } })
    expect(tokenizer.eosId).toBe(7)
    expect(tokenizer.encode('one<|im_end|>two')).toEqual([4, 7, 5])
    expect([tokenizer.decode([4, 7]), tokenizer.decode([4, 7], { special: true })]).toEqual(['one', 'one <|im_end|>'])
  })

  it('is refused where no file knows its id', () => {
    expect(() => make(words, { tokenizerConfig: { eos_token: '<|im_end|>' }, modelConfig: { eos_token_id: 2 } })).toThrow(
      expect.objectContaining({ code: 'PLUMB_TOKENIZER_EOS', message: expect.stringContaining('"<|im_end|>"') as string }),
    )
  })
})

describe('a post-processor that ends a text with EOS', () => {
  const single = [item('<s>'), { Sequence: { id: 'A', type_id: 0 } }, item('</s>')]
  const special_tokens = { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] }, '</s>': { id: '</s>', ids: [2], tokens: ['</s>'] } }
  const tokenizer = make({ ...words, post_processor: { type: 'TemplateProcessing', single, pair: single, special_tokens } })

  it('does not end a prompt that is continued', () => {
    expect(tokenizer.encode('one', { addSpecial: true })).toEqual([1, 4, 2])
    expect(tokenizer.encodePair!('one', '').prompt).toEqual([1, 4])
    expect(tokenizer.encodePair!('one', ' two </s>')).toEqual({ prompt: [1, 4], completion: [5, 2], exact: true })
  })

  it('adds nothing to what a chat template wrote', () => {
    expect(tokenizer.encodePair!('<s> one', ' two', { addSpecial: false })).toEqual({ prompt: [1, 4], completion: [5], exact: true })
  })
})

describe('texts that the tokenizers package reads otherwise than Python', () => {
  const added = [...(words.added_tokens as readonly object[]), { id: 6, content: 'bee', single_word: true, special: false }]
  const tokenizer = make({ ...words, added_tokens: added })

  it('single_word tokens are refused inside of a word, and taken beside one', () => {
    expect(tokenizer.encode('one bee two')).toEqual([4, 6, 5])
    for (const text of ['one beehive', 'maybee', 'bee_', 'beeé']) {
      expect(() => tokenizer.encode(text)).toThrow(expect.objectContaining({ code: 'PLUMB_TOKENIZER_SINGLE_WORD' }))
    }
  })

  it('half of a surrogate pair is the replacement character', () => {
    const llama = npmTokenizer('llama2')
    expect(llama.encode('a\ud83d b')).toEqual(llama.encode('a\ufffd b'))
    expect(llama.encode('a😀 b')).not.toEqual(llama.encode('a\ufffd b'))
  })
})

describe('ids and their texts', () => {
  it('an id that a model is padded with has none', () => {
    for (const name of ['llama2', 'gpt2']) {
      const tokenizer = npmTokenizer(name)
      const ids = tokenizer.encode('Hello there')
      expect(tokenizer.decode([...ids, tokenizer.vocabularySize + 7])).toBe(tokenizer.decode(ids))
      expect(tokenizer.decode([tokenizer.vocabularySize + 7])).toBe('')
    }
  })
})

describe('the end of a turn is read off the chat template', () => {
  it.each([
    // this revision of the template asks for the next answer whether or not it is told to, and TRL trains that
    ['llama3', '<|eot_id|>', '<|start_header_id|>assistant<|end_header_id|>\n\n'],
    ['llama3_2', '<|eot_id|>', ''],
    ['qwen2_5', '<|im_end|>', '\n'],
    ['qwen3', '<|im_end|>', '\n'],
    ['mistral_nemo', '</s>', ''],
    ['deepseek_v3', '<｜end▁of▁sentence｜>', ''],
  ])('%s: %s', (name, token, tail) => {
    const tokenizer = npmTokenizer(name)
    const { turnEnd } = tokenizer
    expect(tokenizer.decode([turnEnd!.token], { special: true })).toBe(token)
    expect(tokenizer.decode(turnEnd!.tail, { special: true })).toBe(tail)
  })

  it('is none without a template, and where the template ends a turn with text alone', () => {
    expect(npmTokenizer('gpt2').turnEnd).toBeUndefined()
    const plain = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}'
    expect(npmTokenizer('gpt2', plain).turnEnd).toBeUndefined()
  })
})

describe('a chat template', () => {
  const ask = (chatTemplate: string, messages: readonly { role: 'system' | 'user' | 'assistant'; content: string }[]) =>
    make(words, { chatTemplate }).renderChat!(messages)
  const two = [
    { role: 'system', content: 'one' },
    { role: 'user', content: 'two' },
  ] as const

  it.each([
    ['the question, by its role', "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% endif %}{% endfor %}A:", 2],
    ['all but the last', '{{ messages[-1].content }}', 1],
    ['all', 'A:', 1],
    ['what stands in the template anyway', 'one two {{ messages[1].content }}', 1],
  ])('that drops %s is refused, and the message named', (_, template, dropped) => {
    expect(() => ask(template, two)).toThrow(
      expect.objectContaining({ code: 'PLUMB_CHAT_TEMPLATE_DROPS', message: expect.stringContaining(`message ${dropped} of 2`) as string }),
    )
  })

  it.each([
    ['trims', '{% for m in messages %}{{ m.content|trim }}{% endfor %}'],
    [
      'breaks off behind a message',
      "{% for m in messages %}{% if m.role == 'user' %}Q: {{ m.content }}\n{% break %}{% else %}{{ m.content }}{% endif %}{% endfor %}A:",
    ],
    ['writes JSON', '{{ messages|tojson }}'],
    ['turns the order around', '{% for m in messages|reverse %}{{ m.content }}{% endfor %}'],
  ])('that %s keeps every message', (_, template) => {
    expect(ask(template, [two[0], { role: 'user', content: ' t"wo\n' }])).toMatch(/t\\?"wo/)
  })

  it('is told None of tools and documents, and the day of the configuration', () => {
    const template =
      "{% if tools is not none %}T{% for t in tools %}{% endfor %}{% endif %}{% if documents is none %}plain {% endif %}{{ strftime_now('%d %b %Y') }} {% for m in messages %}{{ m.content }}{% endfor %}"
    const { renderChat } = make(words, { chatTemplate: template })
    expect(renderChat!(two)).toBe('plain 26 Jul 2024 onetwo')
    expect(renderChat!(two, { date: '2025-01-31' })).toBe('plain 31 Jan 2025 onetwo')
  })

  it.each([
    '{% for i in range(1000000000) %}x{% endfor %}',
    '{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}',
  ])('without an end is a sentence: %s', (template) => {
    expect(() => ask(template, two)).toThrow(expect.objectContaining({ code: 'PLUMB_CHAT_TEMPLATE', where: 'fixture' }))
  })
})
