import { configSchema, continuationOf, renderPrompt, type ChatMessage, type PromptConfig } from '../../src'
import { opensThinking, splitThinking, thinkingTags } from '../../src/prompt/thinking'
import { shortened } from '../../src/prompt/shorten'

const TAGS = ['<think>', '</think>'] as const
const u = (content: string): ChatMessage => ({ role: 'user', content })
const a = (content: string): ChatMessage => ({ role: 'assistant', content })
const s = (content: string): ChatMessage => ({ role: 'system', content })

describe('the answer of a model that thinks', () => {
  it.each([
    ['no reasoning', 'It is 72.', false, 'It is 72.', undefined, true],
    ['a span', '<think>71?</think>It is 72.', false, 'It is 72.', '<think>71?</think>', true],
    ['a span that the prompt opened', '71?</think>It is 72.', true, 'It is 72.', '71?</think>', true],
    ['a closing tag alone', '71?</think>It is 72.', false, 'It is 72.', '71?</think>', true],
    ['two spans', '<think>a</think>71<think>b</think>72', false, '72', '<think>a</think>71<think>b</think>', true],
    ['a span without an end', '<think>It is 72.', false, '', '<think>It is 72.', false],
    ['an opened span without an end', 'It is 72.', true, '', 'It is 72.', false],
    ['a second span without an end', '<think>a</think>72<think>no', false, '', '<think>a</think>72<think>no', false],
    ['nothing', '', false, '', undefined, true],
  ])('with %s', (_, text, isOpen, answer, reasoning, isFinished) => {
    expect(splitThinking(text, TAGS, isOpen)).toEqual({ answer, isFinished, ...(reasoning === undefined ? {} : { reasoning }) })
  })

  it('begins in the reasoning where the prompt ends with the opening tag', () => {
    expect(opensThinking('<assistant><think>\n', TAGS)).toBe(true)
    expect(opensThinking('<assistant><think>\n\n</think>\n\n', TAGS)).toBe(false)
  })

  it('is told by the tags of the config, or of the tokenizer', () => {
    expect(thinkingTags({ thinking: 'auto' }, TAGS)).toEqual(TAGS)
    expect(thinkingTags({ thinking: false }, TAGS)).toBeUndefined()
    expect(thinkingTags({ thinking: ['(', ')'] }, undefined)).toEqual(['(', ')'])
  })
})

describe('a system prompt', () => {
  const tokenizer = {
    renderChat: (messages: readonly ChatMessage[]) => messages.map(({ role, content }) => `<${role}>${content}`).join(''),
  }
  const text = (written: Partial<PromptConfig>, record: Parameters<typeof renderPrompt>[0]) =>
    renderPrompt(record, configSchema.shape.prompt.parse(written), tokenizer).text

  it('stands before conversations, and before plain questions with chat: true', () => {
    expect(text({ system: 'Count.' }, { prompt: '', messages: [u('p'), a('x'), u('q')] })).toBe('<system>Count.<user>p<assistant>x<user>q')
    expect(text({ system: 'Count.', chat: true }, { prompt: 'q' })).toBe('<system>Count.<user>q')
    expect(text({ system: 'Count.' }, { prompt: 'q' })).toBe('q\n')
  })

  it('leaves a record the one that it brings', () => {
    expect(text({ system: 'Count.' }, { prompt: '', messages: [s('Own.'), u('q')] })).toBe('<system>Own.<user>q')
  })
})

it('reasoning that is given apart needs a chat template', () => {
  expect(() => continuationOf({ text: 'q', addSpecial: true }, { text: 'x', reasoning: 'so' }, '')).toThrow(
    expect.objectContaining({ code: 'PLUMB_PROMPT_REASONING' }),
  )
})

describe('a prompt that is too long', () => {
  const words = ({ prompt, messages }: Parameters<typeof renderPrompt>[0]) =>
    (messages ? messages.map(({ content }) => content).join(' ') : prompt).split(' ').length
  const cut = (record: Parameters<typeof renderPrompt>[0], most: number) => shortened(record, (other) => words(other) <= most)

  it('keeps the end of its question, from a word on', () => {
    expect(cut({ prompt: 'there are 1234 apples and 5 pears' }, 5)?.prompt).toBe('1234 apples and 5 pears')
    expect(cut({ prompt: 'there are 1234 apples and 5 pears' }, 1)?.prompt).toBe('pears')
    expect(cut({ prompt: 'there are' }, 0)).toBeUndefined()
  })

  it('loses earlier turns first, whole ones, and never the system message', () => {
    const messages = [s('sys'), u('one two'), a('x y'), u('three'), a('z'), u('four five six')]
    const contents = (most: number) => cut({ prompt: '', messages }, most)?.messages?.map(({ content }) => content)
    expect(contents(6)).toEqual(['sys', 'three', 'z', 'four five six'])
    expect(contents(5)).toEqual(['sys', 'four five six'])
    expect(contents(3)).toEqual(['sys', 'five six'])
    expect(contents(1)).toBeUndefined()
  })
})
