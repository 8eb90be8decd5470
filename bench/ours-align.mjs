// One alignment step after another on a workload of the peer, with our engine, in a process of its own.
//
//   node bench/ours-align.mjs --workload bench/work/gsm --loss aft-bc --steps 6 --out result.json
//   node bench/ours-align.mjs --workload bench/work/135m --lora …      trains the workload's adapter, and nothing else
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { adamW, createObjective, lossesOf, neededCandidates, open } from './lib/engine.mjs'
import { tokenCounts } from './lib/flops.mjs'
import { peakRssMiB, timed, writeJson } from './lib/measure.mjs'
import { labelled, loadWorkload, stepGroups } from './lib/workload.mjs'

const { values: args } = parseArgs({
  options: {
    workload: { type: 'string' },
    loss: { type: 'string', default: 'aft-bc' },
    steps: { type: 'string', default: '6' },
    lora: { type: 'boolean', default: false },
    out: { type: 'string' },
    device: { type: 'string' },
    threads: { type: 'string' },
    'micro-batch-tokens': { type: 'string' },
    'activation-memory': { type: 'string' },
  },
})

const workload = loadWorkload(args.workload)
const { work } = workload
const losses = lossesOf(args.loss, work)
const number = (text) => (text === undefined ? undefined : Number(text))
const base = { kind: 'folder', path: workload.model }
const policy = await open(args.lora ? { kind: 'adapter', base, path: join(args.workload, work.adapter) } : base, {
  device: args.device,
  threads: number(args.threads),
  microBatchTokens: number(args['micro-batch-tokens']),
  activationMemory: args['activation-memory'],
})
if (args.lora) await policy.prepareTraining({ lora: { ...work.lora, targetModules: 'all-linear', seed: 0 } })

/** Reference log-probs of the weights the run starts from, computed before the first step as the trainer does. */
async function referenceLogProbs(groups) {
  const scored = await policy.logProbs(groups.map(tokenGroup))
  return new Map(groups.map(({ id }, g) => [id, scored[g].map((tokens) => (tokens ? tokens.reduce((sum, l) => sum + l, 0) : 0))]))
}

function tokenGroup(group) {
  const needed = neededCandidates(
    losses.map(({ loss }) => loss),
    labelled(group),
  )
  return { id: group.id, prompt: group.prompt, completions: group.completions, needed }
}

const steps = []
const count = Number(args.steps)
const needsReference = losses.some(({ loss }) => loss.manifest.needsReference)
const used = Array.from({ length: count }, (_, step) => stepGroups(workload, step)).flat()
const reference = needsReference ? await timed(() => referenceLogProbs([...new Set(used)])) : undefined
for (let step = 0; step < count; step++) {
  const groups = stepGroups(workload, step)
  const tokenGroups = groups.map(tokenGroup)
  const { value, ...time } = await timed(async () => {
    const objective = createObjective({
      losses,
      groups: groups.map((group) => ({ ...labelled(group), referenceLogProbs: reference?.value.get(group.id) })),
    })
    const report = await policy.forwardBackward(tokenGroups, objective)
    return { ...report, ...(await policy.optimStep(adamW(work.optimizer))) }
  })
  const kept = tokenGroups.map(({ prompt, completions, needed }) => ({ prompt, completions: completions.filter((_, c) => needed[c]) }))
  const { completion, needed } = tokenCounts(kept)
  steps.push({
    step,
    ...time,
    loss: value.loss,
    gradNorm: value.gradNorm,
    completionTokens: completion,
    neededTokens: needed,
    computedTokens: value.computedTokens,
    microBatches: value.microBatches,
  })
  console.error(`step ${step} loss ${value.loss.toFixed(6)} |g| ${value.gradNorm.toFixed(5)} ${time.seconds.toFixed(3)} s`)
}
const { engine } = policy.info
await policy.dispose()
writeJson(args.out, {
  tool: 'plumbline',
  engine,
  preset: work.preset,
  loss: args.loss,
  lora: args.lora,
  referenceSeconds: reference?.seconds,
  peakRssMiB: peakRssMiB(),
  steps,
})
