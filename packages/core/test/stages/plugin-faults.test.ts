import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { definePlugin, runConfig, type AlignmentLoss, type GivenSampler, type Label, type Labeler, type Sampler } from '../../src'
import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
import { artifact, contrast, lastWord, question, world, type WorldOptions } from '../support/world'
import { failure } from '../support/files'

const training = { batchSize: 4, learningRate: 0.05 }
const config = {
  sft: { ...training, steps: 1 },
  sample: { k: 2, maxNewTokens: 3 },
  align: [{ ...training, name: 'contrast', steps: 1, losses: [{ loss: 'contrast' }] }],
  evaluate: { maxNewTokens: 3 },
}
const made = (options: WorldOptions = {}) => world({ ...options, config: { ...config, ...options.config } })

describe('labels that a labeler gives', () => {
  const giving = (label: (candidate: number) => unknown, feedback: Labeler['feedback'] = 'ranked'): Labeler => ({
    name: 'odd',
    feedback,
    label: async (_, candidates) => candidates.map((_text, c) => label(c)) as Label[],
  })

  it.each([
    ['too few', { ...giving(() => ({})), label: async () => [{ status: 'right' }] as Label[] }, /gave 1 labels for the 0 candidates/],
    ['no list', { ...giving(() => ({})), label: async () => undefined as unknown as Label[] }, /gave no list of labels/],
    ['no label', giving(() => undefined), /gave no label for candidate 1/],
    [
      'a reward that is NaN',
      giving(() => ({ status: 'ranked', reward: NaN })),
      /gave the reward NaN, which is not a finite number, for candidate 1/,
    ],
    ['an infinite reward', giving(() => ({ status: 'ranked', reward: -Infinity })), /gave the reward -Infinity/],
    ['a reward that is a text', giving(() => ({ status: 'ranked', reward: '3' })), /gave the reward "3"/],
    ['no reward', giving(() => ({ status: 'ranked' })), /gave the status "ranked" without a reward/],
    [
      'another status',
      giving(() => ({ status: 'correct' }), 'binary'),
      /gave the status "correct", which is not one of right, wrong, unparsed, ranked,/,
    ],
    [
      'what contradicts itself',
      giving(() => ({ status: 'wrong', positive: true }), 'binary'),
      /gave the status "wrong" with "positive" true/,
    ],
  ])('are refused where they are no labels: %s', async (_, labeler, message) => {
    const error = await failure(async () => runConfig(await made({ labeler })))
    expect(error).toMatchObject({ code: 'PLUMB_LABEL_INVALID', message: expect.stringMatching(message) as string })
    expect(error.message).toMatch(/^The labeler "odd" .* of question "[\w-]+"\.$/)
  })
})

