import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { plumb, TINY_CONFIG, tinyProject } from './cli'

/** The loss that lies beside the config, with its strength. */
const loss = (strength: number) => `import { createRequire } from 'node:module'
const require = createRequire(${JSON.stringify(__filename)})
const { z } = require('zod')
const tf = require('@tensorflow/tfjs-core')
import { strength } from './strength.mjs'
const manifest = { name: 'mine', feedback: 'either', needsReference: false, unit: 'question', constraint: 'none', constraints: ['none'], paper: '' }
export default {
  name: 'my-loss',
  apiVersion: 1,
  register: (registry) =>
    registry.loss('mine', { options: z.strictObject({}), create: () => ({ manifest, loss: ({ scores }) => tf.mul(tf.sum(scores), strength + ${strength}) }) }),
}
`

const config = (...variants: string[]) =>
  TINY_CONFIG.replace('plugins: [', 'plugins: [./my-loss.mjs, ')
    .replace(/align:[^]*evaluate/, `align:\n${variants.map((variant) => `  - { ${variant}, steps: 3, batchSize: 4 }\n`).join('')}evaluate`)
    .replace(', control: further-sft', '')

const ca = 'name: boundary, loss: ca'
const mine = 'name: mine, loss: mine'

function project(...variants: string[]): string {
  const cwd = tinyProject(config(...variants))
  writeFileSync(join(cwd, 'my-loss.mjs'), loss(0))
  writeFileSync(join(cwd, 'strength.mjs'), 'export const strength = 1\n')
  return cwd
}

const done = (stderr: string) => stderr.match(/^[\w ]+(?= +done in)/gm)?.map((name) => name.trim()) ?? []

it('does the stages of a further variant, and no other', async () => {
  const cwd = project(ca)
  await plumb(['run'], { cwd })
  writeFileSync(join(cwd, 'plumbline.config.yaml'), config(ca, 'name: preferences, loss: dpo', mine))
  const { code, stderr } = await plumb(['run'], { cwd })
  expect(code).toBe(0)
  expect(done(stderr)).toEqual(['align reference', 'align preferences', 'align mine', 'evaluate preferences', 'evaluate mine'])
})

it('trains an edited loss again, and one whose helper was edited, and says so', async () => {
  const cwd = project(ca, mine)
  await plumb(['run'], { cwd })
  for (const [file, text] of [
    ['my-loss.mjs', loss(5)],
    ['strength.mjs', 'export const strength = -3\n'],
  ] as const) {
    writeFileSync(join(cwd, file), text)
    const why = await plumb(['why', 'align'], { cwd })
    expect(why.code).toBe(0)
    expect(why.stdout).toMatch(/^align boundary would be reused: align-boundary-\w{8} is what this configuration makes\.$/m)
    expect(why.stdout).toMatch(
      /^align mine would be done again: the code of plugin my-loss changed\. \(align-mine-\w{8} stays as it is\.\)$/m,
    )
    const { stderr } = await plumb(['run'], { cwd })
    expect(stderr).toContain('align mine is done again: the code of plugin my-loss changed.')
    expect(done(stderr)[0]).toBe('align mine')
    expect(done(stderr)).not.toContain('sft')
  }
})

it('takes a plugin that is listed for the same as one that is installed', async () => {
  const cwd = project(ca)
  await plumb(['run'], { cwd })
  const linked = await plumb(['plugins', 'link', join(__dirname, 'fixtures', 'plumbline-plugin-margin')], { cwd })
  expect(linked.code).toBe(0)
  expect(done((await plumb(['run'], { cwd })).stderr)).toEqual([])
})

it('reuses what is done when a README comes into the model folder, or the run is asked for elsewhere', async () => {
  const cwd = project(ca)
  await plumb(['run'], { cwd })
  writeFileSync(join(cwd, 'model', 'README.md'), '# Model')
  expect(done((await plumb(['run', '--config', join(cwd, 'plumbline.config.yaml')], { cwd: join(cwd, 'model') })).stderr)).toEqual([])
  writeFileSync(join(cwd, 'model', 'config.json'), '{"changed":true}')
  const { stderr } = await plumb(['run'], { cwd })
  expect(stderr).toContain('sft is done again: the model it starts from changed.')
})

