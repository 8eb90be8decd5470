// Our side of bench/gpu.mjs, in a process of its own: computes the cases of one plan entry with one of our engines and prints a line of JSON for each.
//
//   node bench/gpu/ours.mjs ENTRY.json        { side, shape, device, dtypes, model, groups, python, steps… }; see cases.mjs
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { keyOf, LORA, LOSS, NEW_TOKENS, OPTIMIZER } from './cases.mjs'

const require = createRequire(import.meta.url)
const core = require('../../packages/core')
const { ConstrainedAlignment } = require('../../packages/plugin-ca-loss')

const entry = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const losses = [
  { name: 'sft', weight: LOSS.sftWeight, loss: new core.ReferenceLikelihood() },
  { name: 'ca', weight: 1, loss: new ConstrainedAlignment({ constraint: 'boundary', beta: LOSS.beta, feedback: 'binary' }) },
]
const adamW = { learningRate: OPTIMIZER.lr, betas: OPTIMIZER.betas, epsilon: OPTIMIZER.eps, weightDecay: OPTIMIZER.weight_decay }

/** An engine is loaded only where it is measured: the other may not be installed. */
function backendOf(dtype) {
  if (entry.side.startsWith('torch')) {
    const { TorchBackend } = require('../../packages/backend-torch')
    return new TorchBackend({ python: entry.python, device: entry.device, dtype, threads: entry.threads, ...entry.options })
  }
  const { OnnxBackend } = require('../../packages/backend-onnx')
  return new OnnxBackend({ device: entry.device, threads: entry.threads })
}

const labelled = ({ id, completions, positive }) => ({
  id,
  k: completions.length,
  lengths: completions.map((tokens) => tokens.length),
  positive,
  rewards: positive.map(Number),
  reference: completions.map((_, c) => c === 0),
})

async function timed(work) {
  const start = performance.now()
  const value = await work()
  return { value, seconds: (performance.now() - start) / 1000 }
}

async function stepCase(policy, groups) {
  const objective = core.createObjective({ losses, groups: groups.map(labelled) })
  const report = await policy.forwardBackward(groups, objective)
  const { gradNorm } = await policy.optimStep(adamW)
  return { loss: report.loss, gradNorm, tokens: report.computedTokens }
}

async function sampleCase(policy, groups, { k, prompts }, repeat) {
  const asked = groups.map(({ id, prompt }) => ({ id, prompt, candidates: Array.from({ length: k }, (_, c) => c) }))
  let tokens = 0
  const maxNewTokens = prompts === 'tiny' ? NEW_TOKENS.tiny : NEW_TOKENS.full
  for await (const generation of policy.generate(asked, { seed: repeat, temperature: 1, maxNewTokens })) tokens += generation.tokens.length
  return { tokens }
}

for (const [dtype, cases] of entry.dtypes) {
  const backend = backendOf(dtype)
  for (const mode of ['full', 'lora', 'sample']) {
    const own = cases.filter((each) => each.mode === mode)
    if (own.length === 0) continue
    const policy = await backend.open({ kind: 'folder', path: entry.model })
    try {
      if (mode !== 'sample')
        await policy.prepareTraining?.(mode === 'lora' ? { lora: { ...LORA, targetModules: 'all-linear', seed: 0 } } : {})
      for (const each of own) {
        const groups = entry.groups[`${each.questions} ${each.prompts}`]
        await policy.peakBytes?.()
        const runs = []
        for (let n = 0; n < each.warmup + each.timed; n++) {
          const { value, seconds } = await timed(() =>
            each.kind === 'step' ? stepCase(policy, groups) : sampleCase(policy, groups, each, n),
          )
          runs.push({ ...value, seconds, warmup: n < each.warmup })
          if (n >= each.warmup && seconds > entry.longStep) break
        }
        say({ key: keyOf(each), dtype, runs, peakBytes: await policy.peakBytes?.(), engine: policy.info.engine })
      }
    } catch (error) {
      say({ failed: mode, dtype, keys: own.map(keyOf), error: String(error.message ?? error).split('\n')[0] })
    } finally {
      await policy.dispose().catch(() => undefined)
    }
  }
}
// The engine keeps its process for a minute.
process.exit(0)