describe('an exception of a plugin', () => {
  const boom = () => {
    throw new TypeError('boom')
  }
  const throwing: [string, WorldOptions, RegExp, string | undefined][] = [
    [
      'loss',
      { losses: { contrast: { ...contrast, loss: boom } } },
      /^The loss "contrast" of plugin "world 1\.0\.0" failed: boom\./,
      'align "contrast"',
    ],
    [
      'needed of a loss',
      { losses: { contrast: { ...contrast, needed: boom } } },
      /^The loss "contrast" .* failed: boom\./,
      'align contrast',
    ],
    ['labeler', { labeler: { ...lastWord, label: async (_, candidates) => (candidates.length > 0 ? boom() : []) } }, /^The labeler "last-word" of plugin "world 1\.0\.0" failed: boom\.$/, 'label'], // prettier-ignore
    ['sampler', { sampler: { name: 'thrower', sample: () => (async function* () { yield boom() })() } }, /^The sampler "thrower" of plugin "world 1\.0\.0" failed: boom\.$/, 'sample'], // prettier-ignore
    ['reader', { config: { data: { train: { path: 'x', format: 'thrower' }, test: { path: 'x', format: 'thrower' } } }, plugins: [definePlugin({ name: 'r', apiVersion: 1, register: (to) => to.dataset('thrower', { options: z.strictObject({}), create: () => ({ name: 'thrower', read: boom }) }) })] }, /^The dataset format "thrower" of plugin "r" failed: boom\.$/, undefined], // prettier-ignore
    ['factory', { config: { label: { name: 'unmade' } }, plugins: [definePlugin({ name: 'r', apiVersion: 1, register: (to) => to.labeler('unmade', { options: z.strictObject({}), create: boom }) })] }, /^The labeler "unmade" of plugin "r" failed: boom\.$/, undefined], // prettier-ignore
  ]

  it.each(throwing)('names it: %s', async (_, options, message, where) => {
    const error = await failure(async () => runConfig(await made(options)))
    expect(error).toMatchObject({ code: 'PLUMB_PLUGIN_FAILED', message: expect.stringMatching(message) as string })
    expect(error.where).toBe(where)
  })

  it('that an abort brought about is the interruption', async () => {
    const controller = new AbortController()
    const labeler: Labeler = {
      ...lastWord,
      label: async (_, candidates) => {
        if (candidates.length === 0) return []
        controller.abort()
        throw new Error('the connection was closed')
      },
    }
    const error = await failure(async () => runConfig({ ...(await made({ labeler })), signal: controller.signal }))
    expect(error.code).toBe('PLUMB_INTERRUPTED')
  })
})

describe('labelling', () => {
  it('asks several questions at once, and after an interruption only for the rest', async () => {
    let active = 0
    let most = 0
    const asked: string[] = []
    let failAt = 12
    const labeler: Labeler = {
      ...lastWord,
      label: async (asking, candidates) => {
        if (candidates.length === 0) return []
        if (asked.length === failAt) throw new Error('the server went away')
        asked.push(asking.id)
        most = Math.max(most, ++active)
        await new Promise((resolve) => setTimeout(resolve, 5))
        active--
        return lastWord.label(asking, candidates)
      },
    }
    const train = Array.from({ length: 30 }, (_, n) => question(`train-${n}`, n % 8))
    const run = { ...(await made({ labeler, train })), last: 'label' } as const
    expect(await failure(() => runConfig(run))).toMatchObject({ code: 'PLUMB_PLUGIN_FAILED', where: 'label' })
    expect(most).toBe(8)
    failAt = Infinity
    await runConfig(run)
    expect([...asked].sort()).toEqual(train.map(({ id }) => id).sort()) // none of them twice
    const lines = await artifact<{ id: string }>(run, 'label', 'groups.jsonl')
    expect(lines.map(({ id }) => id)).toEqual(train.map(({ id }) => id))
  })

  it('shows how often no answer was found, and a few of these texts', async () => {
    const long = `s1 ${'s2 '.repeat(200)}😀 end`
    const sampler: Sampler = {
      name: 'scripted',
      async *sample(requests, { policy }) {
        for (const {
          question: { id },
          candidates,
        } of requests) {
          for (const candidate of candidates) {
            const text = candidate === 0 ? long : 's1 a1'
            yield { id, candidate, text, tokens: policy.tokenizer.encode(text), finish: 'eos' }
          }
        }
      },
    }
    const run = await made({ sampler, contextLength: 4096, config: { sample: { k: 2 } } })
    const { unparsed } = await runConfig(run)
    expect(unparsed).toMatchObject({ count: 8, of: 16 })
    expect(unparsed?.examples.map(({ id }) => id)).toEqual(['train-0', 'train-2', 'train-4'])
    for (const { text } of unparsed?.examples ?? []) expect([Array.from(text).length, text.endsWith('😀 end')]).toEqual([240, true])
    const page = await readFile(path.join(run.config.run, 'report.md'), 'utf8')
    expect(page).toContain('In 8 of 16 candidates (50.0 %) no final answer was found.')
  })
})

