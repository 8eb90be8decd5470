import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { standIn } from './backend.mjs'
import { writeQuestions } from './data.mjs'

const { folder, questions, size: sizes, k, steps, given, core } = JSON.parse(process.argv[2])
const require = createRequire(import.meta.url)
const { createRegistry, definePlugin, runConfig } = require(core)
const { z } = createRequire(require.resolve(core))('zod')
const tf = createRequire(require.resolve(core))('@tensorflow/tfjs-core')

/** The most memory since the last call, in MiB: the kernel's own mark where it can be set back, else what there is now. */
function peak() {
  let most = process.memoryUsage.rss()
  try {
    most = 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
    writeFileSync('/proc/self/clear_refs', '5')
  } catch {
    // no Linux
  }
  return Math.round(most / 2 ** 20)
}

const bytesBelow = (path) =>
  statSync(path).isFile() ? statSync(path).size : readdirSync(path).reduce((sum, name) => sum + bytesBelow(join(path, name)), 0)

const manifest = { name: 'margin', feedback: 'either', unit: 'question', constraint: 'none', constraints: ['none'], paper: '' }
const nothing = z.strictObject({})
const plugin = definePlugin({
  name: 'scale',
  apiVersion: 1,
  version: '1.0.0',
  register: (registry) => {
    registry.backend('stand-in', { options: nothing, create: () => standIn })
    for (const needsReference of [true, false]) {
      const name = needsReference ? 'stay' : 'margin'
      const loss = ({ scores, pairs }) => tf.mean(pairs.worse(scores).sub(pairs.better(scores)))
      registry.loss(name, { options: nothing, create: () => ({ manifest: { ...manifest, name, needsReference }, loss }) })
    }
  },
})

const data = {}
for (const name of ['train', 'test']) {
  data[name] = { path: join(folder, `${name}.jsonl`), format: 'groups' }
  await writeQuestions(data[name].path, questions[name], name, given, sizes)
}
mkdirSync(join(folder, 'tokenizer'), { recursive: true })
writeFileSync(join(folder, 'tokenizer', 'tokenizer.json'), '{}')
const size = (name) => `${questions[name]} questions (${(bytesBelow(data[name].path) / 2 ** 20).toFixed(0)} MiB)`
console.log(`data.train: ${size('train')}, data.test: ${size('test')}; node ${process.execArgv.join(' ')}`)
console.log(['stage', 'seconds', 'peak RSS MiB', 'artifacts MiB'].join('\t'))

const training = { steps, batchSize: 16, checkpointEvery: 1e6 }
const align = [{ name: 'all', ...training, losses: ['sft', 'margin', 'stay'].map((loss) => ({ loss })) }]
let since = performance.now()
const lap = (stage, disk = 0) => {
  const now = performance.now()
  console.log([stage, ((now - since) / 1000).toFixed(1), peak(), (disk / 2 ** 20).toFixed(0)].join('\t'))
  since = now
}
peak()
const report = await runConfig({
  config: {
    model: { architecture: { model_type: 'none' }, tokenizer: join(folder, 'tokenizer') },
    run: join(folder, 'run'),
    backend: 'stand-in',
    data,
    ...(given ? { label: { name: 'dataset' } } : {}),
    sft: training,
    sample: given ? { sampler: 'dataset' } : { k, maxNewTokens: 16 },
    align,
    evaluate: { maxNewTokens: 16 },
  },
  registry: createRegistry([plugin]),
  onEvent: (event) => {
    if (event.type === 'run-start') lap('data')
    if (event.type === 'stage-end') lap([event.stage, event.variant].filter(Boolean).join(' '), bytesBelow(event.path))
  },
})
lap('report')
console.log(report.rows.map(({ name, questions: n, accuracy }) => `${name}: ${n} questions, accuracy ${accuracy}`).join('\n'))
