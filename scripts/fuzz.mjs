// Feeds seeded, mutated inputs to everything that reads what Plumbline did not write: data files of every format, safetensors,
// a model folder's files, configurations and --set, chat templates, texts to label, RFT's equations.
//
//   node scripts/fuzz.mjs                      1,000,000 inputs
//   node scripts/fuzz.mjs --short              20,000 at most, and no new ones after 40 s: for CI
//   node scripts/fuzz.mjs --only labels,data/qa --inputs 50000 --seed 7
//   node scripts/fuzz.mjs --seed 7 --index 1234 [--only …, as it was]     one input again, shown
//
//   --inputs N   how many     --seed N   printed     --only A,B   targets whose name holds one of these     --workers N
//   --seconds N  no new inputs after so long; the number that was tried is printed
//
// An input ends in a success or in a PlumbError. Anything else is a finding: another exception, more than 1 s of processor time,
// no end, the death of the process, more than 900 MiB, and memory that grows with the number of inputs. Each finding is made smaller
// and printed with its seed; the exit status is then 1. Every target must show each kind of its outcomes: a fuzzer that only ever
// sees one of them tests nothing. Inputs are tried in processes of their own (fuzz/worker.mjs), so that a hang or a crash is
// found and does not end the search.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clearInterval, setInterval } from 'node:timers'
import { parseArgs } from 'node:util'
import { randomOf } from './fuzz/random.mjs'
import { shown, smallest } from './fuzz/smaller.mjs'
import { isNarrow, TARGETS, targetOf } from './fuzz/targets.mjs'
import { Watched } from './fuzz/watched.mjs'

const { values: given } = parseArgs({
  options: {
    inputs: { type: 'string' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    only: { type: 'string' },
    index: { type: 'string' },
    workers: { type: 'string', default: '2' },
    seconds: { type: 'string' },
    short: { type: 'boolean', default: false },
  },
})
const seed = Number(given.seed)
const inputs = Number(given.inputs ?? (given.short ? 20_000 : 1_000_000))
const longest = Number(given.seconds ?? (given.short ? 40 : Infinity))
const only = given.only?.split(',')
const targets = [...TARGETS.values()].filter(({ name }) => !only || only.some((part) => name.includes(part)))
if (targets.length === 0 || ![seed, inputs].every(Number.isInteger)) {
  console.error(`Expected whole numbers, and targets among ${[...TARGETS.keys()].join(', ')}.`)
  process.exit(2)
}

const BLOCK = 250
/** Every so many blocks a worker's memory is measured. */
const MEASURED = 8
/** Wall time after which an input counts as one that does not end; one that does end is judged by its processor time. */
const HANG_MS = 3000
/** Unlike findings after which the search ends. */
const MOST_FINDINGS = 60
/** How much more memory a worker may hold in the end than after its first blocks. */
const GROWTH = 48 * 2 ** 20

const work = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'plumb-fuzz-'))
const started = performance.now()
const seconds = () => (performance.now() - started) / 1000

function inputOf(index) {
  const r = randomOf(seed, index)
  const target = targetOf(r, targets)
  return { target, ...target.make(r) }
}

if (given.index !== undefined) {
  const { target, body, tag, meta } = inputOf(Number(given.index))
  console.log(`${target.name} (${tag}), ${JSON.stringify(meta)}, ${body.length} bytes: ${shown(body)}`)
  const worker = new Watched(work, 'one')
  console.log(await worker.ask({ kind: 'probe', target: target.name, body: body.toString('base64'), meta, tag }, HANG_MS))
  worker.stop()
  rmSync(work, { recursive: true, force: true })
  process.exit(0)
}

const counts = new Map(targets.map(({ name }) => [name, {}]))
const slowest = new Map()
/** signature → the first input that showed it, and how many did. */
const found = new Map()
/** Inputs that are left out: their target and (the beginning of) their tag. */
const skip = []
const slowTags = new Map()
let next = 0
let tried = 0

function note({ index, target, tag, bad, ms }) {
  const key = `${target}  ${bad === 'slow' || bad === 'hang' ? `${bad}: ${tag}` : bad}`
  const known = found.get(key)
  if (known) known.times++
  else {
    found.set(key, { index, target, tag, bad, ms, times: 1 })
    console.error(`found: ${key}, --index ${index}`)
  }
  const takesLong = bad === 'slow' || bad === 'hang' || bad === 'memory' || bad.startsWith('death')
  if (!takesLong) return
  if (isNarrow(tag) || found.get(key).times >= 6) skip.push(`${target} ${tag}`)
  // what takes seconds each time would take the time of all others
  slowTags.set(target, (slowTags.get(target) ?? new Set()).add(tag))
  if (slowTags.get(target).size >= 8) skip.push(`${target} repeat`)
}

