// What each technique brings to an align step, by the engine itself: from the form that trainers have, one technique more a row, then
// all of them but one.
//
//   node bench/stack.mjs [--workload bench/work/gsm] [--loss aft-bc] [--steps 4]
//
// Techniques without an option are undone at the seam, by what crosses it:
//   logits of completions only   undone: the prompt but its first token is scored as part of the completion
//   no padding                   undone: completions lengthened to their question's longest
//   prompt once                  undone: each candidate is a group of its own
//   zero gradients skipped       undone: 1e-12 in place of a candidate's zero
// Every row is one engine; all engines take a step before any takes the next, so that a busy minute falls on every row.
// Writes bench/results/stack-<preset>.json and .md.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { adamW, createObjective, lossesOf, open } from './lib/engine.mjs'
import { neededFlops, tokenCounts } from './lib/flops.mjs'
import { GEMM_SHAPE, gemmRate } from './lib/gemm.mjs'
import { machine, median, timed, writeJson } from './lib/measure.mjs'
import { root } from './lib/peer.mjs'
import { labelled, loadWorkload, stepGroups } from './lib/workload.mjs'

const { values: args } = parseArgs({
  options: {
    workload: { type: 'string', default: join(root, 'bench', 'work', 'gsm') },
    loss: { type: 'string', multiple: true, default: ['aft-bc', 'aft-dc'] },
    steps: { type: 'string', default: '4' },
  },
})
const workload = loadWorkload(args.workload)
const { work } = workload
const architecture = JSON.parse(readFileSync(join(workload.model, 'config.json'), 'utf8'))
const steps = Array.from({ length: Number(args.steps) }, (_, step) => stepGroups(workload, step))
const largestQuestion = Math.max(...workload.groups.map((group) => tokenCounts([group]).needed))

const TECHNIQUES = [
  'logits of completions only',
  'no padding',
  'prompt once',
  'several questions a micro-batch',
  'activations kept',
  'zero gradients skipped',
]

const without = (technique) => TECHNIQUES.filter((name) => name !== technique)
const ROWS = [
  { name: 'none of these', has: [] },
  ...TECHNIQUES.map((technique, i) => ({ name: `+ ${technique}`, has: TECHNIQUES.slice(0, i + 1) })),
  ...TECHNIQUES.slice(2, -1).map((technique) => ({ name: `all but: ${technique}`, has: without(technique) })),
]

/** What crosses the seam: token groups, and for each its cotangents. */
function crossing(groups, cotangents, has) {
  const padded = groups.map(({ id, prompt, completions }) => ({
    id,
    prompt,
    completions: has('no padding') ? completions : pad(completions),
  }))
  const values = has('zero gradients skipped') ? cotangents : cotangents.map((group) => group.map((value) => (value === 0 ? 1e-12 : value)))
  if (has('prompt once')) return { groups: padded, cotangents: values }
  const places = padded.flatMap(({ completions }, g) => completions.map((_, c) => [g, c]))
  return {
    groups: places.map(([g, c]) => {
      const { id, prompt, completions } = padded[g]
      const from = has('logits of completions only') ? prompt.length : 1
      return { id: `${id}/${c}`, prompt: prompt.slice(0, from), completions: [[...prompt.slice(from), ...completions[c]]] }
    }),
    cotangents: places.map(([g, c]) => [values[g][c]]),
  }
}

function pad(completions) {
  const longest = Math.max(...completions.map(({ length }) => length))
  return completions.map((tokens) => [...tokens, ...Array(longest - tokens.length).fill(work.pad_token_id)])
}

const linear = (cotangents) => (batch) => ({ loss: 0, cotangents: batch.map(({ index }) => cotangents[index]) })

