import path from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { createRegistry, definePlugin, loadConfig, parseConfig, printedConfig, renderConfig, type AlignmentLoss } from '../../src'
import { folderWith } from '../support/files'

const plugin = definePlugin({
  name: 'own',
  apiVersion: 1,
  register: (registry) =>
    registry.loss('own', {
      options: z.strictObject({ strength: z.number().default(3), secret: z.string().optional() }),
      create: () => ({}) as AlignmentLoss,
    }),
})

const TEXT = `model: m
data:
  train: { path: a.jsonl, format: gsm8k }
  test: "\${env:HELD_OUT}/b.jsonl"
sft: { steps: 1 }
align:
  loss: own
  steps: 2
`

async function printed(overrides: readonly string[] = []) {
  const folder = folderWith({ 'plumbline.config.yaml': TEXT })
  process.env.HELD_OUT = path.join(folder, 'hidden')
  const loaded = await loadConfig({ cwd: folder, overrides })
  return printedConfig(loaded, createRegistry([plugin]))
}

it('says of every key where it comes from', async () => {
  const { entries } = await printed(['seed=7', 'align.learningRate=0.1'])
  const origins = Object.fromEntries(entries.map(({ path: keys, value, origin }) => [keys.join('.'), [value, origin]]))
  expect(origins).toMatchObject({
    model: ['m', 'plumbline.config.yaml:1'],
    seed: [7, '--set seed=7'],
    run: ['runs/default', 'default'],
    'data.train.format': ['gsm8k', 'plumbline.config.yaml:3'],
    'data.train.stripAnnotations': [false, 'default'],
    'data.test.path': ['${env:HELD_OUT}/b.jsonl', 'env HELD_OUT, plumbline.config.yaml:4'],
    'sft.steps': [1, 'plumbline.config.yaml:5'],
    'sft.betas': [[0.9, 0.999], 'default'],
    'align.0.steps': [2, 'plumbline.config.yaml:8'],
    'align.0.learningRate': [0.1, '--set align.learningRate=0.1'],
    'align.0.losses.1.loss': ['own', 'plumbline.config.yaml:7'],
    'align.0.losses.1.strength': [3, 'default'],
    'sample.k': [6, 'default'],
  })
})

it('prints a configuration that is the same one, with nothing of the environment', async () => {
  const whole = await printed()
  for (const origins of [false, true]) {
    const text = renderConfig(whole, { origins })
    expect(parse(text)).toEqual(whole.config)
    expect(text).not.toContain('hidden')
    expect(text.includes('k: 6 # default')).toBe(origins)
    expect(text).toContain('betas: [ 0.9, 0.999 ]')
    const again = parseConfig(parse(text), { folder: '/' })
    const first = parseConfig(parse(TEXT), { folder: '/' })
    expect(again.config.sft).toEqual(first.config.sft)
  }
})
