import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createTokenizer, loadTokenizer, wordLevelTokenizerConfig, wordLevelTokenizerJson } from '../src'
import { inFreshFolder } from './support/folders'
import { STORIES, describeWith } from './support/shared'

interface Recorded {
  readonly words: string[]
  readonly tokenizer: Record<string, unknown>
  readonly strings: readonly { text: string; ids: number[]; withSpecial: number[]; decoded: string }[]
}

const recorded = (name: string) => JSON.parse(readFileSync(join(__dirname, 'fixtures', `tokenizer-${name}.json`), 'utf8')) as Recorded

describe.each(['byte-level', 'sentencepiece', 'word-level'])('a %s tokenizer', (name) => {
  const { tokenizer: json, strings } = recorded(name)
  const tokenizer = createTokenizer({ tokenizer: json, tokenizerConfig: wordLevelTokenizerConfig() }, 'fixture')

  it.each(strings)("encodes and decodes $text as Python's tokenizers does", ({ text, ids, withSpecial, decoded }) => {
    expect(tokenizer.encode(text)).toEqual(ids)
    expect(tokenizer.encode(text, { addSpecial: true })).toEqual(withSpecial)
    expect(tokenizer.decode(withSpecial)).toBe(decoded)
  })

  it('knows its specials and its size', () => {
    expect(tokenizer).toMatchObject({ padId: 0, bosId: 1, eosId: 2 })
    const { vocab } = json.model as { vocab: Record<string, number> }
    expect(tokenizer.vocabularySize).toBe(Object.keys(vocab).length)
  })
})

describe('wordLevelTokenizerJson', () => {
  it("is the tokenizer.json that Python's tokenizers writes for the same words", () => {
    const { words, tokenizer } = recorded('word-level')
    expect(wordLevelTokenizerJson(words)).toEqual(tokenizer)
  })

  it.each([[['a', 'a']], [['a b']], [['']], [['</s>']]])('refuses the words %j', (words) => {
    expect(() => wordLevelTokenizerJson(words)).toThrow('cannot be a word')
  })
})