/** Losses couple a question's candidates, which some rows tear apart: the cotangents come from a pass that is not timed. */
async function cotangentsOf(policy, losses, groups) {
  const scored = await policy.logProbs(groups.map(({ id, prompt, completions }) => ({ id, prompt, completions })))
  return createObjective({ losses, groups: groups.map(labelled) })(scored.map((tokenLogProbs, index) => ({ index, tokenLogProbs })))
    .cotangents
}

async function openRow({ name, has }) {
  const applies = (technique) => has.includes(technique)
  const policy = await open(
    { kind: 'folder', path: workload.model },
    {
      activationMemory: applies('activations kept') ? 'keep' : 'recompute',
      // A question's size is counted with its prompt once; torn apart, as many of its candidates as that holds go together.
      microBatchTokens: applies('several questions a micro-batch') ? undefined : largestQuestion,
    },
  )
  return { name, applies, policy, seconds: [], computed: 0 }
}

async function takeStep(row, groups, losses) {
  const { policy } = row
  const found = await cotangentsOf(policy, losses, groups)
  const seam = crossing(groups, found, row.applies)
  const { value, seconds } = await timed(async () => {
    const report = await policy.forwardBackward(seam.groups, linear(seam.cotangents))
    await policy.optimStep(adamW(work.optimizer))
    return report
  })
  return { seconds, computed: value.computedTokens }
}

async function measureRows(loss) {
  const losses = lossesOf(loss, work)
  const rows = []
  for (const row of ROWS) rows.push(await openRow(row))
  for (const [step, groups] of steps.entries()) {
    for (const row of rows) {
      const { seconds, computed } = await takeStep(row, groups, losses)
      console.error(`${loss}, step ${step}, ${row.name}: ${seconds.toFixed(3)} s`)
      if (step === 0) continue
      row.seconds.push(seconds)
      row.computed += computed
    }
  }
  for (const { policy } of rows) await policy.dispose()
  return rows.map(({ name, seconds, computed }) => ({ name, seconds: median(seconds), computed }))
}

const output = join(root, 'bench', 'results')
mkdirSync(output, { recursive: true })
const gemm = gemmRate(process.execPath, 'gemm.mjs', join(root, 'bench', 'work', 'gemm-stack.json'))
const gflop = median(steps.slice(1).map((groups) => neededFlops(architecture, groups))) / 1e9
const results = {}
for (const loss of args.loss) results[loss] = await measureRows(loss)

const lines = [
  `Align step on \`${work.preset}\`, ${machine().cpu}, ${machine().cores} cores, median of ${steps.length - 1}. \`node bench/stack.mjs\` wrote this.`,
  '',
  `A step needs ${gflop.toFixed(0)} GFLOP: every prompt once, no padding, logits at completions, all candidates forward and backward. The runtime's own matrix products`,
  `(${GEMM_SHAPE.join(' × ')}, float32) reached ${gemm.toFixed(0)} GF/s in this run. What is skipped for a zero gradient still counts as needed: hence more than 100 %.`,
]
for (const [loss, rows] of Object.entries(results)) {
  const full = rows[TECHNIQUES.length].seconds
  lines.push('', `| ${loss} | s/step | × the row above | GF/s on what is needed | of the matrix products' rate | tokens computed |`)
  lines.push('|---|---|---|---|---|---|')
  for (const [i, { name, seconds, computed }] of rows.entries()) {
    const rate = gflop / seconds
    const ratio =
      i === 0 ? '–' : i <= TECHNIQUES.length ? (rows[i - 1].seconds / seconds).toFixed(2) : `${(full / seconds).toFixed(2)} of all`
    lines.push(`| ${[name, seconds.toFixed(3), ratio, rate.toFixed(0), `${Math.round((100 * rate) / gemm)} %`, computed].join(' | ')} |`)
  }
}
writeJson(join(output, `stack-${work.preset}.json`), { machine: machine(), gflop, gemm: { shape: GEMM_SHAPE, gflops: gemm }, results })
writeFileSync(join(output, `stack-${work.preset}.md`), lines.join('\n') + '\n')
console.log(lines.join('\n'))
