// A process that tries inputs, block by block; fuzz.mjs watches it. What it is trying stands in a file, so that nothing can hide it.
import { openSync, writeSync } from 'node:fs'
import { isPlumbError } from './plumb-error.mjs'
import { randomOf } from './random.mjs'
import { isNarrow, TARGETS, targetOf } from './targets.mjs'

const [folder, slotFile] = process.argv.slice(2)
process.chdir(folder)
const slot = openSync(slotFile, 'w')
const note = Buffer.alloc(16)
const begin = (index) => {
  note.writeDoubleLE(index, 0)
  note.writeDoubleLE(index < 0 ? 0 : Date.now(), 8)
  writeSync(slot, note, 0, 16, 0)
}

/** Seconds of processor time that one input may take: other work on the machine does not count. */
const MOST_MS = 1000
/** Bytes that one input may leave in memory at its end, rubbish included. */
const MOST_BYTES = 900 * 2 ** 20

/** The outcome in a word, and how long it took; `bad` where it is none that is allowed. */
async function attempt(target, input) {
  const before = process.cpuUsage()
  let outcome
  let bad
  try {
    outcome = await target.run(input, folder)
  } catch (error) {
    if (isPlumbError(error)) outcome = error.code
    else {
      outcome = 'a bug'
      bad = signatureOf(error)
    }
  }
  const used = process.cpuUsage(before)
  const ms = (used.user + used.system) / 1000
  if (outcome === 'PLUMB_BUG') bad = 'PLUMB_BUG'
  if (ms > MOST_MS) bad ??= 'slow'
  else if (ms > 20 && process.memoryUsage.rss() > MOST_BYTES) bad ??= 'memory'
  return { outcome, ms, bad }
}

function signatureOf(error) {
  if (!(error instanceof Error)) return `not an Error was thrown: ${String(error).slice(0, 80)}`
  const frame = error.stack?.split('\n').find((line) => /packages\/[\w-]+\/dist/.test(line)) ?? ''
  const where = /packages\/([\w-]+\/dist\/[^:]+):\d+/.exec(frame)?.[1]?.replace('/dist/', '/') ?? 'elsewhere'
  const message = error.message
    .replace(/"[^"]*"|'[^']*'|`[^`]*`/g, '"…"')
    .replace(/\d+/g, 'n')
    .slice(0, 100)
  return `${error.name}: ${message} (${where})`
}

async function block({ from, to, seed, only, skip, measure }) {
  const targets = [...TARGETS.values()].filter(({ name }) => !only || only.some((part) => name.includes(part)))
  const counts = {}
  const findings = []
  const slowest = {}
  for (let index = from; index < to; index++) {
    const r = randomOf(seed, index)
    const target = targetOf(r, targets)
    const input = target.make(r)
    // what is known to take long is not tried a thousand times more
    if (skip.some((start) => `${target.name} ${input.tag}`.startsWith(start))) continue
    begin(index)
    const { outcome, ms, bad } = await attempt(target, input)
    counts[target.name] ??= {}
    counts[target.name][outcome] = (counts[target.name][outcome] ?? 0) + 1
    if (ms > (slowest[target.name] ?? 0)) slowest[target.name] = ms
    if (bad !== undefined) {
      findings.push({ index, target: target.name, tag: input.tag, bad, ms })
      if ((bad === 'slow' || bad === 'memory') && isNarrow(input.tag)) skip.push(`${target.name} ${input.tag}`)
    }
  }
  begin(-1)
  if (!measure) return { counts, findings, slowest }
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return { counts, findings, slowest, memory: heapUsed + external }
}

const handlers = {
  block,
  /** One input, given by its body: for making a finding smaller. */
  async probe({ target, body, meta, tag }) {
    begin(0)
    const result = await attempt(TARGETS.get(target), { body: Buffer.from(body, 'base64'), meta, tag })
    begin(-1)
    return result
  },
}
let queue = Promise.resolve()
process.on('message', ({ kind, ...rest }) => {
  queue = queue.then(async () => process.send(await handlers[kind](rest)))
})
process.on('disconnect', () => process.exit()) // nobody watches any more
process.send({ ready: true })
