import { explain, runConfig, type GroupRecord, type Sampler } from '../../src'
import { artifact, question, world, type WorldOptions } from '../support/world'
import { failure } from '../support/files'
import { labelledWrong } from '../../src/stages/cut-off'
import { DatasetLabeler } from '../../src/labelers/dataset'
import { DatasetSampler } from '../../src/samplers/dataset'

const LONG = 'q5 q6 q7 q8 q9'
const long = (id: string, digit: number): GroupRecord => ({ ...question(id, digit), prompt: `${LONG} q${digit}` })
const config = {
  sft: { steps: 1, batchSize: 2 },
  sample: { k: 2, maxNewTokens: 4 },
  align: [{ name: 'contrast', steps: 1, batchSize: 2, losses: [{ loss: 'contrast' }] }],
  evaluate: { maxNewTokens: 4 },
}
/** Prompts have a word less than tokens, for BOS. */
const made = async (lengths: object, options: WorldOptions = {}) =>
  world({
    train: [question('a', 1), long('b', 2), question('c', 3)],
    test: [long('t', 1), question('u', 2)],
    ...options,
    config: { ...config, lengths, ...options.config },
  })

describe('prompts longer than lengths.maxPromptTokens', () => {
  it('end a run before anything is computed, with what to set', async () => {
    const run = await made({ maxPromptTokens: 4 })
    expect(await failure(() => runConfig(run))).toMatchObject({
      code: 'PLUMB_PROMPT_TOO_LONG',
      message: expect.stringMatching(/"b" has 7 tokens; lengths.maxPromptTokens is 4. lengths.onTooLong: skip/) as string,
      where: expect.stringMatching(/:2$/) as string,
    })
    expect(run.backend.open_).toBe(0)
  })

  it('are left out of every stage, and counted in the report', async () => {
    const run = await made({ maxPromptTokens: 4, onTooLong: 'skip' })
    const report = await runConfig(run)
    expect(report.samples).toMatchObject({ questions: 2, skipped: 1 })
    expect(report.rows.map(({ questions }) => questions)).toEqual([1, 1])
    expect(report.notices).toEqual(
      expect.arrayContaining([
        '1 question of data.train left out: the prompt is longer than 4 tokens.',
        '1 question of data.test left out: the prompt is longer than 4 tokens.',
      ]),
    )
    const ids = async (stage: string, file: string) => (await artifact<{ id: string }>(run, stage, file)).map(({ id }) => id)
    expect(await ids('sample', 'samples.jsonl')).toEqual(['a', 'c'])
    expect(await ids('label', 'groups.jsonl')).toEqual(['a', 'c'])
    expect(await ids('evaluate-candidates', 'candidates.jsonl')).toEqual(['u'])
    const [, third] = await artifact<{ id: string; answer: string }>(run, 'label', 'groups.jsonl')
    expect(third).toMatchObject({ id: 'c', answer: 'a3' }) // labelled by its own record
  })

  it('of which none is left say so', async () => {
    const run = await made({ maxPromptTokens: 4, onTooLong: 'skip' }, { questions: [long('x', 1)] })
    expect(await failure(() => runConfig(run))).toMatchObject({
      code: 'PLUMB_DATA_EMPTY',
      message: 'No question of data.questions has a prompt of at most 4 tokens.',
    })
  })

  it('are cut at the beginning, and it is said by how much', async () => {
    const run = await made({ maxPromptTokens: 4, onTooLong: 'truncate' })
    const report = await runConfig(run)
    expect(report.samples).toMatchObject({ questions: 3 })
    expect(report.notices).toContain(
      '1 question of data.train cut at the beginning, to a prompt of 4 tokens: 3 tokens less in all, 3 at most.',
    )
    const groups = await artifact<{ prompt: string; promptTokens: number[] }>(run, 'label', 'groups.jsonl')
    // ids: <s> </s> <unk>, then q0 … q9
    expect(groups[1]).toMatchObject({ prompt: `${LONG} q2`, promptTokens: [0, 3 + 8, 3 + 9, 3 + 2] })
  })

  it('are cut to nothing that is said by the configuration alone', async () => {
    const run = await made({ onTooLong: 'truncate' }, { contextLength: 6 })
    expect(await failure(() => runConfig(run))).toMatchObject({
      code: 'PLUMB_PROMPT_TOO_LONG',
      message: expect.stringContaining('To cut it lengths.maxPromptTokens must say to how many tokens.') as string,
    })
  })
})

