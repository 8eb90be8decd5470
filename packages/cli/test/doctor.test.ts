import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ResolvedConfig } from '@plumbline/core'
import { costLine, duration, estimate } from '../src/doctor/cost'
import type { Survey } from '../src/doctor/survey'
import { plumb, TINY_CONFIG } from './cli'
import { onBackend, projectWithModel } from './real-model'

/** The tiny project with a real model folder, on the embedded backend. */
const project = (config = TINY_CONFIG) => projectWithModel(onBackend('onnx', config))

async function doctor(cwd: string, ...flags: readonly string[]) {
  const { code, stdout } = await plumb(['doctor', '--json', ...flags], { cwd })
  const { checks } = JSON.parse(stdout) as { checks: { status: string; name: string; detail: string }[] }
  const of = (name: string) => checks.filter((check) => check.name === name).map(({ status, detail }) => `${status}: ${detail}`)
  return { code, of }
}

it('says what the model and the first records are, and how long a run takes, measured', async () => {
  const { code, of } = await doctor(await project())
  expect([code, of('Model')]).toEqual([0, ['ok: a folder model; a context of 64 tokens, no chat template']])
  expect(of('Data')).toEqual([
    expect.stringMatching(/^ok: data\.train: train\.jsonl as gsm8k, 8 records; prompts of \d+ tokens on average, answers of \d+$/),
    expect.stringMatching(/^ok: data\.test: test\.jsonl as gsm8k, 6 records; prompts of \d+ tokens on average, answers of \d+$/),
  ])
  const [time = ''] = of('Time')
  expect(time).toMatch(
    /^ok: about \d+ s \(sft .*, sample .*, align boundary .*, align further-sft .*, evaluate .*\), at \d+ tokens a second of training and \d+ of sampling, /,
  )
  expect(time).not.toMatch(/at 0 tokens|and 0 of/)
})

it('says what is refused before anything is computed: records that are too long, answers that are not there', async () => {
  const cwd = await project()
  const numbers = Array.from({ length: 80 }, (_, n) => n).join(' ')
  writeFileSync(
    join(cwd, 'train.jsonl'),
    `${JSON.stringify({ prompt: numbers, answer: '1', candidates: [] })}\n${JSON.stringify({ prompt: 'What is 1 + 2', candidates: [] })}\n`,
  )
  const { code, of } = await doctor(cwd, '--no-measure', '--set', 'data.train.format=groups')
  expect(code).toBe(2)
  expect(of('Data')[0]).toMatch(
    /^error: data\.train: .*; 1 prompts and 0 answers are too long: a run stops there; .*; 1 have no final answer, .*: a run stops there$/,
  )
  expect(of('Time')).toEqual([])
})

describe('what a run takes', () => {
  const survey = (more: Partial<Survey>): Survey => ({ records: 100, isWhole: true, prompt: 10, chain: 20, chains: 1, groups: [], ...more })
  const surveys = { train: survey({}), questions: survey({ records: 50 }), test: survey({ records: 10, chain: 0, chains: 0 }) }
  const rates = { trained: 300, sampled: 100, step: 0.5 }
  const config = {
    sft: { epochs: 2, batchSize: 10 },
    sample: { k: 3, maxNewTokens: 15 },
    rounds: 1,
    align: [
      { name: 'a', steps: 4, batchSize: 5, losses: [{ loss: 'sft' }, { loss: 'ca' }] },
      { name: 'b', epochs: 1, batchSize: 25, losses: [{ loss: 'sft' }] },
    ],
    evaluate: { maxNewTokens: 40 },
  }

  it('by hand', () => {
    const resolved = { config, sampler: { made: { name: 'policy' } }, judge: { asked: 'all' } } as unknown as ResolvedConfig
    expect(estimate(resolved, surveys, rates)).toEqual([
      { stage: 'sft', seconds: 20 * (0.5 + (10 * 30) / 300) },
      { stage: 'sample', seconds: (50 * 3 * 15) / 100 },
      // Three samples and the reference, beside the prompt.
      { stage: 'align a', seconds: 4 * (0.5 + (5 * (10 + 4 * 15)) / 300) },
      { stage: 'align b', seconds: 2 * (0.5 + (25 * 30) / 300) },
      // Of three models greedy answers and scores, once the test candidates.
      { stage: 'evaluate', seconds: 3 * ((10 * 20) / 100 + (10 * (10 + 45)) / 3 / 300) + (10 * 3 * 15) / 100 },
    ])
  })

  it('of two rounds: each variant samples once more, is trained twice, and both its models are evaluated', () => {
    const resolved = {
      config: { ...config, rounds: 2 },
      sampler: { made: { name: 'policy' } },
      judge: { asked: 'all' },
    } as unknown as ResolvedConfig
    expect(estimate(resolved, surveys, rates)).toEqual([
      { stage: 'sft', seconds: 20 * (0.5 + (10 * 30) / 300) },
      { stage: 'sample', seconds: (3 * 50 * 3 * 15) / 100 },
      { stage: 'align a', seconds: 2 * 4 * (0.5 + (5 * (10 + 4 * 15)) / 300) },
      { stage: 'align b', seconds: 2 * 2 * (0.5 + (25 * 30) / 300) },
      { stage: 'evaluate', seconds: 5 * ((10 * 20) / 100 + (10 * (10 + 45)) / 3 / 300) + (10 * 3 * 15) / 100 },
    ])
  })

  it('of given candidates: nothing is sampled', () => {
    const made = { name: 'dataset', kind: 'given', candidates: () => [] }
    const resolved = {
      config: { ...config, sft: { steps: 0, batchSize: 1 } },
      sampler: { made },
      judge: { asked: 'answered' },
    } as unknown as ResolvedConfig
    const given = { ...surveys, questions: survey({ records: 50, chains: 2 }), test: survey({ records: 10, chains: 2 }) }
    expect(estimate(resolved, given, rates)).toEqual([
      { stage: 'align a', seconds: 4 * (0.5 + (5 * (10 + 40)) / 300) },
      { stage: 'align b', seconds: 2 * (0.5 + (25 * 30) / 300) },
      { stage: 'evaluate', seconds: expect.closeTo((10 * (10 + 40)) / 300, 9) as number },
    ])
  })

  it('in words', () => {
    expect(
      costLine(
        [
          { stage: 'sft', seconds: 3600 },
          { stage: 'sample', seconds: 100 },
        ],
        rates,
      ),
    ).toMatch(/^about 62 min \(sft 60 min, sample 1\.7 min\), at 300 tokens a second of training and 100 of sampling/)
    expect([0.2, 89, 5399, 7200, 86_400, 200_000].map(duration)).toEqual(['1 s', '89 s', '90 min', '2 h', '24 h', '2.3 days'])
  })
})
