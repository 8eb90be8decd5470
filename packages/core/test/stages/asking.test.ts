import { readdir } from 'node:fs/promises'
import path from 'node:path'
import {
  evaluateOn,
  runConfig,
  withAskable,
  type Answer,
  type AskOptions,
  type ChatMessage,
  type EvaluatedAnswer,
  type EvaluationOn,
  type GenerationPrompt,
  type Labeler,
  type RunEvent,
  type RunReport,
  type Sampling,
} from '../../src'
import { failure } from '../support/files'
import { artifact, filesBelow, question, world, writeRecords, type World, type WorldOptions } from '../support/world'

const small = {
  sft: { steps: 12, batchSize: 4, learningRate: 0.05 },
  align: [
    { name: 'boundary', steps: 6, batchSize: 4, learningRate: 0.05, losses: [{ loss: 'sft' }, { loss: 'contrast' }] },
    { name: 'adapted', steps: 6, batchSize: 4, learningRate: 0.05, lora: { rank: 2 }, losses: [{ loss: 'sft' }] },
  ],
  sample: { k: 2, topK: 7, topP: 0.9 },
}

/** What the engine was asked for. */
function listen({ backend }: World) {
  const asked: { readonly prompts: readonly GenerationPrompt[]; readonly sampling: Sampling }[] = []
  const open = backend.open.bind(backend)
  backend.open = async (model) => {
    const policy = await open(model)
    const generate = policy.generate.bind(policy)
    policy.generate = (prompts, sampling, options) => {
      asked.push({ prompts, sampling })
      return generate(prompts, sampling, options)
    }
    return policy
  }
  return asked
}

const ask = (made: World, prompt: string, options?: AskOptions) =>
  withAskable(made, async ({ names, open }) => {
    const answers: Record<string, string> = {}
    for (const name of names) answers[name] = (await open(name, (model) => model.ask(prompt, options))).text
    return answers
  })