describe('answers longer than lengths.maxCompletionTokens', () => {
  const wordy: GroupRecord = { ...question('b', 2), candidates: [{ text: 's2 s2 s2 s2 a2', reference: true }] }
  const train = [question('a', 1), wordy]

  it('end a run', async () => {
    expect(await failure(async () => runConfig(await made({ maxCompletionTokens: 4 }, { train })))).toMatchObject({
      code: 'PLUMB_COMPLETION_TOO_LONG',
      message: expect.stringMatching(/"b" has 6 tokens, and lengths.maxCompletionTokens is 4/) as string,
    })
  })

  it('are left out, or lose their end', async () => {
    const skipped = await made({ maxCompletionTokens: 4, onTooLong: 'skip' }, { train })
    const { notices } = await runConfig({ ...skipped, last: 'label' })
    expect(notices).toContain(
      "1 reference chain of data.train left out: longer than lengths.maxCompletionTokens (4) or the model's context (64).",
    )
    const cut = await made({ maxCompletionTokens: 4, onTooLong: 'truncate' }, { train })
    const report = await runConfig({ ...cut, last: 'label' })
    expect(report.notices).toContain(
      "1 reference chain of data.train cut at the end, to lengths.maxCompletionTokens (4) or the model's context (64): 2 tokens less in all, 2 at most. They have no end, so they do not teach the model to stop.",
    )
    const groups = await artifact<{ candidates: { tokens: number[]; reference?: true }[] }>(cut, 'label', 'groups.jsonl')
    expect(groups[1]!.candidates.at(-1)).toMatchObject({ reference: true, tokens: [15, 15, 15, 15] })
  })

  it('of a data file of candidates are shown to the labeler as they are trained', async () => {
    const candidates = [
      { text: 's1 a1', positive: true },
      { text: 's1 s1 s1 s1 a2', positive: false },
    ]
    const given: GroupRecord[] = [{ id: 'g', prompt: 'q1', candidates }]
    const run = await made(
      { maxCompletionTokens: 4, onTooLong: 'truncate' },
      {
        train: given,
        test: [{ ...given[0]!, id: 'h' }],
        labeler: new DatasetLabeler(),
        sampler: new DatasetSampler(),
        config: { sft: { steps: 0 }, sample: {}, evaluate: { maxNewTokens: 3 } },
      },
    )
    await runConfig({ ...run, last: 'label' })
    const [line] = await artifact<{ candidates: object[] }>(run, 'sample', 'samples.jsonl')
    expect(line!.candidates).toMatchObject([
      { text: 's1 a1', finish: 'eos' },
      { text: 's1 s1 s1 s1', finish: 'length', tokens: [14, 14, 14, 14] },
    ])
  })
})

