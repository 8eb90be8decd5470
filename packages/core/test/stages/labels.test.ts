import * as tf from '@tensorflow/tfjs-core'
import { logOnePlusSumExp, runConfig, type AlignmentLoss, type Labeler, type RunEvent, type Sampler } from '../../src'
import { artifact, contrast, lastWord, question, world, type World } from '../support/world'

const training = { steps: 3, batchSize: 4, learningRate: 0.05 }
const variant = (losses: string[], more: object = {}) => ({
  ...training,
  name: losses.join('-'),
  losses: losses.map((loss) => ({ loss })),
  ...more,
})
const digits = [0, 1, 2, 3]
const fresh = digits.map((d) => question(`fresh-${d}`, d, false))

/** A sampler that gives the same texts to every question. */
const scripted = (texts: readonly string[], { finish = 'eos' }: { readonly finish?: 'eos' | 'length' } = {}): Sampler => ({
  name: 'scripted',
  async *sample(requests, { policy }) {
    for (const {
      question: { id },
      candidates,
    } of requests) {
      for (const candidate of candidates) {
        const text = texts[candidate]!
        const tokens = [...policy.tokenizer.encode(text), ...(finish === 'eos' ? [policy.tokenizer.eosId!] : [])]
        yield { id, candidate, tokens: text === '' ? [] : tokens, text, finish }
      }
    }
  },
})

const base = { sft: { ...training, steps: 1 }, evaluate: { maxNewTokens: 3 } }

describe('sampling and labelling', () => {
  it('removes duplicates token by token, keeps the first, counts all; the truncated and the empty are counted too', async () => {
    const texts = ['s1 a1', 's2 a2', 's1 a1', '', 's1 a1']
    const made = await world({ config: { ...base, sample: { k: 5 }, align: [variant(['sft'])] }, sampler: scripted(texts) })
    const report = await runConfig({ ...made, last: 'label' })
    expect(report.samples).toMatchObject({ sampled: 40, duplicate: 16, empty: 8, truncated: 0, labelled: 16, references: 8 })
    const [first] = await artifact<{ sampled: number; candidates: { candidate: number; times: number; text: string }[] }>(
      made,
      'sample',
      'samples.jsonl',
    )
    expect(first!.sampled).toBe(5)
    expect(first!.candidates.map(({ candidate, times, text }) => [candidate, times, text])).toEqual([
      [0, 3, 's1 a1'],
      [1, 1, 's2 a2'],
    ])
    expect(report.notices.join('\n')).toMatch(/8 of 40 completions have no token/)
  })

  it('computes pass@k and majority@k over all samples, repeated ones included', async () => {
    // of 8 questions one has the answer a1, one a2: right are 3 of 4 samples, and 1 of 4
    const made = await world({
      config: { ...base, sample: { k: 4 }, align: [variant(['sft'])] },
      sampler: scripted(['s1 a1', 's1 a1', 's1 a1', 's2 a2']),
    })
    const { samples } = await runConfig({ ...made, last: 'label' })
    expect(samples?.['pass@1']).toBeCloseTo((3 / 4 + 1 / 4) / 8, 12)
    expect(samples?.['pass@4']).toBeCloseTo(2 / 8, 12)
    expect(samples?.['majority@4']).toBeCloseTo(1 / 8, 12)
  })

  it('records prompt and completion tokens of every candidate, the reference last, EOS included', async () => {
    const made = await world({ config: { ...base, sample: { k: 1 }, align: [variant(['sft'])] }, sampler: scripted(['s1 a2']) })
    await runConfig({ ...made, last: 'label' })
    const groups = await artifact<{ id: string; promptTokens: number[]; candidates: object[] }>(made, 'label', 'groups.jsonl')
    // ids: <s> </s> <unk>, then q0 … q9, s0 … s9, a0 … a9
    expect(groups[1]).toEqual({
      id: 'train-1',
      prompt: 'q1',
      answer: 'a1',
      promptTokens: [0, 4],
      sampled: 1,
      candidates: [
        { text: 's1 a2', tokens: [14, 25, 1], status: 'wrong', positive: false, reward: 0, given: 'a2', times: 1 },
        { text: 's1 a1', tokens: [14, 24, 1], status: 'right', positive: true, reward: 1, reference: true },
      ],
    })
  })

  it('refuses a sampler that ends too early', async () => {
    const short: Sampler = {
      name: 'short',
      async *sample(requests, context) {
        yield* scripted(['s1']).sample(requests.slice(1), context)
      },
    }
    const made = await world({ config: { ...base, sample: { k: 1 }, align: [variant(['sft'])] }, sampler: short })
    await expect(runConfig(made)).rejects.toMatchObject({
      code: 'PLUMB_SAMPLER_INCOMPLETE',
      message: expect.stringContaining('7 of 8') as string,
    })
  })
})

