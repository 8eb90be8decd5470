import { read } from './support'

const u = { role: 'user', content: 'q' }
const a = { role: 'assistant', content: 'x' }
const chain = { text: 'x', reasoning: 'so', positive: true, reference: true }

describe('reasoning beside an answer', () => {
  test.each([
    ['messages', { messages: [u, { ...a, reasoning_content: 'so' }] }, [chain]],
    ['messages', { messages: [u, { ...a, thinking: 'so', reasoning: 'so' }] }, [chain]],
    ['qa', { prompt: [u], completion: [{ ...a, reasoning: 'so' }] }, [chain]],
    ['groups', { messages: [u], candidates: [chain] }, [chain]],
    [
      'preference',
      { prompt: [u], chosen: [{ ...a, thinking: 'so' }], rejected: [{ ...a, content: 'y', thinking: 'thus' }] },
      [
        { ...chain, reward: 1 },
        { text: 'y', reasoning: 'thus', positive: false, reward: 0 },
      ],
    ],
  ] as const)('is read in format %s: %j', async (format, row, candidates) => {
    const [record] = await read(format, [row])
    expect(record!.messages).toEqual([u])
    expect(record!.candidates).toEqual(candidates)
  })

  test('of earlier answers stays with them, and parts conversations', async () => {
    const earlier = [u, { ...a, reasoning_content: 'so' }, u]
    const [record] = await read('messages', [{ messages: [...earlier, a] }])
    expect(record!.messages).toEqual([u, { ...a, reasoning: 'so' }, u])
    const other = [u, { ...a, reasoning_content: 'thus' }, u]
    await expect(read('preference', [{ chosen: [...earlier, a], rejected: [...other, { ...a, content: 'y' }] }])).rejects.toMatchObject({
      code: 'PLUMB_DATA_HEADS_DIFFER',
    })
  })

  test('that is empty is none', async () => {
    const [record] = await read('messages', [{ messages: [u, { ...a, reasoning_content: null, thinking: '' }] }])
    expect(record!.candidates).toEqual([{ text: 'x', positive: true, reference: true }])
  })
})

describe("a record's own arguments of the chat template", () => {
  test.each([
    ['groups', { prompt: 'q', candidates: [{ text: 'x', positive: true }] }],
    ['qa', { question: 'q', answer: 'x' }],
    ['messages', { messages: [u, a] }],
    ['preference', { prompt: 'q', chosen: 'x', rejected: 'y' }],
  ] as const)('are read in format %s', async (format, row) => {
    const [plain] = await read(format, [row])
    expect(plain).not.toHaveProperty('chatTemplateKwargs')
    const [record] = await read(format, [{ ...row, chat_template_kwargs: { enable_thinking: false } }])
    expect(record).toEqual({ ...plain, chatTemplateKwargs: { enable_thinking: false } })
    expect(await read(format, [{ ...row, chat_template_kwargs: {} }])).toEqual([plain])
  })
})
