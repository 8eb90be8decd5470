import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
import { loadConfig, parseConfig } from '../../src/config/load'
import { resolveConfig } from '../../src/config/resolve'
import { createRegistry } from '../../src/plugins/registry'
import { TOKENS } from '../../src/plugins/tokens'
import type { AlignmentLoss } from '../../src/seams/loss'
import { definePlugin } from '../../src/seams/plugin'
import type { Backend } from '../../src/seams/policy'
import { BASE, failure, folderWith } from '../support/files'

const none = z.strictObject({})

function lossNamed(name: string): AlignmentLoss {
  const manifest = {
    name,
    feedback: 'either',
    needsReference: false,
    unit: 'question',
    constraint: 'none',
    constraints: ['none'],
    paper: '',
  } as const
  return { manifest, loss: () => tf.scalar(0) }
}

function backendNamed(name: string): Backend {
  return {
    name,
    probe: async () => ({ usable: true, device: name, detail: '' }),
    open: () => Promise.reject(new Error('not in this test')),
  }
}

interface Seen {
  options: unknown[]
  seed?: number
  folder?: string
}

function example() {
  const seen: Seen = { options: [] }
  const registry = createRegistry([
    definePlugin({
      name: 'example',
      apiVersion: 1,
      register(to) {
        to.loss('ca', {
          options: z.strictObject({
            constraint: z.enum(['none', 'detached', 'boundary']).default('boundary'),
            beta: z.number().min(0).default(0.15),
          }),
          create: (options, context) => {
            seen.options.push(options)
            seen.seed = context.get(TOKENS.seed)
            seen.folder = context.get(TOKENS.run).folder
            return lossNamed('ca')
          },
        })
        // A careless schema, which drops what it does not know.
        to.loss('lax', { options: z.object({ margin: z.number().default(1) }), create: () => lossNamed('lax') })
        to.backend('onnx', {
          options: z.strictObject({ device: z.string().optional(), threads: z.int().optional() }),
          create: () => backendNamed('onnx'),
        })
        to.backend('gpu', { options: none, create: () => backendNamed('gpu') })
      },
    }),
  ])
  return { registry, seen }
}

const MINIMAL = { model: 'm', data: { train: 'a.jsonl', test: 'b.jsonl' }, sft: { steps: 1 } }
const ALIGN = { loss: 'ca', steps: 1 }

describe('what a config names is made', () => {
  test('losses with their options, in order, L_VFT without one', () => {
    const { registry, seen } = example()
    const align = [
      { loss: 'ca', constraint: 'none', weight: 2, steps: 1 },
      { loss: 'sft', steps: 1 },
    ]
    const { variants } = resolveConfig(parseConfig({ ...MINIMAL, align, seed: 7, run: 'out' }, { folder: '/base' }), registry)
    expect(variants.map(({ name, terms }) => [name, terms.map((term) => [term.name, term.weight, term.loss.manifest.name])])).toEqual([
      [
        'ca-none',
        [
          ['sft', 1, 'sft'],
          ['ca', 2, 'ca'],
        ],
      ],
      ['sft', [['sft', 1, 'sft']]],
    ])
    expect(variants[0]!.terms[1]!.identity).toEqual({ name: 'ca', options: { constraint: 'none', beta: 0.15 }, seed: 7 })
    expect(seen).toEqual({ options: [{ constraint: 'none', beta: 0.15 }], seed: 7, folder: '/base/out' })
  })

  test('readers with their options; questions are the training file where there are none', () => {
    const { registry } = example()
    const data = { train: { path: 'a', format: 'gsm8k', stripAnnotations: true, limit: 3 }, test: 'b' }
    const { data: found } = resolveConfig(parseConfig({ ...MINIMAL, data, align: ALIGN }, { folder: '/base' }), registry)
    expect(found.train).toMatchObject([{ title: 'data.train', path: '/base/a', limit: 3, reader: { name: 'gsm8k' } }])
    expect(found.questions).toBe(found.train)
    expect(found.test.map(({ reader }) => reader.name)).toEqual(['groups'])
    expect(found.validation).toBeUndefined()
  })

  test('labeler and sampler', () => {
    const { labeler, sampler } = resolveConfig(parseConfig({ ...MINIMAL, align: ALIGN, label: 'answer' }), example().registry)
    expect([labeler.name, sampler.name]).toEqual(['answer', 'policy'])
  })

  test.each([
    ['auto', ['onnx', 'gpu'], {}],
    ['gpu', ['gpu'], {}],
    [{ name: 'onnx', device: 'cpu', threads: 2 }, ['onnx'], { device: 'cpu', threads: 2 }],
    // `gpu` takes no device: it is left out, not an error.
    [{ device: 'cpu' }, ['onnx'], { device: 'cpu' }],
  ])('backend %j', (backend, names, open) => {
    const resolved = resolveConfig(parseConfig({ ...MINIMAL, align: ALIGN, backend }), example().registry).backend
    expect(resolved.candidates.map(({ name }) => name)).toEqual(names)
    expect(resolved.candidates[0]!.open).toEqual(open)
  })
})

