import { z } from 'zod'
import { createRegistry } from '../../src/plugins/registry'
import { closest } from '../../src/util/suggest'
import { TOKENS } from '../../src/plugins/tokens'
import { definePlugin, type FactoryContext, type Plugin, type Registry, type Token } from '../../src/seams/plugin'
import type { Labeler } from '../../src/seams/labeler'

const none = z.strictObject({})
const labeler: Labeler = { name: 'example', feedback: 'binary', label: async () => [] }

function plugin(name: string, register: (registry: Registry) => void, apiVersion = 1): Plugin {
  return definePlugin({ name, apiVersion, register })
}

function withLabeler(name: string, labelerName: string): Plugin {
  return plugin(name, (registry) => {
    registry.labeler(labelerName, { options: none, create: () => labeler })
  })
}

test('core brings its readers, labelers and samplers', () => {
  const registry = createRegistry()
  expect(registry.names('dataset')).toEqual(['groups', 'qa', 'gsm8k', 'preference', 'unpaired', 'messages', 'ranked', 'aqua', 'ecqa'])
  expect(registry.names('labeler')).toEqual(['answer', 'dataset'])
  expect(registry.names('sampler')).toEqual(['policy', 'dataset'])
  expect(registry.names('loss')).toEqual([])
})

test('what a plugin registers is found by kind and name', () => {
  const registry = createRegistry([withLabeler('a', 'exact')])
  expect(registry.find('labeler', 'exact')).toMatchObject({ kind: 'labeler', name: 'exact', plugin: 'a' })
  expect(registry.plugins).toEqual(['@plumbline/core', 'a'])
})

test('a module whose default export is the plugin is taken for the plugin, however often it is wrapped', () => {
  const exact = withLabeler('a', 'exact')
  const wrapped = [{ default: exact }, { default: { default: exact } }]
  for (const module of wrapped) expect(createRegistry([module]).plugins).toEqual(['@plumbline/core', 'a'])
})

test.each([[{}], [{ default: {} }], [undefined], [() => undefined]])('what is no plugin, %p, is an error that says so', (value) => {
  expect(() => createRegistry([withLabeler('a', 'exact'), value as Plugin])).toThrow(
    expect.objectContaining({ code: 'PLUMB_PLUGIN_INVALID', message: expect.stringMatching(/^Plugin 2 of createRegistry must be/) }),
  )
})

test('two registries share nothing', () => {
  createRegistry([withLabeler('a', 'exact')])
  expect(createRegistry().names('labeler')).toEqual(['answer', 'dataset'])
})

test('a plugin of the same name is taken once: the first', () => {
  const registry = createRegistry([withLabeler('a', 'exact')])
  expect(registry.use(withLabeler('a', 'exact'))).toBe(false)
  expect(registry.names('labeler')).toEqual(['answer', 'dataset', 'exact'])
})

test.each([
  ['another plugin has', withLabeler('b', 'exact'), /"b" registers the labeler "exact", which plugin "a" has/],
  ['core has', withLabeler('b', 'answer'), /which plugin "@plumbline\/core [\d.]+" has/],
  [
    'Plumbline keeps to itself',
    plugin('b', (registry) => {
      registry.loss('sft', { options: none, create: () => Promise.reject(new Error('made')) as never })
    }),
    /the loss "sft", which Plumbline itself has/,
  ],
])('a name that %s is an error', (_, second, message) => {
  expect(() => createRegistry([withLabeler('a', 'exact'), second])).toThrow(
    expect.objectContaining({ code: 'PLUMB_PLUGIN_DUPLICATE', message: expect.stringMatching(message) }),
  )
})

test('a plugin that fails half-way leaves nothing of it', () => {
  const registry = createRegistry([withLabeler('a', 'exact')])
  const half = plugin('half', (to) => {
    to.labeler('first', { options: none, create: () => labeler })
    to.labeler('exact', { options: none, create: () => labeler })
  })
  expect(() => registry.use(half)).toThrow(expect.objectContaining({ code: 'PLUMB_PLUGIN_DUPLICATE' }))
  expect(registry.names('labeler')).not.toContain('first')
  expect(registry.plugins).not.toContain('half')
  expect(registry.use(withLabeler('b', 'first'))).toBe(true)
})

test('options that no zod 4 made are refused: an unknown key would be dropped without a word', () => {
  const zod3 = {
    _def: { typeName: 'ZodObject' },
    parse: (value: unknown) => value,
    safeParse: (data: unknown) => ({ success: true, data }),
  }
  const old = plugin('old', (to) => {
    to.labeler('z3', { options: zod3 as unknown as typeof none, create: () => labeler })
  })
  expect(() => createRegistry([old])).toThrow(
    expect.objectContaining({
      code: 'PLUMB_PLUGIN_INVALID',
      message: expect.stringMatching(/"old" registers the labeler "z3" .* zod 4; depend on zod \^4/) as string,
    }),
  )
})

test('the same name of two kinds is none', () => {
  const both = plugin('a', (registry) => {
    registry.labeler('x', { options: none, create: () => labeler })
    registry.sampler('x', { options: none, create: () => ({ name: 'x', sample: () => (async function* () {})() }) })
  })
  expect(createRegistry([both]).names('sampler')).toEqual(['policy', 'dataset', 'x'])
})

