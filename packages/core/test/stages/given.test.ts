import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { DatasetLabeler, DatasetSampler, runConfig, type GroupRecord, type RunEvent } from '../../src'
import { failure, folderWith } from '../support/files'
import { artifact, filesBelow, lastWord, world, type World, type WorldOptions } from '../support/world'

const digits = [0, 1, 2, 3, 4, 5]

/** What the `preference` reader makes of chosen "s3 a3" and rejected "s4 a4". */
const pair = (id: string, digit: number): GroupRecord => ({
  id,
  prompt: `q${digit}`,
  candidates: [
    { text: `s${digit} a${digit}`, positive: true, reward: 1, reference: true },
    { text: `s${digit + 1} a${digit + 1}`, positive: false, reward: 0 },
  ],
})

const ranked = (id: string, digit: number): GroupRecord => ({
  id,
  prompt: `q${digit}`,
  candidates: [0, -1, -2].map((reward, c) => ({ text: `s${digit} a${digit + c}`, reward })),
})

const variant = (...losses: string[]) => ({
  name: losses.join('-'),
  steps: 10,
  batchSize: 4,
  learningRate: 0.1,
  losses: losses.map((loss) => ({ loss })),
})

interface Offline extends WorldOptions {
  /** One variant each; `sft+contrast` has two losses. */
  readonly variants?: readonly string[]
}

async function offline({ variants = ['contrast', 'stay'], ...options }: Offline = {}): Promise<World> {
  const made = await world({
    train: digits.map((d) => pair(`p-${d}`, d)),
    test: digits.map((d) => pair(`t-${d}`, d)),
    labeler: new DatasetLabeler(),
    sampler: new DatasetSampler(),
    ...options,
    config: {
      sft: { steps: 0 },
      align: variants.map((names) => variant(...names.split('+'))),
      evaluate: { maxNewTokens: 3 },
      ...options.config,
    },
  })
  return made
}

const reads = (made: World, file: string, format: string, options: object = {}): World => ({
  ...made,
  config: { ...made.config, data: { ...made.config.data, train: { path: file, format, ...options }, questions: undefined } },
})

