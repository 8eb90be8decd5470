import { runConfig, type ChatMessage, type Sampler, type Tokenizer } from '../../src'
import { artifact, question, world, type WorldOptions } from '../support/world'
import { failure } from '../support/files'

/** Turns begin with a8 (system), q8 (user) and a7 (assistant) and end with s7; the reasoning stands between q9 and s9. */
const MARK = { system: 'a8', user: 'q8', assistant: 'a7' } as const
const id = (word: string) => 3 + 'qsa'.indexOf(word.charAt(0)) * 10 + Number(word.charAt(1))
const ids = (text: string) => text.split(' ').map(id)
const chat = (over: Partial<Tokenizer> = {}): WorldOptions['chat'] => ({
  renderChat: (messages, { addGenerationPrompt = true, arguments: { opens = false } = {} } = {}) =>
    [
      ...messages.map(({ role, content }) => `${MARK[role]} ${content} s7 `),
      ...(addGenerationPrompt ? [`a7 ${opens === true ? 'q9 ' : ''}`] : []),
    ].join(''),
  chatArguments: ['opens'],
  thinking: ['q9', 's9'],
  turnEnd: { token: id('s7'), tail: [] },
  ...over,
})
const sampler = (...texts: readonly string[]): Sampler => ({
  name: 'scripted',
  async *sample(requests, { policy: { tokenizer } }) {
    for (const { question: asked, candidates } of requests) {
      for (const candidate of candidates) {
        const text = texts[candidate]!
        yield { id: asked.id, candidate, tokens: [...tokenizer.encode(text), id('s7')], text, finish: 'eos' }
      }
    }
  },
})
const u = (content: string): ChatMessage => ({ role: 'user', content })
const a = (content: string): ChatMessage => ({ role: 'assistant', content })
const s = (content: string): ChatMessage => ({ role: 'system', content })
const talk = (name: string, ...messages: ChatMessage[]) => ({ ...question(name, 1), prompt: messages.at(-1)!.content, messages })
const config = {
  sft: { steps: 2, batchSize: 2 },
  sample: { k: 2 },
  align: [{ name: 'contrast', steps: 2, batchSize: 2, losses: [{ loss: 'sft' }, { loss: 'contrast' }] }],
  evaluate: { maxNewTokens: 4 },
}
interface Line {
  readonly id: string
  readonly promptTokens: number[]
  readonly candidates: readonly { readonly tokens: number[]; readonly status: string; readonly times?: number }[]
}

it('a system prompt stands before conversations of several turns through all stages; a record keeps its own', async () => {
  const made = await world({
    chat: chat(),
    train: [talk('several', u('q1'), a('s1 a1'), u('q2')), talk('own', s('s3'), u('q4')), question('plain', 5)],
    test: [talk('test', u('q1'))],
    sampler: sampler('s1 a1', 's1 a2'),
    config: { ...config, prompt: { system: 's5' } },
  })
  const report = await runConfig(made)
  expect(report.rows).toHaveLength(2)
  const lines = await artifact<Line>(made, 'label', 'groups.jsonl')
  expect(lines.map(({ promptTokens }) => promptTokens)).toEqual([
    ids('a8 s5 s7 q8 q1 s7 a7 s1 a1 s7 q8 q2 s7 a7'),
    ids('a8 s3 s7 q8 q4 s7 a7'),
    [0, id('q5')],
  ])
  expect(lines[0]!.candidates.map(({ tokens }) => tokens)).toEqual([ids('s1 a1 s7'), ids('s1 a2 s7'), ids('s1 a1 s7')])
})

it('with chat: true plain questions get it as well', async () => {
  const made = await world({
    chat: chat(),
    train: [question('plain', 5)],
    test: [question('t', 1)],
    sampler: sampler('s5 a5', 's5 a2'),
    config: { ...config, prompt: { system: 's5', chat: true } },
  })
  await runConfig({ ...made, last: 'sample' })
  const [line] = await artifact<Line>(made, 'sample', 'samples.jsonl')
  expect(line!.promptTokens).toEqual(ids('a8 s5 s7 q8 q5 s7 a7'))
})