describe('nothing to align', () => {
  const run = async (texts: string[], losses: string[], options: { labeler?: Labeler; chains?: boolean; finish?: 'length' } = {}) => {
    const made = await world({
      questions: options.chains ? undefined : fresh,
      labeler: options.labeler,
      sampler: scripted(texts, options),
      config: { ...base, sample: { k: texts.length }, align: [variant(losses)] },
    })
    const events: RunEvent[] = []
    const report = await runConfig({ ...made, onEvent: (event) => events.push(event) })
    const warnings = events.flatMap((event) => (event.type === 'notice' && event.level === 'warning' ? [event.message] : []))
    expect(report.notices).toEqual(expect.arrayContaining(warnings))
    const end = events.find((event) => event.type === 'stage-end' && event.stage === 'align')
    return { warnings: warnings.join('\n'), summary: end?.type === 'stage-end' ? end.summary : '' }
  }

  it('says so when no answer is found, and trains on L_VFT', async () => {
    const { warnings, summary } = await run(['s1 s1', 's2'], ['sft', 'contrast'])
    expect(warnings).toMatch(/None of the 8 sampled candidates is right \(in none of them a final answer was found\)/)
    expect(warnings).toMatch(/no question gives contrast anything to compare; it trains on L_VFT alone/)
    expect(summary).toMatch(/^3 steps/)
  })

  it('says so when all are wrong, and skips a variant without L_VFT', async () => {
    const { warnings, summary } = await run(['s1 a9', 's2'], ['contrast'])
    expect(warnings).toMatch(/None of the 8 sampled candidates is right \(4 wrong, 4 without a final answer\)/)
    expect(warnings).toMatch(/anything to compare; its training is skipped/)
    expect(summary).toMatch(/^no steps/)
  })

  it('says so when all are right', async () => {
    const right: Labeler = {
      ...lastWord,
      name: 'all-right',
      label: async (_, candidates) => candidates.map(() => ({ status: 'right', positive: true })),
    }
    const { warnings } = await run(['s1 a9', 's2 a1'], ['sft', 'contrast'], { labeler: right })
    expect(warnings).toMatch(/All 8 sampled candidates are right/)
  })

  it('says so when only the references are positive, and aligns with them', async () => {
    const { warnings, summary } = await run(['s1 a9'], ['sft', 'contrast'], { chains: true })
    expect(warnings).toMatch(/None of the 8 sampled candidates is right .* Only the 8 reference chains are positive\./)
    expect(warnings).not.toMatch(/anything to compare/)
    expect(summary).toMatch(/^3 steps/)
  })

  it('says so when everything was cut off', async () => {
    const { warnings } = await run(['s1 s1'], ['sft', 'contrast'], { finish: 'length' })
    expect(warnings).toMatch(/4 of 4 completions were cut off/)
  })
})

