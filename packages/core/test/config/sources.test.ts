import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
import { parseConfig, loadConfig } from '../../src/config/load'
import { resolveConfig } from '../../src/config/resolve'
import { createRegistry } from '../../src/plugins/registry'
import { definePlugin } from '../../src/seams/plugin'
import { failure, folderWith } from '../support/files'

const none = z.strictObject({})
const registry = createRegistry([
  definePlugin({
    name: 'example',
    apiVersion: 1,
    register(to) {
      const manifest = { name: 'ca', feedback: 'either', needsReference: false, unit: 'question', constraint: 'none', constraints: ['none'], paper: '' } as const // prettier-ignore
      to.loss('ca', { options: none, create: () => ({ manifest, loss: () => tf.scalar(0) }) })
      to.backend('onnx', {
        options: none,
        create: () => ({
          name: 'onnx',
          probe: async () => ({ usable: true, device: '', detail: '' }),
          open: () => Promise.reject(new Error()),
        }),
      })
      to.dataset('own', { options: none, create: () => ({ name: 'own', read: () => [] as never }) })
    },
  }),
])

const config = (data: object) => ({ model: 'm', data, sft: { steps: 1 }, align: { loss: 'ca', steps: 1 } })
const resolved = (data: object) => resolveConfig(parseConfig(config(data), { folder: '/base' }), registry)
const problem = async (data: object): Promise<string> => (await failure(() => resolved(data))).line