describe('completions that were cut off', () => {
  const answers = ['s1 a1', 's1 a2', 's1 a1 s1', 's1 a1'] // the last two are cut off
  const sampler: Sampler = {
    name: 'cut',
    async *sample(requests, { policy: { tokenizer } }) {
      for (const { question: asked, candidates } of requests) {
        for (const candidate of candidates) {
          const text = answers[candidate]!
          const isCut = candidate > 1
          const tokens = [...tokenizer.encode(text), ...(isCut ? [] : [tokenizer.eosId!])]
          yield { id: asked.id, candidate, tokens, text, finish: isCut ? 'length' : 'eos' }
        }
      }
    },
  }
  const sampled = async (cutOff?: 'drop' | 'wrong' | 'keep') => {
    const run = await made(
      {},
      {
        train: [question('a', 1)],
        test: [question('t', 1)],
        sampler,
        config: { ...config, sample: { k: 4, ...(cutOff ? { cutOff } : { cutOff: undefined }) } },
      },
    )
    const report = await runConfig({ ...run, last: 'label' })
    const [line] = await artifact<{ cutOff: number; candidates: { status: string; positive: boolean; times?: number }[] }>(
      run,
      'label',
      'groups.jsonl',
    )
    const own = line!.candidates.filter(({ times }) => times !== undefined)
    return { run, report, line: line!, statuses: own.map(({ status }) => status) }
  }

  it('are no candidates unless the configuration says otherwise', async () => {
    const { report, line, statuses } = await sampled()
    expect(statuses).toEqual(['right', 'wrong'])
    expect(line.cutOff).toBe(2)
    expect(report.samples).toMatchObject({ sampled: 4, truncated: 2, cutOff: 2, right: 1, wrong: 1, unparsed: 0 })
    expect(report.notices).toContain('2 of 4 completions were cut off at the length limit: they are no candidates (sample.cutOff: drop).')
  })

  it('are wrong whatever they say, or what the labeler says', async () => {
    const wrong = await sampled('wrong')
    expect(wrong.statuses).toEqual(['right', 'wrong', 'wrong', 'wrong'])
    expect(wrong.report.notices.join()).toContain('they count as wrong, whatever they say (sample.cutOff: wrong)')
    const kept = await sampled('keep')
    expect(kept.statuses).toEqual(['right', 'wrong', 'unparsed', 'right'])
    expect(kept.report.notices.join()).toContain('those without an answer count as wrong (sample.cutOff: keep)')
  })

  it('are labelled again, and not sampled again, where only that changes', async () => {
    const { run } = await sampled('drop')
    const events: string[] = []
    await runConfig({
      ...run,
      config: { ...run.config, sample: { ...run.config.sample, cutOff: 'wrong' } },
      last: 'label',
      onEvent: (event) => event.type.startsWith('stage-') && 'stage' in event && events.push(`${event.type} ${event.stage}`),
    })
    expect(events).toEqual(['stage-reused sft', 'stage-reused sample', 'stage-start label', 'stage-end label'])
  })

  it('are named by what would be done again, as lengths are', async () => {
    const { run } = await sampled('drop')
    const why = async (config: object, stage: 'sft' | 'label') => {
      const found = await explain({ ...run, config: { ...run.config, ...config }, stage })
      return found.at(-1)?.sentence
    }
    expect(await why({ sample: { ...run.config.sample, cutOff: 'wrong' } }, 'label')).toMatch(/^label would be done again: .*cutOff/)
    expect(await why({ lengths: { maxPromptTokens: 9 } }, 'sft')).toMatch(/^sft would be done again: .*lengths/)
    expect(await why({ prompt: { system: 's1', chat: true } }, 'sft')).toMatch(/^sft would be done again: .*prompt/)
  })

  it('and no others are said plainly', async () => {
    const all: Sampler = {
      ...sampler,
      async *sample(requests, context) {
        for await (const generation of sampler.sample(requests, context)) yield { ...generation, finish: 'length' }
      },
    }
    const run = await made({}, { train: [question('a', 1)], sampler: all, config: { ...config, sample: { k: 4, cutOff: 'drop' } } })
    const { notices } = await runConfig({ ...run, last: 'label' })
    expect(notices.join('\n')).toMatch(
      /4 of 4 completions were cut off.*There is no other; a larger sample.maxNewTokens lets the model end\./,
    )
  })
})