describe('models of a run', () => {
  let made: World
  beforeAll(async () => {
    made = await world({ config: small })
    await runConfig(made)
  })

  it('answer as they did in the evaluation, adapters with their base; nothing is written', async () => {
    const before = await filesBelow(made.config.run)
    const answers = await ask(made, 'q3')
    for (const [name, text] of Object.entries(answers)) {
      const evaluated = await artifact<Answer>(made, `evaluate-${name}`, 'answers.jsonl')
      expect([name, text]).toEqual([name, evaluated.find(({ id }) => id === 'test-3')?.text])
    }
    expect(Object.keys(answers)).toEqual(['VFT', 'boundary', 'adapted'])
    expect(await filesBelow(made.config.run)).toEqual(before)
    expect(made.backend.open_).toBe(0)
  })

  it('are asked greedily with the lengths of evaluate, or draw as sample says', async () => {
    const asked = listen(made)
    await ask({ ...made, only: ['boundary'] } as World, 'q3')
    await ask({ ...made, only: ['boundary'] } as World, 'q3', { temperature: 0.5, seed: 9, maxNewTokens: 3 })
    const [greedy, drawn] = asked.map(({ sampling }) => sampling)
    expect(greedy).toMatchObject({ temperature: 0, seed: 0, maxNewTokens: 6 })
    expect(greedy).not.toHaveProperty('topK')
    expect(drawn).toMatchObject({ temperature: 0.5, seed: 9, maxNewTokens: 3, topK: 7, topP: 0.9 })
    expect(asked[0]?.prompts[0]?.prompt).toEqual(asked[1]?.prompts[0]?.prompt)
  })

  it('show what there is of an answer, less what may be the beginning of a stop string', async () => {
    const stopping = await world({ config: { ...small, sft: { steps: 0 }, evaluate: { maxNewTokens: 6, stop: ['a9 s9'] } } })
    await runConfig({ ...stopping, last: 'sft' })
    const { backend } = stopping
    const open = backend.open.bind(backend)
    backend.open = async (model) => {
      const policy = await open(model)
      const tokens = policy.tokenizer.encode('s1 a9 a2 a9 s3')
      policy.generate = async function* ([prompt], _, { onTokens } = {}) {
        const own = { id: prompt!.id, candidate: 0 }
        for (let length = 1; length < tokens.length; length++) onTokens?.({ ...own, tokens: tokens.slice(0, length) })
        yield { ...own, tokens, text: 's1 a9 a2 a9 s3', finish: 'eos' }
      }
      return policy
    }
    const shown: string[] = []
    await ask({ ...stopping, only: ['VFT'] } as World, 'q1', { onText: (text) => shown.push(text) })
    expect(shown).toEqual(['s1', 's1 ', 's1 a9 a2', 's1 a9 a2 '])
  })

  it('hold no conversation without a chat template', async () => {
    await withAskable({ ...made, only: ['VFT'] }, ({ open }) =>
      open('VFT', async (model) => {
        expect(model.chatRefusal).toBe('VFT has no chat template, so it holds no conversation; it answers single questions.')
        expect(await failure(() => model.chat([{ role: 'user', content: 'q1' }]))).toMatchObject({ code: 'PLUMB_PROMPT_NO_CHAT_TEMPLATE' })
      }),
    )
  })

  it('that are not made are named; asked for by name, or where stage 1 is not made, they are refused', async () => {
    const [boundary, adapted] = small.align
    const changed = { ...made, config: { ...made.config, align: [{ ...boundary!, steps: 7 }, adapted!] } }
    expect(await withAskable(changed, ({ names, missing }) => Promise.resolve([names, missing]))).toEqual([
      ['VFT', 'adapted'],
      ['boundary'],
    ])
    const refused = await failure(() => withAskable({ ...changed, only: ['boundary'] }, () => Promise.resolve()))
    expect(refused).toMatchObject({ code: 'PLUMB_NOT_TRAINED', message: expect.stringContaining('align boundary is not done') as string })
    expect(await failure(() => withAskable({ ...made, overrides: ['sft.steps=3'] }, () => Promise.resolve()))).toMatchObject({
      code: 'PLUMB_NOT_TRAINED',
    })
    expect(await failure(() => withAskable({ ...made, only: ['bondary'] }, () => Promise.resolve()))).toMatchObject({
      code: 'PLUMB_UNKNOWN_MODEL',
      message: '"bondary" is neither a model of this run nor a model folder. Did you mean "boundary"?',
    })
  })

  it('too long a question is refused', async () => {
    const long = Array.from({ length: 70 }, () => 'q1').join(' ')
    expect(await failure(() => ask({ ...made, only: ['VFT'] } as World, long))).toMatchObject({ code: 'PLUMB_PROMPT_TOO_LONG' })
  })

  it('on the test file of the run have its answers and figures, and the difference to a baseline', async () => {
    const report: RunReport = await runConfig(made)
    const data = [{ path: path.join(made.folder, 'test.jsonl') }]
    const before = await filesBelow(made.config.run)
    const evaluated = await evaluateOn({ ...made, model: 'boundary', baseline: 'VFT', data }, async ({ rows, statuses, answers }) => {
      const lines: EvaluatedAnswer[] = []
      for await (const line of answers()) lines.push(line)
      return { rows, statuses, lines }
    })
    const [boundary, vft] = ['boundary', 'VFT'].map((name) => report.rows.find((row) => row.name === name)!)
    const figures = ['accuracy', 'interval', 'parseFailures', 'questions'] as const
    for (const figure of figures) {
      expect(evaluated.rows[0]?.[figure]).toEqual(boundary?.[figure])
      expect(evaluated.rows[1]?.[figure]).toEqual(vft?.[figure])
    }
    // the run's control is VFT, so the difference is its own
    expect(report.control).toBe('VFT')
    expect(evaluated.rows[0]?.versusControl).toEqual(boundary?.versusControl)
    const own = await artifact<Answer>(made, 'evaluate-boundary', 'answers.jsonl')
    expect(evaluated.lines.slice(0, own.length)).toEqual(
      own.map((answer, q) => ({ ...answer, model: 'boundary', prompt: `q${q}`, expected: `a${q}` })),
    )
    expect(evaluated.statuses[0]?.right).toBe(own.filter(({ status }) => status === 'right').length)
    expect(await filesBelow(made.config.run)).toEqual(before)
  })

  it('on several files have figures on each, and on all together', async () => {
    const second = path.join(made.folder, 'second.jsonl')
    await writeRecords(second, [question('b', 2), question('c', 3)])
    const data = [{ path: path.join(made.folder, 'test.jsonl') }, { path: second }]
    const [row] = await evaluateOn({ ...made, model: 'boundary', data }, ({ rows }) => Promise.resolve(rows))
    expect([row?.questions, row?.sets?.map(({ name, questions }) => [name, questions])]).toEqual([
      10,
      [
        ['test', 8],
        ['second', 2],
      ],
    ])
  })

  it('are stopped within a question, and nothing is left in the folder for temporary files', async () => {
    const stop = new AbortController()
    const data = [{ path: path.join(made.folder, 'test.jsonl') }]
    const temporary = async () => (await readdir(path.dirname(made.folder))).filter((name) => name.startsWith('plumb-eval-'))
    const before = await temporary()
    const onEvent = ({ type }: { type: string }) => type === 'stage-start' && stop.abort()
    const stopped = failure(() => evaluateOn({ ...made, model: 'VFT', data, signal: stop.signal, onEvent }, () => Promise.resolve()))
    expect(await stopped).toMatchObject({ code: 'PLUMB_INTERRUPTED' })
    expect(await temporary()).toEqual(before)
  })

  it('go on after a stop in a folder that is kept, which is gone when they are done', async () => {
    const folder = path.join(made.folder, 'kept')
    const data = [{ path: path.join(made.folder, 'test.jsonl') }]
    const texts = async ({ answers }: EvaluationOn) => {
      const lines: string[] = []
      for await (const { model, id, text } of answers()) lines.push(`${model} ${id} ${text}`)
      return lines
    }
    const whole = await evaluateOn({ ...made, model: 'boundary', baseline: 'VFT', data }, texts)
    const stop = new AbortController()
    const seen: RunEvent[] = []
    const onEvent = (event: RunEvent) => {
      seen.push(event)
      // of the second of the two models
      if (event.type === 'progress' && event.variant?.startsWith('VFT') && event.done > 0) stop.abort()
    }
    const asked = listen(made)
    const both = { ...made, model: 'boundary', baseline: 'VFT', data, workFolder: folder, onEvent }
    expect(await failure(() => evaluateOn({ ...both, signal: stop.signal }, texts))).toMatchObject({
      code: 'PLUMB_INTERRUPTED',
      message: 'Stopped; what is answered is kept.',
    })
    seen.length = 0
    expect(await evaluateOn(both, texts)).toEqual(whole)
    expect(seen.map(({ type }) => type).filter((type) => type.startsWith('stage'))).toEqual(['stage-reused', 'stage-start', 'stage-end'])
    const [resumedAt = 0] = seen.flatMap((event) => (event.type === 'stage-start' ? [event.resumedAt] : []))
    expect(resumedAt).toBeGreaterThan(0)
    expect(asked.map(({ prompts }) => prompts.length)).toEqual([8, 8, 8 - resumedAt])
    expect(await failure(() => readdir(folder))).toMatchObject({ code: 'ENOENT' })
  })
})