describe('several sources', () => {
  const sources = [
    { title: 'data.train.math', name: 'math', path: '/base/a.jsonl', reader: { name: 'gsm8k' } },
    { title: 'data.train.ecqa', name: 'ecqa', path: '/base/b/ecqa.jsonl.gz', reader: { name: 'groups' } },
  ]
  test.each<[string, object]>([
    ['a list', [{ path: 'a.jsonl', format: 'gsm8k', name: 'math' }, 'b/ecqa.jsonl.gz']],
    ['a section by their names', { math: { path: 'a.jsonl', format: 'gsm8k' }, ecqa: 'b/ecqa.jsonl.gz' }],
  ])('stand in %s', (_, train) => {
    const { data } = resolved({ train, test: 't.jsonl' })
    expect(data.train).toMatchObject(sources)
    expect(data.questions).toBe(data.train)
    expect(data.test).toMatchObject([{ title: 'data.test', name: 't' }])
  })

  test('one in a list is one', () => {
    expect(resolved({ train: ['a.jsonl'], test: { only: 't.jsonl' } }).data).toMatchObject({
      train: [{ title: 'data.train' }],
      test: [{ title: 'data.test', name: 'only' }],
    })
  })

  test('weights, and how they are kept', () => {
    const { config: found, data } = resolved({
      train: [
        { path: 'a.jsonl', weight: 2 },
        { path: 'b.jsonl', weight: 0.5 },
      ],
      test: 't.jsonl',
      mixStrategy: 'over',
    })
    expect([data.train.map(({ weight }) => weight), found.data.mixStrategy]).toEqual([[2, 0.5], 'over'])
  })

  test.each<[string, object, string]>([
    [
      'the same name',
      { train: ['a/x.jsonl', 'b/x.csv'], test: 't' },
      'PLUMB_CONFIG_INVALID  data.train.0 and data.train.1 are both called "x"; give one of them another name.',
    ],
    [
      'a weight for some',
      { train: [{ path: 'a', weight: 1 }, 'b'], test: 't' },
      'PLUMB_CONFIG_INVALID  data.train.1 needs a weight, as data.train.0 has one: either all sources of data.train have one or none.',
    ],
    [
      'a weight of one source',
      { train: { path: 'a', weight: 1 }, test: 't' },
      'PLUMB_CONFIG_INVALID  data.train.weight shares between several sources, and data.train has one; leave it out.',
    ],
    [
      'a weight of a test set',
      { train: 'a', test: { x: { path: 't', weight: 1 }, y: 'u' } },
      'PLUMB_CONFIG_INVALID  data.test.x.weight cannot be: every record of data.test counts once. Weights are for data.train and data.questions.',
    ],
    [
      'a weight of nothing',
      {
        train: [
          { path: 'a', weight: 0 },
          { path: 'b', weight: 1 },
        ],
        test: 't',
      },
      'PLUMB_CONFIG_INVALID  data.train.0.weight must be greater than 0, but is 0.',
    ],
    [
      'a strategy without weights',
      { train: ['a', 'b'], test: 't', mixStrategy: 'over' },
      'PLUMB_CONFIG_INVALID  data.mixStrategy is about sources with weights, and there are none; leave it out.',
    ],
    ['an empty list', { train: [], test: 't' }, 'PLUMB_CONFIG_INVALID  data.train must have at least 1 entry, but is an empty list.'],
    ['no path', { train: { format: 'qa' }, test: 't' }, 'PLUMB_CONFIG_INVALID  data.train.path is missing; it must be a string.'],
    [
      'no path in a list',
      { train: [{ format: 'qa' }], test: 't' },
      'PLUMB_CONFIG_INVALID  data.train.0.path is missing; it must be a string.',
    ],
    ['a number', { train: 7, test: 't' }, 'PLUMB_CONFIG_INVALID  data.train must be a section of keys or a list, but is 7.'],
    [
      'a name that no folder can have',
      { train: 'a', test: { 'a b': 't', c: 'u' } },
      'PLUMB_CONFIG_INVALID  data.test.a b.name must be made of letters, digits, ".", "_" and "-", and start with a letter or digit, but is "a b".',
    ],
    [
      'an option of another format',
      { train: ['a', { path: 'b', format: 'qa', chainFeild: 'x' }], test: 't' },
      'PLUMB_CONFIG_UNKNOWN_KEY  data.train.1.chainFeild is not an option of format "qa". Did you mean "chainField"?',
    ],
    [
      'an unknown format',
      { train: 'a', test: { x: { path: 't', format: 'qaa' } } },
      'PLUMB_UNKNOWN_FORMAT  There is no dataset format "qaa". Did you mean "qa"?',
    ],
  ])('%s', async (_, data, expected) => {
    expect((await problem(data)).split('\n')[0]).toBe(expected)
  })

  test('point at their lines in the file', async () => {
    const text =
      'model: m\ndata:\n  train: a\n  test:\n    x: { path: t }\n    y:\n      path: u\n      format: qa\n      limt: 3\nsft: { steps: 1 }\nalign: { loss: ca, steps: 1 }\n'
    const loaded = await loadConfig({ cwd: folderWith({ 'a.yaml': text }), path: 'a.yaml' })
    expect((await failure(() => resolveConfig(loaded, registry))).line).toBe(
      'PLUMB_CONFIG_UNKNOWN_KEY  a.yaml:9  data.test.y.limt is not an option of format "qa". Did you mean "limit"?',
    )
  })
})

describe('columns and records that are left out', () => {
  test('are handed to the reader', () => {
    const columns = { question: 'query' }
    expect(resolved({ train: { path: 'a', format: 'gsm8k', columns, onInvalid: 'skip' }, test: 't' }).data.train).toMatchObject([
      { columns, onInvalid: 'skip' },
    ])
  })

  test.each<[object, string]>([
    [
      { path: 'a', format: 'gsm8k', columns: { qestion: 'q' } },
      'PLUMB_CONFIG_UNKNOWN_KEY  data.train.columns.qestion is not a field of format "gsm8k". Did you mean "question"?',
    ],
    [
      { path: 'a', format: 'own', columns: { question: 'q' } },
      'PLUMB_CONFIG_INVALID  data.train.columns is not possible: the reader of format "own" does not take it.',
    ],
    [
      { path: 'a', format: 'own', onInvalid: 'skip' },
      'PLUMB_CONFIG_INVALID  data.train.onInvalid is not possible: the reader of format "own" does not take it.',
    ],
    [{ path: 'a', onInvalid: 'ignore' }, 'PLUMB_CONFIG_INVALID  data.train.onInvalid must be one of "error", "skip", but is "ignore".'],
  ])('%j', async (train, expected) => {
    expect(await problem({ train, test: 't' })).toBe(expected)
  })
})
