// Ours beside what a user would pick instead: same workload files, same weights, same hyper-parameters, equal losses, alternating runs.
//
//   npm run bench                       everything, about half an hour on two idle cores
//   npm run bench -- --tiny             a model of 0.16M parameters: checks the harness and that losses agree, in two minutes
//   npm run bench -- --only gsm-aft     jobs whose name matches
//   npm run bench -- --threads 1        one thread a side: on a machine that others use, processor times then compare where clocks do not
//   npm run bench -- --resume           takes the raw runs that are in bench/work already
//
// Writes bench/results/<job>.json, and of the jobs that share a model bench/results/table….md.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { SUITES, TINY_SUITE } from './jobs.mjs'
import { measure } from './lib/children.mjs'
import {
  alignFigures,
  largestLossDifference,
  largestNormDifference,
  LOSS_TOLERANCE,
  sampleFigures,
  timesAsFast,
  undisturbed,
} from './lib/compare.mjs'
import { tokenCounts, neededFlops } from './lib/flops.mjs'
import { gemmRate } from './lib/gemm.mjs'
import { machine, median, writeJson } from './lib/measure.mjs'
import { findPeer, peerEnvironment, peerScript, root } from './lib/peer.mjs'
import { table } from './lib/table.mjs'
import { prepareWorkload } from './lib/prepare.mjs'
import { loadWorkload, stepGroups } from './lib/workload.mjs'

const { values: args } = parseArgs({
  options: {
    tiny: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string', default: '2' },
    steps: { type: 'string', default: '5' },
    warmup: { type: 'string', default: '1' },
    repeats: { type: 'string', default: '1' },
    threads: { type: 'string' },
    resume: { type: 'boolean', default: false },
    note: { type: 'string' },
    'keep-going': { type: 'boolean', default: false },
    'table-only': { type: 'boolean', default: false },
  },
})

const results = join(root, 'bench', 'results')
const workFolder = join(root, 'bench', 'work')
mkdirSync(results, { recursive: true })
mkdirSync(workFolder, { recursive: true })

const peer = findPeer()
if (peer.missing.length > 0) {
  console.error(`The benchmark compares; without its peer it is skipped.\n\n${peer.missing.join('\n\n')}`)
  process.exit(2)
}

const [rounds, steps, warmup, repeats] = [args.rounds, args.steps, args.warmup, args.repeats].map(Number)
const isWanted = ({ name }) => !args.only || new RegExp(args.only).test(name)
const raw = (name) => join(workFolder, `${name}.json`)
const threads = args.threads === undefined ? [] : ['--threads', args.threads]

/** Measures, or takes what an earlier run has left. */
function measured(command, own, out, env) {
  if (args.resume && existsSync(out)) return JSON.parse(readFileSync(out, 'utf8'))
  return measure(command, [...own, ...threads], out, env)
}

function runOurs(job, folder, round) {
  const [script, own] =
    job.kind === 'align'
      ? ['ours-align.mjs', ['--loss', job.loss, ...(job.lora ? ['--lora'] : []), '--steps', `${steps}`]]
      : ['ours-sample.mjs', [...job.args, ...(job.prepacked ? ['--prepacked'] : []), '--repeats', `${repeats}`]]
  const out = raw(`${job.name}-ours-${round}`)
  return measured(process.execPath, [join(root, 'bench', script), '--workload', folder, ...own], out)
}

function runPeer(job, rival, folder, round) {
  const own = job.kind === 'align' ? ['--steps', `${steps}`, '--warmup', `${warmup}`] : [...job.args, '--repeats', `${repeats}`]
  const out = raw(`${job.name}-${rival.name.replace(/\W+/g, '-')}-${round}`)
  return measured(peer.python, [peerScript(rival.script), '--workload', folder, ...rival.args, ...own], out, peerEnvironment())
}

/** Runs one job and returns its figures. */
function runJob(job) {
  const folder = prepareWorkload(job.preset, workFolder, peer)
  const runs = { ours: [], peers: job.peers.map(() => []) }
  for (let round = 0; round < rounds; round++) {
    console.error(`\n${job.name}, round ${round + 1} of ${rounds}`)
    runs.ours.push(runOurs(job, folder, round))
    job.peers.forEach((rival, i) => runs.peers[i].push(runPeer(job, rival, folder, round)))
  }
  return job.kind === 'align' ? alignResult(job, folder, runs) : sampleResult(job, runs)
}