describe('a template that opens the reasoning', () => {
  const made = (prompt: object, train: readonly object[] = [question('plain', 1)]) =>
    world({
      chat: chat(),
      train: train as never,
      test: [question('t', 1)],
      sampler: sampler('a2 s9 a1', 'a1'),
      config: { ...config, prompt: { chat: true, ...prompt } },
    })

  it('has its answers read behind the closing tag, and references that do not think close it at once', async () => {
    const run = await made({ chatTemplateKwargs: { opens: true } })
    const report = await runConfig({ ...run, last: 'label' })
    const [line] = await artifact<Line>(run, 'label', 'groups.jsonl')
    expect(line!.promptTokens).toEqual(ids('q8 q1 s7 a7 q9'))
    expect(line!.candidates.map(({ status }) => status)).toEqual(['right', 'unparsed', 'right'])
    expect(line!.candidates[2]!.tokens).toEqual(ids('s9 s1 a1 s7'))
    expect(report.notices.join()).toContain('In 1 of 2 candidates the reasoning never ends')
  })

  it('does so where a record asks for it alone; one that asks for what is not read is counted', async () => {
    const asks = (name: string, kwargs: object) => ({ ...question(name, 1), chat_template_kwargs: kwargs })
    const run = await made({}, [asks('opened', { opens: true }), asks('unread', { open: true })])
    const { notices } = await runConfig({ ...run, last: 'label' })
    const lines = await artifact<Line>(run, 'label', 'groups.jsonl')
    expect(lines.map(({ promptTokens }) => promptTokens.at(-1))).toEqual([id('q9'), id('a7')])
    expect(lines.map(({ candidates }) => candidates.slice(0, 2).map(({ status }) => status))).toEqual([
      ['right', 'unparsed'],
      ['right', 'right'],
    ])
    expect(notices).toContain(
      'The model\'s chat template reads no argument "open", which 1 question of data.train brings in chat_template_kwargs; it changes nothing.',
    )
  })

  it('changes nothing for plain questions, which is said', async () => {
    const run = await made({ chat: 'auto' }, [{ ...question('plain', 1), chat_template_kwargs: { opens: true } }])
    const { notices } = await runConfig({ ...run, last: 'sft' })
    expect(notices).toContain(
      'The chat_template_kwargs of 1 question of data.train change nothing: a plain question goes through no chat template unless prompt.chat is true.',
    )
  })

  it('of special tokens, which texts do not show, is said, and answers are read in the whole text', async () => {
    const run = await world({
      chat: chat({ thinking: ['<s>', '</s>'] }),
      train: [question('plain', 1)],
      test: [question('t', 1)],
      sampler: sampler('a2 s9 a1', 'a1'),
      config: { ...config, prompt: { chat: true } },
    })
    const { notices } = await runConfig({ ...run, last: 'label' })
    expect(notices.join('\n')).toContain('between <s> and </s>, special tokens that texts do not show')
    const [line] = await artifact<Line>(run, 'label', 'groups.jsonl')
    expect(line!.candidates.map(({ status }) => status)).toEqual(['right', 'right', 'right'])
  })

  it('is told by name', async () => {
    const run = await made({ chatTemplateKwargs: { open: true } })
    expect(await failure(() => runConfig(run))).toMatchObject({
      code: 'PLUMB_CHAT_TEMPLATE_ARGUMENT',
      message: expect.stringContaining('Did you mean "opens"?') as string,
    })
  })

  it('decides which stages are done again', async () => {
    const run = await made({})
    await runConfig({ ...run, last: 'label' })
    const redone = async (prompt: object) => {
      const events: string[] = []
      await runConfig({
        ...run,
        config: { ...run.config, prompt: { chat: true, ...prompt } },
        last: 'label',
        onEvent: (event) => event.type === 'stage-end' && events.push(event.stage),
      })
      return events
    }
    expect(await redone({})).toEqual([])
    expect(await redone({ chatTemplateKwargs: {} })).toEqual([])
    expect(await redone({ thinking: false })).toEqual(['label'])
    expect(await redone({ chatTemplateKwargs: { opens: true } })).toEqual(['sft', 'sample', 'label'])
    expect(await redone({ system: 's5' })).toEqual(['sft', 'sample', 'label'])
  })
})

it('greedy answers are read behind the reasoning as well', async () => {
  const train = [{ ...question('plain', 1), candidates: [{ text: 'q9 a2 s9 a1', positive: true, reference: true }] }]
  const made = await world({
    chat: chat(),
    train,
    test: [question('t', 1)],
    sampler: sampler('a1', 'a2'),
    config: { ...config, prompt: { chat: true }, sft: { steps: 60, batchSize: 1, learningRate: 0.5 }, evaluate: { maxNewTokens: 6 } },
  })
  await runConfig(made)
  const [answer] = await artifact<{ text: string; status: string; given?: string }>(made, 'evaluate-VFT', 'answers.jsonl')
  expect(answer).toMatchObject({ text: 'q9 a2 s9 a1', status: 'right', given: 'a1' })
})