describe('reasoning', () => {
  const answers = ['q9 a2 s9 a1', 'q9 a1', 'a1', 'q9 a1 s9 a2']
  const sampler: Sampler = {
    name: 'thinking',
    async *sample(requests, { policy: { tokenizer } }) {
      for (const { question: asked, candidates } of requests) {
        for (const candidate of candidates) {
          const text = answers[candidate]!
          yield { id: asked.id, candidate, tokens: [...tokenizer.encode(text), tokenizer.eosId!], text, finish: 'eos' }
        }
      }
    },
  }
  const labelled = async (thinking: unknown) => {
    const run = await world({
      train: [question('a', 1)],
      test: [question('t', 1)],
      sampler,
      config: { ...config, sample: { k: 4 }, prompt: { thinking } },
    })
    const report = await runConfig({ ...run, last: 'label' })
    const [line] = await artifact<{ candidates: { status: string; text: string; times?: number }[] }>(run, 'label', 'groups.jsonl')
    return { run, report, own: line!.candidates.filter(({ times }) => times !== undefined) }
  }

  it('is not where answers are read, and reasoning without an end holds none', async () => {
    const { report, own } = await labelled(['q9', 's9'])
    expect(own.map(({ status }) => status)).toEqual(['right', 'unparsed', 'right', 'wrong'])
    expect(own[0]!.text).toBe('q9 a2 s9 a1') // what is trained is whole
    expect(report.samples).toMatchObject({ unfinished: 1 })
    expect(report.notices).toContain('In 1 of 4 candidates the reasoning never ends, so they hold no answer.')
  })

  it('is text like any other where the configuration says so', async () => {
    const { own } = await labelled(false)
    expect(own.map(({ status }) => status)).toEqual(['right', 'right', 'right', 'wrong'])
  })

  it('between tags that no candidate holds is said', async () => {
    const { report } = await labelled(['q7', 's7'])
    expect(report.notices).toContain('None of the 4 candidates holds q7 or s7 (prompt.thinking); a special token stands in no text.')
  })

  it('is looked for again, and nothing is sampled again, where only its tags change', async () => {
    const { run } = await labelled(false)
    const events: string[] = []
    await runConfig({
      ...run,
      config: { ...run.config, prompt: { thinking: ['q9', 's9'] } },
      last: 'label',
      onEvent: (event) => event.type.startsWith('stage-') && 'stage' in event && events.push(`${event.type} ${event.stage}`),
    })
    expect(events).toEqual(['stage-reused sft', 'stage-reused sample', 'stage-start label', 'stage-end label'])
  })

  it('that the prompt opens ends behind the closing tag', async () => {
    const run = await world({
      train: [question('a', 1)],
      test: [question('t', 1)],
      sampler,
      config: { ...config, sample: { k: 4 }, prompt: { thinking: ['q9', 's9'], template: '{prompt} q9\n' } },
    })
    await runConfig({ ...run, last: 'label' })
    const [line] = await artifact<{ candidates: { status: string; times?: number }[] }>(run, 'label', 'groups.jsonl')
    expect(line!.candidates.filter(({ times }) => times !== undefined).map(({ status }) => status)).toEqual([
      'right',
      'unparsed',
      'unparsed',
      'wrong',
    ])
  })
})

describe('a cut-off candidate that is ranked', () => {
  it('is as bad as the worst of its question', () => {
    const ranked = (reward: number) => ({ status: 'ranked', reward }) as const
    expect(labelledWrong(ranked(3), [ranked(3), ranked(-1), ranked(2)])).toEqual({ status: 'ranked', positive: false, reward: -1 })
    expect(labelledWrong({ status: 'right', positive: true, answer: '7' }, [])).toEqual({ status: 'wrong', positive: false, answer: '7' })
  })
})

describe('keys of prompt that do nothing', () => {
  it('are said', async () => {
    const run = await world({ config: { ...config, prompt: { system: 'Count.', chatTemplateKwargs: { x: 1 } } } })
    const { notices } = await runConfig({ ...run, last: 'sft' })
    expect(notices).toContain(
      'prompt.system and prompt.chatTemplateKwargs change nothing: the data holds no conversations, and plain questions go through the chat template with prompt.chat: true alone.',
    )
  })

  it('or refused, where they never could', async () => {
    const run = await world({ config: { ...config, prompt: { chat: false, system: 'Count.', thinking: ['<', '<'] } } })
    const { message } = await failure(() => runConfig(run))
    expect(message).toContain('prompt.system is for the model')
    expect(message).toContain('prompt.thinking needs two tags')
  })
})