describe('what is wrong with options has its line', () => {
  test.each([
    [
      'align:\n  - loss: ca\n    steps: 1\n    constrain: none',
      'PLUMB_CONFIG_UNKNOWN_KEY  a.yaml:9  align.0.constrain is not an option of loss "ca". Did you mean "constraint"?',
    ],
    [
      'align:\n  loss: ca\n  steps: 1\n  learningrate: 1',
      'PLUMB_CONFIG_UNKNOWN_KEY  a.yaml:9  align.learningrate is not an option of loss "ca". Did you mean "learningRate"?',
    ],
    [
      'align:\n  - steps: 1\n    losses:\n      - { loss: ca }\n      - loss: ca\n        constraint: detach',
      'PLUMB_CONFIG_INVALID  a.yaml:11  align.0.losses.1.constraint must be one of "none", "detached", "boundary", but is "detach". Did you mean "detached"?',
    ],
    ['align: { loss: ca, steps: 1, beta: -1 }', 'PLUMB_CONFIG_INVALID  a.yaml:6  align.beta must be at least 0, but is -1.'],
    [
      'align: { loss: lax, steps: 1, magrin: 2 }',
      'PLUMB_CONFIG_UNKNOWN_KEY  a.yaml:6  align.magrin is not an option of loss "lax". Did you mean "margin"?',
    ],
    ['align: { loss: sft, steps: 1, beta: 2 }', /^PLUMB_CONFIG_UNKNOWN_KEY {2}a.yaml:6 {2}align.beta is not an option of loss "sft"\./],
    ['align:\n  - { loss: cal, steps: 1 }', 'PLUMB_UNKNOWN_LOSS  a.yaml:7  There is no loss "cal". Did you mean "ca"?'],
    ['align: { loss: banana, steps: 1 }', 'PLUMB_UNKNOWN_LOSS  a.yaml:6  There is no loss "banana". Known: ca, lax, sft.'],
    ['backend: onx\nalign: { loss: ca, steps: 1 }', 'PLUMB_UNKNOWN_BACKEND  a.yaml:6  There is no backend "onx". Did you mean "onnx"?'],
    [
      'backend: { name: onnx, thread: 2 }\nalign: { loss: ca, steps: 1 }',
      'PLUMB_CONFIG_UNKNOWN_KEY  a.yaml:6  backend.thread is not an option of backend "onnx". Did you mean "threads"?',
    ],
    [
      'sample: { sampler: polcy }\nalign: { loss: ca, steps: 1 }',
      'PLUMB_UNKNOWN_SAMPLER  a.yaml:6  There is no sampler "polcy". Did you mean "policy"?',
    ],
    [
      'label: { name: answers }\nalign: { loss: ca, steps: 1 }',
      'PLUMB_UNKNOWN_LABELER  a.yaml:6  There is no labeler "answers". Did you mean "answer"?',
    ],
    [
      'align: { loss: ca, steps: 1 }\nlabel: dataset',
      'PLUMB_CONFIG_INVALID  a.yaml:7  label "dataset" knows the candidates of the data file only; it needs a sampler that takes those, as sample.sampler "dataset".',
    ],
    [
      'align: { loss: ca, steps: 1 }\nsample: { sampler: { name: dataset }, k: 4 }',
      'PLUMB_CONFIG_INVALID  a.yaml:7  sample.k says how to sample, and the sampler "dataset" takes the candidates that the data file gives; leave it out.',
    ],
    [
      'label:\n  fallback: last\nalign: { loss: ca, steps: 1 }',
      'PLUMB_CONFIG_INVALID  a.yaml:7  label.fallback must be one of "none", "last-number", but is "last". Did you mean "last-number"?',
    ],
    [
      'label: { patterns: ["("] }\nalign: { loss: ca, steps: 1 }',
      /^PLUMB_CONFIG_INVALID {2}a.yaml:6 {2}label.patterns.0 must be a regular expression .* but is "\("\.$/,
    ],
  ])('%j', async (text, expected) => {
    const loaded = await loadConfig({ cwd: folderWith({ 'a.yaml': `${BASE}${text}\n` }), path: 'a.yaml' })
    // Paths are shown relative to the folder that loadConfig was given.
    const { line } = await failure(() => resolveConfig(loaded, example().registry))
    if (typeof expected === 'string') expect(line).toBe(expected)
    else expect(line).toMatch(expected)
  })

  test('an unknown format, and an option of another format', async () => {
    const text = BASE.replace('train: train.jsonl', 'train: { path: t, format: gsm }').replace('format: gsm8k', 'stripAnnotations: true')
    const loaded = await loadConfig({ cwd: folderWith({ 'a.yaml': `${text}align: { loss: ca, steps: 1 }\n` }), path: 'a.yaml' })
    const { line } = await failure(() => resolveConfig(loaded, example().registry))
    const [unknown, option] = line.split('\n')
    expect(unknown).toMatch(/^PLUMB_UNKNOWN_FORMAT {2}a.yaml:3 {2}There is no dataset format "gsm"\. /)
    expect(option).toMatch(/^PLUMB_CONFIG_UNKNOWN_KEY {2}a.yaml:4 {2}data.test.stripAnnotations is not an option of format "groups"\. /)
  })

  test('options that no backend takes, under auto', async () => {
    const loaded = parseConfig({ ...MINIMAL, align: ALIGN, backend: { treads: 2 } })
    expect((await failure(() => resolveConfig(loaded, example().registry))).code).toBe('PLUMB_CONFIG_UNKNOWN_KEY')
  })
})

