import { configSchema, renderPrompt, type ChatMessage, type PromptConfig } from '../../src'

const config = (written: Partial<PromptConfig> = {}) => configSchema.shape.prompt.parse(written)
/** Shows roles, contents and the date; a turn ends with `.`, an answer is asked for with `?`. */
const tokenizer = {
  renderChat: (messages: readonly ChatMessage[], { addGenerationPrompt = true, date = '' } = {}) =>
    `${date} ${messages.map(({ role, content }) => `<${role}>${content}.`).join('')}${addGenerationPrompt ? '<assistant>?' : ''}`,
}
const conversation: readonly ChatMessage[] = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: '1 + 1?' },
]

describe('plain prompts', () => {
  it('the question stands where the template says, as often as it says', () => {
    const template = 'Q: {prompt}\nAgain: {prompt}\nA: '
    expect(renderPrompt({ prompt: '1 + 1?' }, config({ template }))).toEqual({ text: 'Q: 1 + 1?\nAgain: 1 + 1?\nA: ', addSpecial: true })
  })

  it.each(['$& $1 $$', '{prompt}', 'a\\b'])('a question %j stays as it is', (prompt) => {
    expect(renderPrompt({ prompt }, config({ template: '<{prompt}>' })).text).toBe(`<${prompt}>`)
  })

  it('without a template a question ends its line, and a literal prompt is what it is', () => {
    expect(renderPrompt({ prompt: 'q' }, config(), tokenizer)).toEqual({ text: 'q\n', addSpecial: true })
    expect(renderPrompt({ prompt: 'The sky is', literal: true }, config(), tokenizer)).toEqual({ text: 'The sky is', addSpecial: true })
    expect(renderPrompt({ prompt: 'q', literal: true }, config({ template: '{prompt}!' })).text).toBe('q!')
  })
})

describe('prompts through the chat template', () => {
  it.each(['auto', true] as const)('chat: %p puts a conversation through it, whole, on the day of the config', (chat) => {
    const { text, addSpecial, answered } = renderPrompt({ prompt: '1 + 1?', messages: conversation }, config({ chat }), tokenizer)
    expect(text).toBe('2024-07-26 <system>Be brief..<user>1 + 1?.<assistant>?')
    expect(addSpecial).toBe(false)
    expect(answered!({ text: '2' })).toBe('2024-07-26 <system>Be brief..<user>1 + 1?.<assistant>2.')
    const later = config({ chat, date: '2025-01-31' })
    expect(renderPrompt({ prompt: '', messages: conversation }, later, tokenizer).text).toMatch(/^2025-01-31 /)
  })

  it('chat: true makes a plain question one user message, with nothing added unless the template says so', () => {
    const text = (written: Partial<PromptConfig>) => renderPrompt({ prompt: 'q' }, config(written), tokenizer).text
    expect(text({ chat: true })).toBe('2024-07-26 <user>q.<assistant>?')
    expect(text({ chat: true, template: '{prompt} Think.' })).toBe('2024-07-26 <user>q Think..<assistant>?')
    expect(text({ chat: 'auto' })).toBe('q\n')
  })

  it('chat: false takes a conversation of one user message as its text, and refuses a longer one', () => {
    const off = config({ chat: false })
    expect(renderPrompt({ prompt: 'q', messages: [{ role: 'user', content: 'q' }] }, off, tokenizer)).toEqual({
      text: 'q\n',
      addSpecial: true,
    })
    expect(() => renderPrompt({ prompt: '', messages: conversation }, off, tokenizer)).toThrow(
      expect.objectContaining({
        code: 'PLUMB_PROMPT_CONVERSATION',
        message: expect.stringMatching(/2 messages \(system, user\)/) as string,
      }),
    )
  })

  it.each([
    [true, { prompt: 'q' }, /prompt.chat is true/],
    ['auto', { prompt: 'q', messages: conversation }, /prompt.chat: false/],
  ] as const)('chat: %p without a chat template is an error that says what to do', (chat, record, message) => {
    for (const bare of [undefined, {}]) {
      expect(() => renderPrompt(record, config({ chat }), bare)).toThrow(
        expect.objectContaining({ code: 'PLUMB_PROMPT_NO_CHAT_TEMPLATE', message: expect.stringMatching(message) as string }),
      )
    }
  })
})

it.each(['2024-7-1', '2024-02-30', 'today'])('the date %s is no day', (date) => {
  expect(configSchema.shape.prompt.safeParse({ date }).success).toBe(false)
})