describe('a sampler of given candidates', () => {
  it('may be a third party’s: nothing is sampled, and no name makes the difference', async () => {
    const elsewhere: GivenSampler = {
      name: 'elsewhere',
      kind: 'given',
      candidates: async ({ prompt }) => [{ text: `s1 ${prompt.replace('q', 'a')}` }, { text: 's9 a9' }, { text: 's9 a9' }],
    }
    const calls: string[] = []
    const run = await made({ sampler: elsewhere, onCall: (what) => calls.push(what), config: { sample: { sampler: 'elsewhere' } } })
    const report = await runConfig({ ...run, last: 'align' })
    expect(calls).not.toContain('generate')
    expect(report.samples).toMatchObject({ given: 24, duplicate: 8, right: 8, wrong: 8 })
    expect(report.design).toBe('alignment on the candidates of the data file, none sampled')
    const none = { ...elsewhere, candidates: () => [] }
    expect(await failure(async () => runConfig(await made({ sampler: none, config: { sample: { sampler: 'elsewhere' } } })))).toMatchObject(
      {
        code: 'PLUMB_DATA_NO_CANDIDATES',
      },
    )
    const keys = await made({ sampler: elsewhere, config: { sample: { sampler: 'elsewhere', k: 3 } } })
    expect(await failure(() => runConfig(keys))).toMatchObject({
      code: 'PLUMB_CONFIG_INVALID',
      message: 'sample.k says how to sample, and the sampler "elsewhere" takes candidates that are given; leave it out.',
    })
  })
})

describe('a loss', () => {
  it('is L_VFT by what its manifest says and not by its name', async () => {
    const mine: AlignmentLoss = { ...contrast, manifest: { ...contrast.manifest, name: 'sft' } }
    const likelihood: AlignmentLoss = {
      manifest: { ...contrast.manifest, name: 'likelihood', trains: 'references', unit: 'sequence' },
      loss: ({ scores }) => tf.neg(tf.sum<tf.Scalar>(scores)),
      units: ({ k }) => k,
    }
    const variant = (name: string) => ({ ...training, name, steps: 1, losses: [{ loss: name }] })
    const run = await made({
      losses: { mine, likelihood },
      questions: [1, 2].map((d) => question(`q-${d}`, d, false)),
      config: { align: [variant('mine'), variant('likelihood')] },
    })
    await runConfig({ ...run, last: 'align' })
    const [mineStep] = await artifact<Record<string, number>>(run, 'align-mine', 'metrics.jsonl')
    expect(mineStep).toHaveProperty('loss/mine')
    const [step] = await artifact<Record<string, number>>(run, 'align-likelihood', 'metrics.jsonl')
    // four chains of data.train, of three tokens each: none of the sampled candidates
    expect(step).toMatchObject({ completionTokens: 12 })
  })
})

describe('a model that has fallen apart', () => {
  it.each([
    ['the reference', 'stay', (calls: number) => calls > 0],
    ['the candidates’ scores', 'contrast', (calls: number) => calls > 0],
  ])('is said where %s would be written, with the question', async (_, loss, broken) => {
    const run = await made({ config: { align: [{ ...config.align[0], name: loss, losses: [{ loss }] }] } })
    const open = run.backend.open.bind(run.backend)
    let calls = 0
    run.backend.open = async (model) => {
      const policy = await open(model)
      const { logProbs } = policy
      policy.logProbs = async (groups) => {
        const scored = await logProbs.call(policy, groups)
        if (broken(++calls)) scored[0]?.[0]?.fill(NaN)
        return scored
      }
      return policy
    }
    const error = await failure(() => runConfig(run))
    expect(error).toMatchObject({ code: 'PLUMB_NON_FINITE_LOGITS', where: expect.stringMatching(/^(train|test)-0$/) as string })
    for (const name of await readdir(run.config.run, { recursive: true })) {
      if (name.endsWith('.jsonl')) expect(await readFile(path.join(run.config.run, name), 'utf8')).not.toContain('null')
    }
  })
})
