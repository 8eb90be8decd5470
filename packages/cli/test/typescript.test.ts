import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FIXTURES, plumb, tinyProject } from './cli'

const LOSS = `import { definePlugin, type AlignmentLoss, type ScoredGroup } from '@plumbline/core'
import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
import { Kind } from './lib/kind.js'

class Mine implements AlignmentLoss {
  readonly manifest = { name: 'mine', feedback: 'either', needsReference: false, unit: 'question', constraint: 'none', constraints: ['none'], paper: '' } as const
  constructor(private readonly factor: number) {}
  loss({ scores, pairs }: ScoredGroup): tf.Scalar {
    return tf.relu(pairs.worse(scores).sub(pairs.better(scores)).add(this.factor * Kind.Strong)).sum()
  }
}
export default definePlugin({
  name: 'mine',
  apiVersion: 1,
  register: (registry) => registry.loss('mine', { options: z.strictObject({ factor: z.number() }), create: ({ factor }) => new Mine(factor) }),
})
`
const kind = (strong: number) => `export enum Kind { Weak = 1, Strong = ${strong} }\n`

const CONFIG = `import { defineConfig } from '@plumbline/core'
const steps: number = 2
export default defineConfig({
  model: 'model',
  backend: 'fake',
  plugins: [${JSON.stringify(join(FIXTURES, 'fake-backend.cjs'))}, './my-loss.ts'],
  run: 'run',
  data: { train: { path: 'train.jsonl', format: 'gsm8k' }, test: { path: 'test.jsonl', format: 'gsm8k' } },
  sft: { steps, batchSize: 4 },
  sample: { k: 4, maxNewTokens: 50 },
  align: { name: 'mine', loss: 'mine', factor: 0.5, steps, batchSize: 4 },
})
`

it('a configuration and a loss in TypeScript run without a build step, with nothing installed beside them; what changes is trained again', async () => {
  const cwd = tinyProject('')
  for (const [name, text] of Object.entries({ 'a.config.ts': CONFIG, 'my-loss.ts': LOSS })) writeFileSync(join(cwd, name), text)
  const folder = join(cwd, 'lib')
  mkdirSync(folder)
  writeFileSync(join(folder, 'kind.ts'), kind(2))
  const ran = await plumb(['align', '--quiet', '-c', 'a.config.ts'], { cwd })
  expect([ran.code, ran.stderr]).toEqual([0, ''])
  writeFileSync(join(folder, 'kind.ts'), kind(3))
  const why = await plumb(['why', 'align', '-c', 'a.config.ts'], { cwd })
  expect(why.stdout).toMatch(/align mine would be done again: the code of plugin mine changed/)
  writeFileSync(join(cwd, 'a.config.ts'), CONFIG.replace('const steps:', 'const steps'))
  const wrong = await plumb(['why', 'align', '-c', 'a.config.ts'], { cwd })
  expect([wrong.code, wrong.stderr]).toEqual([
    2,
    expect.stringMatching(
      /^PLUMB_CONFIG_SYNTAX {2}a\.config\.ts {2}The configuration cannot be loaded: ParseError: .*a\.config\.ts:2:\d+\.\n$/,
    ) as string,
  ])
})
