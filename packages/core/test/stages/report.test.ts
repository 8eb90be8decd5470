import { makeReport, renderMarkdown } from '../../src/stages/report'
import type { Evaluation } from '../../src/stages/evaluate'
import type { Answer } from '../../src/stages/records'
import { runConfig, type Labeler } from '../../src'
import { lastWord, pluginOf, question, world } from '../support/world'

const answers = (right: readonly number[], unparsed: readonly number[] = []) =>
  right.map((hit, q): Answer => ({
    id: `q${q}`,
    text: '',
    status: unparsed.includes(q) ? 'unparsed' : hit ? 'right' : 'wrong',
    right: hit === 1,
  }))

const set = (...records: ReturnType<typeof question>[]) => ({ title: 'data.train', records, hash: '' })
const data = { train: set(question('a', 1)), questions: set(question('b', 1), question('c', 2)), test: set() }

describe('makeReport', () => {
  const evaluations: Evaluation[] = [
    { name: 'VFT', answers: answers([1, 0, 0, 0], [3]) },
    { name: 'x', answers: answers([1, 1, 1, 0]), assessmentAccuracy: 0.75, positivePerplexity: 1.1, negativePerplexity: 1.25 },
    { name: 'control', answers: answers([1, 1, 0, 0]) },
  ]
  const report = makeReport({ evaluations, control: 'control', data, samples: undefined, notices: ['n', 'n'] })

  it('compares every row with the control, question by question', () => {
    const [vft, x, control] = report.rows
    expect(vft).toMatchObject({ accuracy: 0.25, parseFailures: 0.25, questions: 4 })
    expect(vft!.versusControl?.difference).toBeCloseTo(-0.25, 12)
    // differences 0, 0, 1, 0: variance 0.25, standard error √(0.25/4)
    expect(x!.versusControl?.standardError).toBeCloseTo(0.25, 12)
    expect(control!.versusControl).toBeUndefined()
    expect(report.notices).toEqual(['n'])
  })

  it('says which design it is', () => {
    expect(report.design).toBe('alignment on 2 questions, of which 1 were seen in stage 1')
  })

  it('reads as a page', () => {
    const page = renderMarkdown(report, 6)
    expect(page).toContain('| x | 75.0 [30.1, 95.4] | +25.0 ± 25.0 | 0.0 | 0.750 | 1.100 | 1.250 |')
    expect(page).toContain('| VFT | 25.0 [4.6, 69.9] | −25.0 ± 25.0 | 25.0 | – | – | – |')
    expect(page).toContain('up to 6 per test question')
  })
})

describe('a labeler that ranks', () => {
  /** Longer is better. */
  const ranked: Labeler = {
    name: 'length',
    feedback: 'ranked',
    label: async (_, candidates) => candidates.map(({ text }) => ({ status: 'ranked', reward: text.length })),
  }
  const config = {
    sft: { steps: 2, batchSize: 4 },
    sample: { k: 3, maxNewTokens: 4 },
    align: [{ name: 'contrast', steps: 2, batchSize: 4, losses: [{ loss: 'contrast' }] }],
    evaluate: { maxNewTokens: 4 },
  }
  // accuracy is then by final answers as the `answer` labeler reads them
  const numbered = (id: string, digit: number) => ({ ...question(id, digit), answer: String(digit) })

  it('aligns on its rewards, the reference with its own, and measures accuracy by final answers', async () => {
    const report = await runConfig(await world({ config, labeler: ranked, test: [numbered('t', 1)] }))
    expect(report.samples).toMatchObject({ ranked: report.samples?.labelled, references: 8 })
    expect(report.samples).not.toHaveProperty('right')
    expect(report.rows).toHaveLength(2)
    expect(report.rows[0]!.parseFailures).toBe(1) // this world's words hold no number
  })

  it('needs no answers on the test file: what has none is not asked, and the candidates are ranked', async () => {
    const made = await world({ config, labeler: ranked, test: [numbered('t', 1), { ...question('u', 2), answer: undefined }] })
    const report = await runConfig(made)
    expect(report.rows[0]).toMatchObject({ questions: 1, parseFailures: 1, assessmentAccuracy: expect.any(Number) as number })
    expect(report.rows[0]!.positivePerplexity).toBeUndefined()
    expect(report.notices).toContain('1 of the 2 questions of data.test have no answer to compare with; they are not asked.')
    const none = await runConfig(await world({ config, labeler: ranked, test: [{ ...question('u', 2), answer: undefined }] }))
    expect(none.rows[0]).toMatchObject({ questions: 0 })
  })

  it('can leave the judging to another one', async () => {
    const judged = { ...config, evaluate: { maxNewTokens: 4, label: 'last-word' } }
    const report = await runConfig(await world({ config: judged, labeler: ranked, plugins: [pluginOf({ labeler: lastWord }, 'judge')] }))
    expect(report.rows[0]).toMatchObject({ questions: 8, positivePerplexity: expect.any(Number) as number })
    const circular = { ...config, evaluate: { maxNewTokens: 4, label: 'length' } }
    await expect(runConfig(await world({ config: circular, labeler: ranked }))).rejects.toMatchObject({
      code: 'PLUMB_CONFIG_INVALID',
      message: 'evaluate.label must be a labeler that tells right from wrong, and "length" only ranks.',
    })
  })
})