test.each([
  [2, 'Update Plumbline.'],
  [0, 'Update the plugin.'],
])('a plugin for API version %d is refused', (version, advice) => {
  expect(() => createRegistry([plugin('old', () => undefined, version)])).toThrow(
    expect.objectContaining({ code: 'PLUMB_PLUGIN_API_VERSION', message: expect.stringContaining(advice) }),
  )
})

test.each([
  ['labeler', 'anwser', 'PLUMB_UNKNOWN_LABELER', 'There is no labeler "anwser". Did you mean "answer"?'],
  ['sampler', 'x', 'PLUMB_UNKNOWN_SAMPLER', 'There is no sampler "x". Known: dataset, policy.'],
  ['dataset', 'gsm', 'PLUMB_UNKNOWN_FORMAT', 'There is no dataset format "gsm". Did you mean "gsm8k"?'],
  ['loss', 'ca', 'PLUMB_UNKNOWN_LOSS', 'There is no loss "ca". Known: sft.'],
  ['backend', 'onnx', 'PLUMB_UNKNOWN_BACKEND', 'There is no backend "onnx". Known: auto.'],
] as const)('an unknown %s "%s"', (kind, name, code, message) => {
  expect(() => createRegistry().find(kind, name, 'here')).toThrow(expect.objectContaining({ code, message, where: 'here' }))
})

describe('what a factory may ask for', () => {
  function contextOf(register: (context: FactoryContext) => void, logger?: { debug(): void; info(): void; warn(message: string): void }) {
    const registry = createRegistry([
      plugin('a', (to) => {
        to.labeler('x', {
          options: none,
          create: (_, context) => {
            register(context)
            return labeler
          },
        })
      }),
    ])
    const run = registry.openRun({ folder: '/runs/a', configFolder: '/config', seed: 5, logger })
    registry.find('labeler', 'x').factory.create({}, run)
    return run
  }

  test('the run, its seed, its logger', () => {
    const lines: string[] = []
    const logger = { debug: () => undefined, info: () => undefined, warn: (line: string) => void lines.push(line) }
    contextOf((context) => {
      expect(context.get(TOKENS.run)).toEqual({ folder: '/runs/a', configFolder: '/config', seed: 5 })
      expect(context.get(TOKENS.seed)).toBe(5)
      context.get(TOKENS.logger).warn('hello')
    }, logger)
    expect(lines).toEqual(['hello'])
  })

  test('a token made by another copy of core is the same token', () => {
    const foreign: Token<number> = { symbol: Symbol.for('plumbline:seed') }
    contextOf((context) => {
      expect(context.get(foreign)).toBe(5)
    })
  })

  test('random streams, one per key, whatever else is drawn', () => {
    const draw = (order: readonly (string | number)[]): Record<string, number[]> => {
      const drawn: Record<string, number[]> = {}
      contextOf((context) => {
        const random = context.get(TOKENS.random)
        for (const key of order) {
          const next = random('stream', key)
          drawn[key] = [next(), next(), next()]
        }
      })
      return drawn
    }
    const forward = draw(['a', 'b', 1])
    expect(draw([1, 'b', 'a'])).toEqual(forward)
    const all = Object.values(forward).flat()
    expect(new Set(all).size).toBe(9)
    for (const value of all) expect(value >= 0 && value < 1).toBe(true)
  })

  test('what the run does not have is an error', () => {
    const run = contextOf(() => undefined)
    expect(() => run.get({ symbol: Symbol.for('plumbline:telescope') })).toThrow(
      expect.objectContaining({ code: 'PLUMB_PLUGIN_DEPENDENCY', message: expect.stringContaining('plumbline:telescope') }),
    )
  })

  test('one run does not see the other', async () => {
    const registry = createRegistry()
    const first = registry.openRun({ folder: '/a', configFolder: '/', seed: 1 })
    const second = registry.openRun({ folder: '/b', configFolder: '/', seed: 2 })
    await first.dispose()
    expect(second.get(TOKENS.run).folder).toBe('/b')
  })
})

test.each([
  ['constrain', ['constraint', 'beta'], 'constraint'],
  ['BETA', ['constraint', 'beta'], 'beta'],
  ['temp', ['temperature', 'topK'], 'temperature'],
  ['lr', ['learningRate', 'steps'], undefined],
  ['x', [], undefined],
  ['stesp', ['steps', 'epochs', 'schedule'], 'steps'],
])('closest(%j, %j) is %j', (name, known, expected) => {
  expect(closest(name, known)).toBe(expected)
})

it('names the plugin whose registration throws, and takes nothing of it', () => {
  const registry = createRegistry()
  const register = (to: Registry) => {
    to.labeler('half', { options: none, create: () => ({}) as Labeler })
    throw new Error('reg')
  }
  expect(() => registry.use(definePlugin({ name: 'broken', apiVersion: 1, register }))).toThrow(
    expect.objectContaining({ code: 'PLUMB_PLUGIN_FAILED', message: 'The plugin "broken" failed: reg.' }),
  )
  expect(registry.names('labeler')).not.toContain('half')
})