describe('candidates of the data file', () => {
  it('aligns on preference pairs without generating anything, and assesses on those of the test file', async () => {
    const calls: string[] = []
    const made = await offline({ onCall: (what) => calls.push(what), variants: ['contrast', 'stay', 'sft+contrast'] })
    const report = await runConfig(made)
    expect(calls).not.toContain('generate')
    expect(calls).toContain('forwardBackward')
    expect(made.backend.open_).toBe(0)
    expect(report.samples).toEqual({
      questions: 6,
      given: 12,
      duplicate: 0,
      overlong: 0,
      labelled: 12,
      right: 6,
      wrong: 6,
      unparsed: 0,
      mixed: 6,
      references: 6,
    })
    const [start, contrast, stay, both] = report.rows
    expect(start).toEqual({
      name: 'VFT',
      questions: 0,
      assessmentAccuracy: expect.any(Number) as number,
      positivePerplexity: expect.any(Number) as number,
      negativePerplexity: expect.any(Number) as number,
    })
    // the test pairs are the training pairs, so what a loss says of these is seen on those; `stay` holds the start's log-probabilities
    expect(start!.assessmentAccuracy).toBeLessThan(1)
    expect(contrast!.assessmentAccuracy).toBe(1)
    expect(both!.positivePerplexity!).toBeLessThan(contrast!.positivePerplexity!)
    expect(stay).toEqual({ ...start, name: 'stay' })
    expect(report.design).toBe('alignment on the candidates of the data file, none sampled')

    const page = await readFile(path.join(made.config.run, 'report.md'), 'utf8')
    expect(page).toMatch(/^\| contrast \| – \| – \| – \| 1\.000 \| /m)
    expect(page).toContain('No test question has an answer to compare with')
    expect(page).not.toMatch(/NaN|undefined/)
  })

  it('needs the tokenizer alone where the backend knows it without the model', async () => {
    const opened = async (options: Offline) => {
      const made = await offline({ ...options, variants: ['contrast'] })
      await runConfig({ ...made, last: 'sft' })
      const before = made.backend.opened
      await runConfig({ ...made, last: 'sample' })
      return made.backend.opened - before
    }
    expect(await opened({})).toBe(0)
    expect(await opened({ inspects: false })).toBe(1)
  })

  it('writes texts as tokens with the boundary and EOS, in the order of the file, with their labels', async () => {
    const made = await offline()
    await runConfig({ ...made, last: 'label' })
    // ids: <s> </s> <unk>, then q0 … q9, s0 … s9, a0 … a9
    const [, sampled] = await artifact(made, 'sample', 'samples.jsonl')
    expect(sampled).toEqual({
      id: 'p-1',
      promptTokens: [0, 4],
      sampled: 2,
      candidates: [
        {
          candidate: 0,
          times: 1,
          text: 's1 a1',
          tokens: [14, 24, 1],
          finish: 'eos',
          given: { positive: true, reward: 1, reference: true },
        },
        { candidate: 1, times: 1, text: 's2 a2', tokens: [15, 25, 1], finish: 'eos', given: { positive: false, reward: 0 } },
      ],
      references: [],
    })
    const [, labelled] = await artifact(made, 'label', 'groups.jsonl')
    expect(labelled!.candidates).toEqual([
      { text: 's1 a1', tokens: [14, 24, 1], status: 'right', positive: true, reward: 1, times: 1, reference: true },
      { text: 's2 a2', tokens: [15, 25, 1], status: 'wrong', positive: false, reward: 0, times: 1 },
    ])
  })

  it('writes the same bytes twice, and reuses what is finished', async () => {
    const [a, b] = [await offline(), await offline()]
    await runConfig(a)
    await runConfig(b)
    const [first, second] = [await filesBelow(a.config.run), await filesBelow(b.config.run)]
    expect(Object.keys(second)).toEqual(Object.keys(first))
    for (const [name, bytes] of Object.entries(first)) expect([name, second[name]!.equals(bytes)]).toEqual([name, true])
    const ended: RunEvent[] = []
    await runConfig({ ...a, onEvent: (event) => event.type === 'stage-end' && ended.push(event) })
    expect(ended).toEqual([])
  })

  it('goes on after an abort anywhere and ends with the same bytes', async () => {
    const [whole, cut] = [await offline(), await offline()]
    await runConfig(whole)
    let interruptions = 0
    for (let limit = 2; ; limit += 3) {
      const controller = new AbortController()
      let seen = 0
      const onEvent = () => {
        if (++seen === limit) controller.abort()
      }
      try {
        await runConfig({ ...cut, onEvent, signal: controller.signal })
        break
      } catch (error) {
        expect(error).toMatchObject({ code: 'PLUMB_INTERRUPTED' })
        interruptions++
      }
      expect(cut.backend.open_).toBe(0)
    }
    expect(interruptions).toBeGreaterThan(4)
    const [expected, actual] = [await filesBelow(whole.config.run), await filesBelow(cut.config.run)]
    expect(Object.keys(actual)).toEqual(Object.keys(expected))
    for (const [name, bytes] of Object.entries(expected)) expect([name, actual[name]!.equals(bytes)]).toEqual([name, true])
  })

  it('takes rewards where there are no labels: no chain is needed, and better is better', async () => {
    const records = digits.map((d) => ranked(`r-${d}`, d))
    const made = await offline({ train: records, test: records, variants: ['contrast'] })
    const report = await runConfig(made)
    expect(report.samples).toMatchObject({ given: 18, ranked: 18, mixed: 6 })
    expect(report.samples).not.toHaveProperty('right')
    expect(report.rows[1]!.assessmentAccuracy).toBeGreaterThan(report.rows[0]!.assessmentAccuracy!)
    expect(report.rows[1]).not.toMatchObject({ positivePerplexity: expect.any(Number) as number })
    const [first] = await artifact(made, 'label', 'groups.jsonl')
    expect((first!.candidates as { status: string; reward: number }[]).map(({ status, reward }) => [status, reward])).toEqual([
      ['ranked', 0],
      ['ranked', -1],
      ['ranked', -2],
    ])
  })

  it('counts duplicates and what does not fit, and says where labels contradict each other', async () => {
    const again = (text: string, positive: boolean, reference = false) => ({ text, positive, ...(reference ? { reference } : {}) })
    const train: GroupRecord[] = [
      { id: 'same', prompt: 'q1', candidates: [again('s1 a1', true), again('s1  a1', true, true), again('s2 a2', false)] },
      { id: 'torn', prompt: 'q2', candidates: [again('s2 a2', true), again('s2 a2', false)] },
      { id: 'long', prompt: 'q3', candidates: [again('s3 a3', true), again('s3 '.repeat(9) + 'a3', false)] },
    ]
    const made = await offline({ train, contextLength: 8, config: { lengths: { onTooLong: 'skip' } } })
    const report = await runConfig({ ...made, last: 'label' })
    expect(report.samples).toMatchObject({ given: 7, duplicate: 2, overlong: 1, labelled: 4, references: 1 })
    expect(report.notices).toEqual([
      expect.stringMatching(/^3 of the 6 questions of data.test stand in data.train too/),
      "1 candidate of data.train left out: longer than the model's context.",
      'In 1 of 3 questions of data.train the same text stands twice with different labels; the first counts.',
    ])
    const [first] = await artifact(made, 'sample', 'samples.jsonl')
    expect(first!.candidates).toMatchObject([{ times: 2, given: { positive: true, reference: true } }, { times: 1 }])
  })

  it('answers the test questions whose answer is known, and those alone', async () => {
    const [first, ...others] = digits.map((d) => pair(`t-${d}`, d))
    const report = await runConfig(await offline({ test: [{ ...first!, answer: '7' }, ...others] }))
    expect(report.rows[1]).toMatchObject({ questions: 1, accuracy: 0, parseFailures: 1, assessmentAccuracy: 1 })
  })

  it('lets another labeler judge them', async () => {
    const answered = digits.map((d) => ({ ...pair(`p-${d}`, d), answer: `a${d}` }))
    const bare = answered.map((record) => ({ ...record, candidates: record.candidates.map(({ text }) => ({ text })) }))
    const report = await runConfig(await offline({ train: bare, test: bare, labeler: lastWord, variants: ['contrast'] }))
    expect(report.samples).toMatchObject({ right: 6, wrong: 6 })
    expect(report.rows[1]).toMatchObject({ questions: 6, assessmentAccuracy: 1 })
  })

  it('says that nothing is measured on a test file without candidates and answers', async () => {
    const report = await runConfig(await offline({ test: [{ id: 't', prompt: 'q9', candidates: [] }], variants: ['contrast'] }))
    expect(report.notices).toEqual(['data.test has neither candidates nor answers: nothing is measured on it.'])
    expect(report.rows[1]).toEqual({ name: 'contrast', questions: 0 })
  })
})