describe('loadTokenizer', () => {
  const json = wordLevelTokenizerJson(['one', 'two'])
  const write = (folder: string, files: Record<string, unknown>) =>
    Promise.all(
      Object.entries(files).map(([name, value]) =>
        writeFile(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value)),
      ),
    )

  it.each([
    [
      { 'tokenizer_config.json': { bos_token: '<s>', eos_token: { content: '</s>' }, pad_token: null } },
      { bosId: 1, eosId: 2, padId: undefined },
    ],
    [{ 'special_tokens_map.json': { eos_token: '<pad>', pad_token: '<pad>' } }, { bosId: undefined, eosId: 0, padId: 0 }],
    [{ 'config.json': { bos_token_id: 1, eos_token_id: [2, 0] } }, { bosId: 1, eosId: 2, padId: undefined }],
    [{ 'tokenizer_config.json': { eos_token: 'two' }, 'config.json': { eos_token_id: 2 } }, { eosId: 5 }],
    [{}, { bosId: undefined, eosId: undefined, padId: undefined }],
  ])('finds the special tokens in %j', async (files, expected) => {
    await inFreshFolder(async (folder) => {
      await write(folder, { 'tokenizer.json': json, ...files })
      expect(await loadTokenizer(folder)).toMatchObject(expected)
      expect(await loadTokenizer(join(folder, 'tokenizer.json'))).toMatchObject(expected)
    })
  })

  it('fingerprints by content', async () => {
    await inFreshFolder(async (folder) => {
      await mkdir(join(folder, 'same'))
      await mkdir(join(folder, 'other'))
      await write(folder, { 'tokenizer.json': json })
      await write(join(folder, 'same'), { 'tokenizer.json': JSON.stringify(json, null, 3) })
      await write(join(folder, 'other'), { 'tokenizer.json': json, 'tokenizer_config.json': { eos_token: '</s>' } })
      const [a, same, other] = await Promise.all(['.', 'same', 'other'].map((name) => loadTokenizer(join(folder, name))))
      expect(same!.fingerprint).toBe(a!.fingerprint)
      expect(other!.fingerprint).not.toBe(a!.fingerprint)
    })
  })

  it('makes what two folders have in common once: each keeps its own special tokens, and its own name in errors', async () => {
    const engineOf = (tokenizer: unknown) => (tokenizer as { readonly engine: object }).engine
    await inFreshFolder(async (folder) => {
      for (const name of ['a', 'b', 'c']) await mkdir(join(folder, name))
      const model = { ...(json.model as object), unk_token: null }
      const words = { ...json, model }
      await write(join(folder, 'a'), { 'tokenizer.json': words, 'config.json': { eos_token_id: 2 } })
      await write(join(folder, 'b'), { 'tokenizer.json': words, 'config.json': { eos_token_id: 1, dtype: 'float32' } })
      await write(join(folder, 'c'), { 'tokenizer.json': words, 'tokenizer_config.json': { eos_token: 'two' } })
      const [a, b] = [await loadTokenizer(join(folder, 'a')), await loadTokenizer(join(folder, 'b'))]
      const c = await loadTokenizer(join(folder, 'c'))
      expect(engineOf(b)).toBe(engineOf(a))
      expect(engineOf(c)).not.toBe(engineOf(a))
      expect([a, b, c].map(({ eosId }) => eosId)).toEqual([2, 1, 5])
      for (const [name, tokenizer] of Object.entries({ a, b })) {
        const error = { code: 'PLUMB_TOKENIZER_UNKNOWN_TEXT', where: join(folder, name, 'tokenizer.json') }
        expect(() => tokenizer.encode('three')).toThrow(expect.objectContaining(error))
      }
      const added_tokens = json.added_tokens
      const whole = createHash('sha256').update(JSON.stringify([{ ...words, added_tokens }, null, 2, null, null]))
      expect(a.fingerprint).toBe(whole.digest('hex'))
      // A file that changes is read again.
      await write(join(folder, 'a'), { 'tokenizer.json': wordLevelTokenizerJson(['one', 'two', 'three']) })
      expect((await loadTokenizer(join(folder, 'a'))).encode('three')).toEqual([6])
    })
  })

  it('says what is missing or broken', async () => {
    await inFreshFolder(async (folder) => {
      await expect(loadTokenizer(folder)).rejects.toMatchObject({
        code: 'PLUMB_TOKENIZER_NOT_FOUND',
        message: 'The folder has no tokenizer.json.',
      })
      await expect(loadTokenizer(join(folder, 'x.json'))).rejects.toMatchObject({
        code: 'PLUMB_TOKENIZER_NOT_FOUND',
        where: join(folder, 'x.json'),
      })
      await write(folder, { 'tokenizer.json': '{' })
      await expect(loadTokenizer(folder)).rejects.toMatchObject({ code: 'PLUMB_TOKENIZER_INVALID' })
      await write(folder, { 'tokenizer.json': { model: { type: 'Oracle' } } })
      await expect(loadTokenizer(folder)).rejects.toMatchObject({ code: 'PLUMB_TOKENIZER_INVALID', where: join(folder, 'tokenizer.json') })
    })
  })

  it('does not invent tokens for text it cannot represent', () => {
    const model = { ...(json.model as object), unk_token: null }
    const tokenizer = createTokenizer({ tokenizer: { ...json, model } }, 'fixture')
    expect(() => tokenizer.encode('one three')).toThrow(expect.objectContaining({ code: 'PLUMB_TOKENIZER_UNKNOWN_TEXT' }))
  })
})