describe('what a variant trains on', () => {
  const steps = async (made: World) => artifact<Record<string, number>>(made, 'align', 'metrics.jsonl')

  it('takes L_VFT from the questions where all have chains, else from data.train', async () => {
    const config = { ...base, sample: { k: 2 }, align: [variant(['sft', 'contrast'])] }
    const own = await world({ config, sampler: scripted(['s1 a1', 's2 a2']) })
    await runConfig({ ...own, last: 'align' })
    // 4 questions: 2 samples and the chain each, less a sample that repeats the chain
    for (const { completionTokens } of await steps(own)) expect([10 * 3, 11 * 3, 12 * 3]).toContain(completionTokens)
    const held = await world({ config, questions: fresh, sampler: scripted(['s1 a1', 's2 a2']) })
    await runConfig({ ...held, last: 'align' })
    for (const { completionTokens } of await steps(held)) expect(completionTokens).toBe(4 * 2 * 3 + 4 * 3) // and 4 chains of data.train
  })

  it('does without the chains that do not fit, and does not draw others instead', async () => {
    const wordy = { ...question('wordy', 2), candidates: [{ text: `${'s2 '.repeat(9)}a2`, reference: true }] }
    const config = { ...base, lengths: { onTooLong: 'skip' as const }, sample: { k: 1 }, align: [variant(['sft'])] }
    const made = await world({ config, contextLength: 8, train: [question('a', 1), wordy], sampler: scripted(['s8 a8']) })
    await runConfig({ ...made, last: 'align' })
    for (const { completionTokens } of await steps(made)) expect(completionTokens).toBe(3)
  })

  it('leaves the reference out of the candidates where asked', async () => {
    const config = { ...base, sample: { k: 2 }, align: [variant(['sft', 'contrast'], { referenceIsCandidate: false })] }
    const made = await world({ config, sampler: scripted(['s8 a8', 's9 a9']) })
    await runConfig({ ...made, last: 'align' })
    for (const { 'loss/contrast': loss, completionTokens } of await steps(made)) {
      expect(loss).toBe(0) // nothing right among the samples
      expect(completionTokens).toBe(4 * 3 * 3)
    }
  })

  it('lets a loss select its candidates, and says what it selected', async () => {
    const first: AlignmentLoss = {
      manifest: { ...contrast.manifest, name: 'first' },
      loss: ({ scores }) => tf.neg(tf.mean<tf.Scalar>(scores)),
      select: ({ candidates }) => ({ keep: candidates.map((_, c) => c === 0), counts: { sampled: candidates.length, kept: 1 } }),
    }
    const config = { ...base, sample: { k: 2 }, align: [variant(['first'])] }
    const made = await world({ config, questions: fresh, losses: { first }, sampler: scripted(['s8 a8', 's9 a9']) })
    const report = await runConfig({ ...made, last: 'align' })
    expect(report.notices).toContain('first: 8 sampled, 4 kept.')
    for (const { completionTokens } of await steps(made)) expect(completionTokens).toBe(4 * 3)
  })

  it('gives the loss the stage-1 log-probs, computed once for all variants', async () => {
    const far: AlignmentLoss = {
      manifest: { ...contrast.manifest, name: 'far', needsReference: true },
      loss: ({ logProbs, referenceLogProbs }) => logOnePlusSumExp(tf.sub(logProbs, referenceLogProbs!)),
    }
    const align = [variant(['far']), variant(['stay'])]
    const made = await world({ config: { ...base, sample: { k: 2, maxNewTokens: 3 }, align }, losses: { far } })
    const events: RunEvent[] = []
    await runConfig({ ...made, last: 'align', onEvent: (event) => events.push(event) })
    const computed = events.filter((event) => event.type === 'stage-end' && event.variant === 'reference')
    const reused = events.filter((event) => event.type === 'stage-reused' && event.variant === 'reference')
    expect([computed.length, reused.length]).toEqual([1, 1])
    const metrics = JSON.stringify((await artifact<object>(made, 'align-stay', 'metrics.jsonl'))[0])
    expect(JSON.parse(metrics)).toMatchObject({ step: 1, 'loss/stay': 0 }) // training starts at the reference
  })

  it('watches the validation chains without training on them', async () => {
    const validation = [question('v', 5)]
    const config = { ...base, sft: { ...training, steps: 6, checkpointEvery: 4 }, align: [variant(['sft'])] }
    const made = await world({ config, validation })
    await runConfig({ ...made, last: 'sft' })
    const lines = await artifact<Record<string, number>>(made, 'sft', 'metrics.jsonl')
    const looks = await artifact<Record<string, number>>(made, 'sft', 'validation.jsonl')
    expect(looks.map((line) => [Object.keys(line), line.step])).toEqual([4, 6].map((step) => [['step', 'validation/sft'], step]))
    const without = await world({ config })
    await runConfig({ ...without, last: 'sft' })
    const plain = await artifact<Record<string, number>>(without, 'sft', 'metrics.jsonl')
    expect(lines).toEqual(plain)
  })
})