function alignResult(job, folder, runs) {
  const ours = alignFigures(runs.ours, warmup)
  const peers = job.peers.map((rival, i) => {
    const figures = alignFigures(runs.peers[i], warmup)
    const lossDifference = largestLossDifference(runs.ours[0], runs.peers[i][0])
    if (lossDifference > LOSS_TOLERANCE)
      throw new Error(`${job.name}: losses differ by ${lossDifference} (relative) from ${rival.name}; nothing to compare`)
    const paired = undisturbed(runs.ours, runs.peers[i], warmup)
    const normDifference = largestNormDifference(runs.ours[0], runs.peers[i][0])
    const ratio = timesAsFast(paired, args.threads)
    return { name: rival.name, target: rival.target, ...figures, paired, ratio, lossDifference, normDifference }
  })
  const timedSteps = runs.ours[0].steps.filter(({ step }) => step >= warmup)
  const workload = loadWorkload(folder)
  const architecture = JSON.parse(readFileSync(join(workload.model, 'config.json'), 'utf8'))
  const used = ({ prompt, completions, rewards, reference }) => ({
    prompt,
    completions: candidatesUsed(job.loss, completions, rewards, reference),
  })
  const groups = timedSteps.map(({ step }) => stepGroups(workload, step).map(used))
  const total = (pick) => timedSteps.reduce((sum, step) => sum + pick(step), 0)
  return {
    job,
    ours,
    peers,
    tokens: {
      computed: total(({ computedTokens }) => computedTokens),
      needed: total(({ neededTokens }) => neededTokens),
      padded: tokenCounts(groups.flat()).padded,
    },
    gflop: median(groups.map((step) => neededFlops(architecture, step, job.lora ? workload.work.lora.rank : undefined))) / 1e9,
    machine: machine(),
    threads: args.threads,
    note: args.note,
  }
}

function candidatesUsed(loss, completions, rewards, reference) {
  if (loss === 'sft') return [completions[reference]]
  if (loss !== 'dpo') return completions
  return [Math.max(...rewards), Math.min(...rewards)].map((reward) => completions[rewards.indexOf(reward)])
}

function sampleResult(job, runs) {
  const ours = sampleFigures(runs.ours)
  const peers = job.peers.map((rival, i) => {
    const figures = sampleFigures(runs.peers[i])
    return { name: rival.name, target: rival.target, ...figures, ratio: ours.tokensPerSecond / figures.tokensPerSecond }
  })
  return { job, ours, peers, machine: machine(), threads: args.threads, note: args.note }
}

/** The rate of large matrix products, PyTorch's and our engine's, in this same run. */
function matrixProducts({ suffix, gemm: shape }) {
  const torch = gemmRate(peer.python, 'gemm.py', raw(`gemm${suffix}-torch`), peerEnvironment(), shape)
  const ours = gemmRate(process.execPath, 'gemm.mjs', raw(`gemm${suffix}-ours`), process.env, shape)
  return { shape, torch, ours }
}

/** Runs those jobs of a suite that are asked for, and writes its table from all that have results. */
function runSuite(suite) {
  const gemmPath = join(results, `gemm${suite.suffix}.json`)
  if (!args['table-only']) {
    if (!args.resume) writeJson(gemmPath, matrixProducts(suite))
    for (const job of suite.jobs.filter(isWanted)) {
      try {
        writeJson(join(results, `${job.name}.json`), runJob(job))
      } catch (error) {
        if (!args['keep-going']) throw error
        failures.push(`${job.name}: ${error.message}`)
      }
    }
  }
  const read = (path) => JSON.parse(readFileSync(path, 'utf8'))
  // Held against the targets of today.
  const written = suite.jobs
    .map((job) => ({ job, path: join(results, `${job.name}.json`) }))
    .filter(({ path }) => existsSync(path))
    .map(({ job, path }) => ({ ...read(path), job }))
  if (written.length === 0) return
  const measured = {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    versions: peer.versions,
    gemm: existsSync(gemmPath) ? read(gemmPath) : undefined,
  }
  const text = table(written, measured)
  const path = join(results, `table${suite.suffix}.md`)
  writeFileSync(path, text)
  console.log(text)
  console.error(`Written to ${path}`)
}

const failures = []
for (const suite of args.tiny ? [TINY_SUITE] : SUITES) if (suite.jobs.some(isWanted)) runSuite(suite)
for (const failure of failures) console.error(failure)
process.exit(failures.length > 0 ? 1 : 0)