describe('the environment', () => {
  const secretive = (seen: unknown[]) =>
    createRegistry([
      definePlugin({
        name: 'judge',
        apiVersion: 1,
        register(to) {
          to.labeler('judge', {
            options: z.strictObject({
              url: z.string(),
              apiKey: z.string().meta({ secret: true }).optional(),
              retries: z.int().default(3).meta({ affectsResults: false }),
              nested: z.strictObject({ token: z.string().optional().meta({ secret: true }), list: z.array(z.string()) }).optional(),
              strict: z.boolean().default(true),
            }),
            create: (options) => {
              seen.push(options)
              return { name: 'judge', feedback: 'binary', label: async () => [] }
            },
          })
        },
      }),
    ])
  const label = { name: 'judge', url: 'https://${env:PLUMBLINE_TEST_HOST}/v1', apiKey: '${env:PLUMBLINE_TEST_KEY}' }
  const config = (more: object = {}) => parseConfig({ ...MINIMAL, align: { loss: 'sft', steps: 1 }, label: { ...label, ...more } })

  beforeEach(() => Object.assign(process.env, { PLUMBLINE_TEST_HOST: 'judge.example', PLUMBLINE_TEST_KEY: 'sk-1' }))
  afterEach(() => {
    delete process.env.PLUMBLINE_TEST_HOST
    delete process.env.PLUMBLINE_TEST_KEY
  })

  test('is filled in for the factory, and not written down; nor are secrets', () => {
    const seen: unknown[] = []
    const { labeler } = resolveConfig(config({ nested: { token: 'plain', list: ['a', '${env:PLUMBLINE_TEST_KEY}'] } }), secretive(seen))
    expect(seen[0]).toEqual({
      url: 'https://judge.example/v1',
      apiKey: 'sk-1',
      retries: 3,
      nested: { token: 'plain', list: ['a', 'sk-1'] },
      strict: true,
    })
    expect(labeler.identity).toEqual({
      name: 'judge',
      options: {
        url: 'https://${env:PLUMBLINE_TEST_HOST}/v1',
        apiKey: '(secret)',
        nested: { token: '(secret)', list: ['a', '${env:PLUMBLINE_TEST_KEY}'] },
        strict: true,
      },
    })
  })

  test('is filled in for reporters, too', () => {
    const seen: unknown[] = []
    const registry = createRegistry([
      definePlugin({
        name: 'tracker',
        apiVersion: 1,
        register: (to) => {
          to.reporter('tracker', {
            options: z.strictObject({ token: z.string() }),
            create: (options) => {
              seen.push(options)
              return { event: () => undefined }
            },
          })
        },
      }),
    ])
    const reporters = [{ name: 'tracker', token: '${env:PLUMBLINE_TEST_KEY}' }]
    resolveConfig(parseConfig({ ...MINIMAL, align: { loss: 'sft', steps: 1 }, reporters }), registry)
    expect(seen).toEqual([{ token: 'sk-1' }])
  })

  test('that lacks the variable is an error with the place', async () => {
    delete process.env.PLUMBLINE_TEST_KEY
    const text = `${BASE}align: { loss: sft, steps: 1 }\nlabel:\n  name: judge\n  url: x\n  apiKey: "\${env:PLUMBLINE_TEST_KEY}"\n`
    const loaded = await loadConfig({ cwd: folderWith({ 'a.yaml': text }), path: 'a.yaml' })
    expect((await failure(() => resolveConfig(loaded, secretive([])))).line).toBe(
      'PLUMB_CONFIG_ENV  a.yaml:10  label.apiKey asks for the environment variable PLUMBLINE_TEST_KEY, which is not set.',
    )
  })

  test('is not shown in messages', async () => {
    const loaded = config({ strict: '${env:PLUMBLINE_TEST_KEY}' })
    const { line } = await failure(() => resolveConfig(loaded, secretive([])))
    expect(line).toContain('label.strict must be true or false, but is "${env:PLUMBLINE_TEST_KEY}".')
    expect(line).not.toContain('sk-1')
  })

  test('fills in paths', () => {
    process.env.PLUMBLINE_TEST_HOST = '/somewhere'
    const { config: found } = parseConfig({ ...MINIMAL, model: '${env:PLUMBLINE_TEST_HOST}/m', align: { loss: 'sft', steps: 1 } })
    expect(found.model).toBe('/somewhere/m')
  })
})

it('refuses what is not of its kind, by the name of its plugin', async () => {
  const bare = definePlugin({
    name: 'bare',
    apiVersion: 1,
    register: (registry) => registry.loss('bare', { options: z.strictObject({}), create: () => ({ loss: () => undefined }) as never }),
  })
  const loaded = parseConfig({ ...MINIMAL, align: { loss: 'bare', steps: 1 } })
  expect(await failure(() => resolveConfig(loaded, createRegistry([bare])))).toMatchObject({
    code: 'PLUMB_PLUGIN_INVALID',
    message: 'The loss "bare" of plugin "bare" has no manifest; docs/plugins.md shows one.',
  })
})