describe('chat templates', () => {
  const template =
    "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
  const files = { tokenizer: wordLevelTokenizerJson(['one']), tokenizerConfig: wordLevelTokenizerConfig() }
  const messages = [
    { role: 'system', content: 'Count.' },
    { role: 'user', content: 'one' },
  ] as const

  it.each([
    ['tokenizer_config.json', { ...files, tokenizerConfig: { ...files.tokenizerConfig, chat_template: template } }],
    [
      'its list of named templates',
      {
        ...files,
        tokenizerConfig: {
          ...files.tokenizerConfig,
          chat_template: [
            { name: 'tools', template: '' },
            { name: 'default', template },
          ],
        },
      },
    ],
    [
      'chat_template.jinja, before the other',
      { ...files, tokenizerConfig: { ...files.tokenizerConfig, chat_template: 'no' }, chatTemplate: template },
    ],
  ])('come from %s', (_, from) => {
    expect(createTokenizer(from, 'fixture').renderChat!(messages)).toBe('<s>[system] Count.</s>\n[user] one</s>\n[assistant]')
  })

  it('are optional', () => {
    expect(createTokenizer(files, 'fixture').renderChat).toBeUndefined()
  })

  it.each(["{{ raise_exception('Only user messages are supported') }}", '{% if %}'])('that fail say so: %s', (chatTemplate) => {
    const tokenizer = createTokenizer({ ...files, chatTemplate }, 'fixture')
    expect(() => tokenizer.renderChat!(messages)).toThrow(expect.objectContaining({ code: 'PLUMB_CHAT_TEMPLATE', where: 'fixture' }))
  })
})

describeWith(STORIES)('stories260K (skipped without the shared data)', () => {
  it('is read with its specials', async () => {
    const tokenizer = await loadTokenizer(STORIES)
    expect(tokenizer).toMatchObject({ bosId: 1, eosId: 2, vocabularySize: 512 })
    // From Python: AutoTokenizer.from_pretrained(…)('Once upon a time').input_ids
    expect(tokenizer.encode('Once upon a time', { addSpecial: true })).toEqual([1, 403, 407, 261, 378])
  })
})

describe('a tokenizer.json that no vocabulary has', () => {
  const json = wordLevelTokenizerJson(['a'])
  const token = { content: 'zz', special: false }
  const deep = JSON.parse('['.repeat(20_000) + ']'.repeat(20_000)) as unknown
  const refused = (files: Parameters<typeof createTokenizer>[0]) => {
    try {
      createTokenizer(files, 'tokenizer.json')
    } catch (error) {
      return error
    }
    return undefined
  }

  it.each([
    ['an id that is a list', [{ ...token, id: [4] }], 'Token "zz" has the id [4]'],
    ['an id that is nested deep', [{ ...token, id: deep }], 'Token "zz" has the id (nested too deeply to show)'],
    ['no id', [token], 'Token "zz" has the id (absent)'],
    ['an id beyond any vocabulary', [{ ...token, id: 3e9 }], 'Token "zz" has the id 3000000000'],
    ['a number for a token', [5], 'One of added_tokens is 5; expected an object'],
    ['a number for a text', [{ id: 9, content: 5 }], 'One of added_tokens is {"id":9,"content":5}'],
    ['a text for the list', 'x', 'added_tokens is "x"; expected a list.'],
  ])('is refused for %s', (_, added, message) => {
    expect(refused({ tokenizer: { ...json, added_tokens: added } })).toMatchObject({
      code: 'PLUMB_TOKENIZER_INVALID',
      message: expect.stringContaining(message) as string,
    })
  })

  it.each(['3000000000', '-1', 'x', ''])('is refused for the id %j in added_tokens_decoder', (id) => {
    expect(refused({ tokenizer: json, tokenizerConfig: { added_tokens_decoder: { [id]: token } } })).toMatchObject({
      code: 'PLUMB_TOKENIZER_INVALID',
      message: expect.stringContaining('Token "zz" has the id') as string,
    })
  })

  it.each(['tokenizer.json', 'tokenizer_config.json'])('is refused for its depth, in %s', async (name) => {
    await inFreshFolder(async (folder) => {
      await mkdir(folder, { recursive: true })
      await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(json))
      await writeFile(join(folder, name), `{"x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`)
      await expect(loadTokenizer(folder)).rejects.toMatchObject({
        code: 'PLUMB_TOKENIZER_INVALID',
        message: 'Its lists and objects are nested too deeply.',
        where: join(folder, name),
      })
    })
  })
})