async function lane(number) {
  const worker = new Watched(work, `w${number}`)
  const memory = []
  for (let blocks = 0; next < inputs && found.size < MOST_FINDINGS && seconds() < longest; blocks++) {
    let from = next
    const to = Math.min(inputs, (next += BLOCK))
    while (from < to) {
      const answer = await worker.ask(
        { kind: 'block', from, to, seed, only, skip: [...new Set(skip)], measure: blocks % MEASURED === 0 },
        HANG_MS,
      )
      if (answer.hung || answer.died !== undefined) {
        const index = answer.index ?? from
        const { target, tag } = inputOf(index)
        note({ index, target: target.name, tag, bad: answer.hung ? 'hang' : `death of the process: ${answer.died}` })
        // the counts of what was tried before it in this block went with the process
        from = index + 1
        memory.length = 0
        continue
      }
      tried += to - from
      from = to
      if (answer.memory !== undefined) memory.push(answer.memory)
      for (const [name, outcomes] of Object.entries(answer.counts))
        for (const [outcome, n] of Object.entries(outcomes)) counts.get(name)[outcome] = (counts.get(name)[outcome] ?? 0) + n
      for (const [name, ms] of Object.entries(answer.slowest)) slowest.set(name, Math.max(slowest.get(name) ?? 0, ms))
      answer.findings.forEach(note)
    }
  }
  worker.stop()
  // the first blocks fill caches of compiled code
  const early = Math.max(...memory.slice(0, Math.ceil(memory.length / 4)))
  return memory.length < 4 ? undefined : { early, late: Math.min(...memory.slice(-2)) }
}

function asItWas({ index }) {
  const { body, meta } = inputOf(index)
  return { again: true, least: body, meta }
}

/** A finding again alone, then as small as it goes. */
async function explain({ index, target, tag, bad }) {
  const { body, meta } = inputOf(index)
  const worker = new Watched(work, 'small')
  const lasting = bad === 'slow' || bad === 'hang' || bad === 'memory' || bad.startsWith('death')
  const probe = async (bytes) => {
    const answer = await worker.ask({ kind: 'probe', target, body: bytes.toString('base64'), meta, tag }, lasting ? 4000 : HANG_MS)
    if (answer.hung || answer.died !== undefined) return lasting
    return lasting ? answer.bad === 'slow' || answer.bad === 'memory' : answer.bad === bad
  }
  const again = await probe(body)
  const least = again ? await smallest(body, probe, lasting ? 14 : 300) : body
  worker.stop()
  return { again, least, meta }
}

console.log(`${inputs} inputs for ${targets.length} targets; --seed ${seed}`)
const progress = setInterval(() => console.error(`${Math.round(seconds())} s: ${tried} tried, ${found.size} findings`), 15_000)
const growth = (await Promise.all(Array.from({ length: Number(given.workers) }, (_, number) => lane(number)))).filter(Boolean)
clearInterval(progress)

let failed = found.size > 0
console.log(`\n${tried} inputs in ${Math.round(seconds())} s, ${Math.round(tried / seconds())} a second`)
for (const { name, expects } of targets) {
  const outcomes = Object.entries(counts.get(name)).sort(([, a], [, b]) => b - a)
  console.log(
    `  ${name}: ${outcomes.map(([outcome, n]) => `${n} ${outcome}`).join(', ')}; at most ${Math.round(slowest.get(name) ?? 0)} ms`,
  )
  const unseen = expects.filter((pattern) => !outcomes.some(([outcome]) => pattern.test(outcome)))
  const total = outcomes.reduce((sum, [, n]) => sum + n, 0)
  if (unseen.length > 0 && total >= 100) {
    console.log(`    never: ${unseen.join(', ')}; the inputs of this target test nothing there`)
    failed = true
  }
}
for (const { early, late } of growth) {
  const megabytes = (bytes) => Math.round(bytes / 2 ** 20)
  console.log(`  memory of a worker: ${megabytes(early)} MiB in the first quarter, ${megabytes(late)} in the end`)
  if (late - early > GROWTH) {
    console.log('    it grows with the number of inputs')
    failed = true
  }
}
let number = 0
const EXPLAINED = 12 // of those that take seconds at every try
let long = 0
for (const [key, finding] of found) {
  const unexplained = /hang|slow|memory|death/.test(finding.bad) && ++long > EXPLAINED
  const { again, least, meta } = unexplained ? asItWas(finding) : await explain(finding)
  console.log(`\n${++number}. ${key}${finding.ms > 500 ? `, ${Math.round(finding.ms)} ms` : ''}, ${finding.times} times`)
  console.log(
    `   ${unexplained ? 'as it was found' : again ? 'smallest' : 'NOT AGAIN ALONE; the input'}: ${shown(least)}${Object.keys(meta).length > 0 ? `, ${JSON.stringify(meta).slice(0, 200)}` : ''}`,
  )
  console.log(`   node scripts/fuzz.mjs --seed ${seed} --index ${finding.index}${only ? ` --only ${given.only}` : ''}`)
}
rmSync(work, { recursive: true, force: true })
process.exit(failed ? 1 : 0)