it('trains two variants in two processes at once', async () => {
  const cwd = project(ca, mine)
  const [a, b] = await Promise.all(['boundary', 'mine'].map((variant) => plumb(['align', '--variant', variant], { cwd })))
  expect([a?.code, b?.code]).toEqual([0, 0])
  const both = [...done(a?.stderr ?? ''), ...done(b?.stderr ?? '')]
  expect([...both].sort()).toEqual(['align boundary', 'align mine', 'label', 'sample', 'sft'])
  expect(done((await plumb(['align'], { cwd })).stderr)).toEqual([])
  expect(readdirSync(join(cwd, 'run'), { recursive: true, encoding: 'utf8' }).filter((name) => /\.lock|work/.test(name))).toEqual([])
})

it('writes no secret down', async () => {
  const cwd = project(ca)
  const labeler = `const { z } = require(${JSON.stringify(require.resolve('zod'))})
module.exports = { name: 'judge', apiVersion: 1, register: (registry) => registry.labeler('judge', {
  options: z.strictObject({ apiKey: z.string(), url: z.string().meta({ secret: true }) }),
  create: ({ apiKey }) => ({ name: 'judge', feedback: 'binary', label: async (_, candidates) => candidates.map((_, c) => ({ status: apiKey === 'sk-very-secret' && c % 2 === 0 ? 'right' : 'wrong' })) }),
}) }`
  writeFileSync(join(cwd, 'judge.cjs'), labeler)
  const written = config(ca).replace('plugins: [', 'plugins: [./judge.cjs, ')
  writeFileSync(
    join(cwd, 'plumbline.config.yaml'),
    `${written}label: { name: judge, apiKey: "\${env:JUDGE_KEY}", url: "https://user:hunter2@judge" }\n`,
  )
  expect(await plumb(['run'], { cwd })).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^PLUMB_CONFIG_ENV {2}plumbline\.config\.yaml:\d+ {2}label\.apiKey asks for the environment variable JUDGE_KEY/) as string, // prettier-ignore
  })
  const { code, stdout, stderr } = await plumb(['run'], { cwd, env: { JUDGE_KEY: 'sk-very-secret' } })
  expect([code, stderr]).toEqual([0, expect.stringMatching(/label +done in .* [1-9]\d* right/) as string])
  const texts = readdirSync(join(cwd, 'run'), { recursive: true, encoding: 'utf8', withFileTypes: false })
    .filter((name) => /\.(json|jsonl|md)$/.test(name))
    .map((name) => readFileSync(join(cwd, 'run', name), 'utf8'))
  const all = [...texts, stdout, stderr].join('\n')
  expect(all).not.toMatch(/sk-very-secret|hunter2/)
  expect(all).toContain('${env:JUDGE_KEY}')
  expect(all).toContain('"url": "(secret)"')
})

it('reports all that is wrong with a config together', async () => {
  const cwd = project(ca)
  const broken = `model: model
backend: fake
plugins: [${JSON.stringify(join(__dirname, 'fixtures', 'fake-backend.cjs'))}]
run: run
data:
  train: { path: train.jsonl, format: gsm9k }
  test: { path: test.jsonl, format: gsm8k, limt: 3 }
sft: { steps: 3, batchsize: 4 }
sample: { sampler: datset }
label: dataset
align:
  - { name: boundary, loss: ca, constrain: none, steps: 3 }
  - { name: other, loss: cb, steps: 3 }
`
  writeFileSync(join(cwd, 'plumbline.config.yaml'), broken)
  const { code, stderr } = await plumb(['run'], { cwd })
  expect(code).toBe(2)
  const lines = stderr.trimEnd().split('\n')
  expect(lines.map((line) => /^PLUMB_\w+ {2}\S+:(\d+)/.exec(line)?.[1]).sort()).toEqual(['12', '13', '6', '7', '8', '9'])
  expect(stderr).toContain('There is no sampler "datset". Did you mean "dataset"?')
})