describe('a question is put as those of the data are', () => {
  const MARK = { system: 'a8', user: 'q8', assistant: 'a7' } as const
  const chat: WorldOptions['chat'] = {
    renderChat: (messages, { addGenerationPrompt = true } = {}) =>
      [...messages.map(({ role, content }) => `${MARK[role]} ${content} s7 `), ...(addGenerationPrompt ? ['a7 '] : [])].join(''),
    turnEnd: { token: 10 + 7 + 3, tail: [] },
  }
  const promptOf = async (options: WorldOptions, use: (made: World) => Promise<unknown>): Promise<string> => {
    const made = await world({
      ...options,
      config: { ...small, sft: { steps: 0 }, align: [{ name: 'none', steps: 0, losses: [{ loss: 'sft' }] }], ...options.config },
    })
    await runConfig({ ...made, last: 'sft' })
    const asked = listen(made)
    await use(made)
    const { tokenizer } = await made.backend.inspect!({
      kind: 'scratch',
      architecture: made.config.model as never,
      tokenizer: '',
      seed: 0,
      ...(made.config.model as object),
    } as never)
    return tokenizer.decode(asked.at(-1)?.prompts[0]?.prompt ?? [])
  }
  const only = (made: World): World => ({ ...made, only: ['VFT'] }) as World
  const talk = (id: string, ...messages: ChatMessage[]) => ({ ...question(id, 1), prompt: messages.at(-1)!.content, messages })
  const user = (content: string): ChatMessage => ({ role: 'user', content })

  it('too long, is refused where the run leaves such out', async () => {
    const long = Array.from({ length: 70 }, () => 'q1').join(' ')
    await promptOf({ chat, config: { lengths: { onTooLong: 'skip' } } }, async (made) => {
      expect(await failure(() => ask(only(made), long))).toMatchObject({
        code: 'PLUMB_PROMPT_TOO_LONG',
        message: 'The question has more than the 63 tokens that a prompt may have.',
      })
    })
  })

  it('of which none has an answer to compare with is no evaluation', async () => {
    const ranks: Labeler = {
      name: 'ranks',
      feedback: 'ranked',
      label: async (_, texts) => texts.map(() => ({ status: 'ranked', reward: 1 })),
    }
    await promptOf({ labeler: ranks }, async (made) => {
      const file = path.join(made.folder, 'none.jsonl')
      await writeRecords(file, [{ id: 'x', prompt: 'q1', candidates: [] }])
      const evaluating = () => evaluateOn({ ...made, model: 'VFT', data: [{ path: file }] }, () => Promise.resolve())
      expect(await failure(evaluating)).toMatchObject({
        code: 'PLUMB_EVAL_NO_ANSWER',
        message: 'No question of data.test has an answer to compare with: nothing can be judged.',
      })
    })
  })

  it('plain, in the template', async () => {
    const config = { prompt: { template: 's0 {prompt} s0' } }
    expect(await promptOf({ chat, config }, (made) => ask(only(made), 'q3'))).toBe('s0 q3 s0')
  })

  it('as a conversation with the system message, where the data hold conversations', async () => {
    const test = [talk('t', user('q1'))]
    expect(await promptOf({ chat, test, config: { prompt: { system: 's5' } } }, (made) => ask(only(made), 'q3'))).toBe(
      'a8 s5 s7 q8 q3 s7 a7',
    )
  })

  it('a conversation goes on through the chat template; with chat: false it is refused', async () => {
    const messages: ChatMessage[] = [user('q1'), { role: 'assistant', content: 's1 a1' }, user('q2')]
    const chatting = (made: World) => withAskable({ ...made, only: ['VFT'] }, ({ open }) => open('VFT', (model) => model.chat(messages)))
    expect(await promptOf({ chat }, chatting)).toBe('q8 q1 s7 a7 s1 a1 s7 q8 q2 s7 a7')
    await promptOf({ chat, config: { prompt: { chat: false } } }, (made) =>
      withAskable({ ...made, only: ['VFT'] }, ({ open }) =>
        open('VFT', async (model) => {
          expect(model.chatRefusal).toMatch(/^prompt\.chat is false/)
          await model.ask('q1')
        }),
      ),
    )
  })
})