describe('what a data file of candidates must have', () => {
  const refused = async (options: Offline) => {
    const made = await offline(options)
    const error = await failure(() => runConfig(made))
    expect(made.backend.opened).toBe(0)
    return error
  }
  const [whole] = digits.map((d) => pair(`p-${d}`, d))

  it('candidates for every question', async () => {
    const error = await refused({ train: [whole!, { id: 'bare', prompt: 'q1', candidates: [] }] })
    expect(error).toMatchObject({ code: 'PLUMB_DATA_NO_CANDIDATES', message: expect.stringContaining('Question "bare" has no') as string })
  })

  it('a label for every candidate, in the test file too', async () => {
    const bare = { ...whole!, candidates: [...whole!.candidates, { text: 's5' }] }
    for (const files of [{ train: [bare] }, { test: [bare] }]) {
      expect(await refused(files)).toMatchObject({
        code: 'PLUMB_DATA_NO_LABEL',
        message: 'Candidate 3 of question "p-0" has neither "positive" nor "reward", and labels come from the data file.',
      })
    }
  })

  it('labels of one kind in a question', async () => {
    const mixed = {
      ...whole!,
      candidates: [
        { text: 's1', positive: true },
        { text: 's2', reward: 0.5 },
      ],
    }
    expect(await refused({ train: [mixed] })).toMatchObject({
      code: 'PLUMB_DATA_NO_LABEL',
      message: expect.stringContaining('question "p-0" are labelled in two ways') as string,
    })
  })

  it('chains, where they are trained on', async () => {
    const train = [ranked('r', 1)]
    expect(await refused({ train, config: { sft: { steps: 1 } } })).toMatchObject({ code: 'PLUMB_DATA_NO_REFERENCE' })
    expect(await refused({ train, variants: ['sft+contrast'] })).toMatchObject({ code: 'PLUMB_DATA_NO_REFERENCE' })
  })

  it('a candidate that fits into the context', async () => {
    const long = { ...whole!, candidates: whole!.candidates.map((candidate) => ({ ...candidate, text: 's1 '.repeat(9) })) }
    const options = { train: [long], contextLength: 8, variants: ['contrast'] }
    const made = await offline({ ...options, config: { lengths: { onTooLong: 'skip' } } })
    expect(await failure(() => runConfig(made))).toMatchObject({ code: 'PLUMB_DATA_EMPTY' })
    expect(made.backend.open_).toBe(0)
    expect(await failure(async () => runConfig(await offline(options)))).toMatchObject({ code: 'PLUMB_COMPLETION_TOO_LONG' })
  })

  it('says the line', async () => {
    const lines = [
      { context: [{ role: 'user', content: 'q1' }], completions: [{ rank: 0, completion: [{ role: 'assistant', content: 's1' }] }] },
      { question: 'q2', candidates: [{ text: 's2', rating: 1 }] },
    ]
    const folder = folderWith({
      'ranked.jsonl': lines.map((line) => JSON.stringify(line)).join('\n'),
      'groups.jsonl':
        '{"id":"a","prompt":"q1","candidates":[{"text":"s1","positive":true}]}\n{"id":"b","prompt":"q1","candidates":[{"text":"s1"}]}\n',
    })
    const made = await offline({ variants: ['contrast'] })
    // the tokenizer of this world has no chat template
    const plain = { ...made, config: { ...made.config, prompt: { chat: false } } }
    await runConfig({ ...reads(plain, path.join(folder, 'ranked.jsonl'), 'ranked'), last: 'label' })
    const error = await failure(() => runConfig(reads(made, path.join(folder, 'groups.jsonl'), 'groups')))
    expect(error.line).toMatch(/^PLUMB_DATA_NO_LABEL {2}\S*groups\.jsonl:2 {2}Candidate 1 of question "b"/)
  })

  it('reads a file of TRL as it is', async () => {
    const lines = digits.map((d) => ({ prompt: `q${d}`, chosen: `s${d} a${d}`, rejected: `s${d} a${d + 1}` }))
    const folder = folderWith({ 'pairs.jsonl': lines.map((line) => JSON.stringify(line)).join('\n') })
    const made = await offline({ variants: ['contrast'] })
    const pairs = reads(made, path.join(folder, 'pairs.jsonl'), 'preference', { chosenIsReference: false })
    const report = await runConfig({ ...pairs, last: 'align' })
    expect(report.samples).toMatchObject({ given: 12, right: 6, wrong: 6 })
    expect(report.samples).not.toHaveProperty('references')
  })
})
