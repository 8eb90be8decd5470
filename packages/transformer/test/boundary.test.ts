import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTokenizer, wordLevelTokenizerConfig } from '../src'

const load = (name: string) => {
  const { tokenizer } = JSON.parse(readFileSync(join(__dirname, 'fixtures', `tokenizer-${name}.json`), 'utf8')) as {
    tokenizer: Record<string, unknown>
  }
  return createTokenizer({ tokenizer, tokenizerConfig: wordLevelTokenizerConfig() }, 'fixture')
}
const pair = (tokenizer: ReturnType<typeof load>, prompt: string, completion: string) => tokenizer.encodePair!(prompt, completion)

describe.each(['byte-level', 'sentencepiece'])('encodePair with a %s tokenizer', (name) => {
  const tokenizer = load(name)

  it.each([
    ['How many apples?', ' The answer is 42.'],
    ['How many apples?\n', '= 42.'],
    ['', 'Tom has'],
    ['Tom', ''],
    ['naïve €', ' 日本'],
  ])('cuts the tokens of the whole text at the boundary: %j + %j', (prompt, completion) => {
    const { prompt: head, completion: rest, exact } = pair(tokenizer, prompt, completion)
    expect(exact).toBe(true)
    expect(head).toEqual(tokenizer.encode(prompt, { addSpecial: true }))
    expect([...head, ...rest]).toEqual(tokenizer.encode(prompt + completion, { addSpecial: true }))
  })

  it('cuts a text anywhere: the prompt is what generation starts from, and the whole decodes to the text', () => {
    const text = 'How many apples does Tom have?\nnaïve 日本. The answer is 42.'
    const whole = tokenizer.encode(text, { addSpecial: true })
    const cuts = Array.from(text, (_, cut) => cut)
    const exact = cuts.filter((cut) => {
      const found = pair(tokenizer, text.slice(0, cut), text.slice(cut))
      expect(found.prompt).toEqual(tokenizer.encode(text.slice(0, cut), { addSpecial: true }))
      const tokens = [...found.prompt, ...found.completion]
      expect(tokenizer.decode(tokens)).toBe(text)
      expect(found.exact).toBe(JSON.stringify(tokens) === JSON.stringify(whole))
      return found.exact
    })
    // Both kinds of cut occur, or the test says nothing.
    expect(exact.length).toBeGreaterThan(0)
    expect(exact.length).toBeLessThan(cuts.length)
  })

  it('shows the text around a boundary that needed a repair', () => {
    expect(pair(tokenizer, 'The answer i', 's 42.\n')).toMatchObject({ exact: false, where: 'The␣answer␣i|s␣42.⏎' })
  })
})

describe('encodePair', () => {
  it('gives a SentencePiece completion no space of its own', () => {
    const tokenizer = load('sentencepiece')
    const { completion } = pair(tokenizer, 'How many?\n', 'Tom has 12')
    const alone = tokenizer.encode('Tom has 12')
    expect(alone).not.toEqual(completion)
    expect(tokenizer.decode([...tokenizer.encode('\n'), ...completion])).toBe('\nTom has 12')
  })

  it('repairs a prompt that ends in a space the completion would have taken', () => {
    const tokenizer = load('byte-level')
    const { prompt, completion, exact } = pair(tokenizer, 'The answer is ', '42.')
    expect(tokenizer.decode([...prompt, ...completion])).toBe('The answer is 42.')
    expect(exact).toBe(tokenizer.encode('The answer is 42.').length === prompt.length - 1 + completion.length)
  })

  it('splits words of a word-level vocabulary at white space only', () => {
    const tokenizer = load('word-level')
    const [tom, has, apples] = tokenizer.encode('Tom has apples')
    expect(pair(tokenizer, 'Tom\n', 'has apples')).toEqual({ prompt: [1, tom], completion: [has, apples], exact: true })
    expect(() => pair(tokenizer, 'Tom has app', 'les')).toThrow(
      expect.objectContaining({ code: 'PLUMB_TOKEN_BOUNDARY', where: 'Tom␣has␣app|les' }),
    )
  })

  it('leaves out what the post-processor puts at the end of a text', () => {
    const { tokenizer: json } = JSON.parse(readFileSync(join(__dirname, 'fixtures/tokenizer-byte-level.json'), 'utf8')) as {
      tokenizer: Record<string, unknown>
    }
    const item = (id: string) => ({ SpecialToken: { id, type_id: 0 } })
    const single = [item('<s>'), { Sequence: { id: 'A', type_id: 0 } }, item('</s>')]
    const tokenizer = createTokenizer(
      { tokenizer: { ...json, post_processor: { type: 'TemplateProcessing', single, pair: single } } },
      'fixture',
    )
    expect(tokenizer.encode('Tom has', { addSpecial: true }).at(-1)).toBe(2)
    const { prompt, completion } = pair(tokenizer, 'Tom', ' has')
    expect([...prompt, ...completion]).toEqual([1, ...tokenizer.encode('Tom has')])
  })

  it('takes texts for the same that the tokenizer normalises to the same', () => {
    const { tokenizer: json } = JSON.parse(readFileSync(join(__dirname, 'fixtures/tokenizer-byte-level.json'), 'utf8')) as {
      tokenizer: Record<string, unknown>
    }
    const tokenizer = createTokenizer({ tokenizer: { ...json, normalizer: { type: 'NFC' } } }, 'fixture')
    for (const [prompt, completion] of [
      ['gre', 'en cafe\u0301'],
      ['cafe', '\u0301 au lait'],
    ]) {
      const found = pair(tokenizer, prompt!, completion!)
      expect(tokenizer.decode([...found.prompt, ...found.completion]).normalize('NFC')).toBe((prompt! + completion!).normalize('NFC'))
      expect(found.prompt).toEqual(tokenizer.encode(prompt!, { addSpecial: true }))
    }
  })

  it('needs a prompt', () => {
    const { tokenizer: json } = JSON.parse(readFileSync(join(__dirname, 'fixtures/tokenizer-byte-level.json'), 'utf8')) as {
      tokenizer: Record<string, unknown>
    }
    const tokenizer = createTokenizer({ tokenizer: { ...json, post_processor: null } }, 'fixture')
    expect(() => pair(tokenizer, '', 'Tom')).toThrow(expect.objectContaining({ code: 'PLUMB_TOKEN_BOUNDARY', where: '|Tom' }))
  })
})
