// Kills `plumb run` at random moments, restarts it until it is done, and compares every artifact byte for byte with those of a run
// that was left alone.
//
//   node scripts/kill.mjs                         200 kills over every stage and loss (about 20 minutes)
//   node scripts/kill.mjs --short                 eight, for CI (about a minute)
//   node scripts/kill.mjs --self-test             whether it would see a difference
//   node scripts/kill.mjs --only scratch-1 --at 'appendFile .*align-reference.*logprobs' --when after --clock 1000 --kills 1
//
//   --kills N      how many                       --seed N       of the random moments; printed
//   --only A,B     scenarios (kill/world.mjs)     --keep         leaves the folders in place
//   --at PATTERN   kill at the --nth call that changes files and reads so, --when before, after or torn, in place of a random moment
//   --clock N      the run's clock goes N times faster, so that what it does "every 200 ms" happens at other moments
//
// Ways to die: SIGKILL of the process group or of the main process after a random time, at once after a start, a second time right
// after the restart, SIGTERM and then SIGKILL, SIGTERM twice, and SIGKILL before, after or in the middle of a random call that
// changes files (kill/preload.cjs), over all such calls of the undisturbed run. Exit status 1 at the first difference.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { differences } from './kill/compare.mjs'
import { finished, phase, plumbRun } from './kill/process.mjs'
import { selfTest } from './kill/self-test.mjs'
import { prepare, SCENARIOS } from './kill/world.mjs'

const { randomStreams } = createRequire(import.meta.url)('@plumbline/core')

const { values: given } = parseArgs({
  options: {
    kills: { type: 'string' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    only: { type: 'string' },
    short: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    'self-test': { type: 'boolean', default: false },
    at: { type: 'string' },
    nth: { type: 'string', default: '1' },
    when: { type: 'string', default: 'after' },
    clock: { type: 'string' },
  },
})
const kills = Number(given.kills ?? (given.short ? 8 : 200))
const names = given.only?.split(',') ?? (given.short ? ['pairs', 'scratch-2'] : Object.keys(SCENARIOS))
const unknown = names.find((name) => !(name in SCENARIOS))
if (unknown !== undefined || !Number.isInteger(kills)) {
  console.error(
    unknown === undefined ? '--kills is a whole number' : `no scenario "${unknown}"; there are ${Object.keys(SCENARIOS).join(', ')}`,
  )
  process.exit(2)
}
/** Kills in one chain of restarts; then the run may finish. */
const PER_CHAIN = given.short ? 4 : 10

const work = mkdtempSync(join(tmpdir(), 'plumb-kill-'))
const started = performance.now()
const seconds = () => `${Math.round((performance.now() - started) / 1000)} s`
const random = randomStreams(Number(given.seed))('kill')
const among = (list) => list[Math.floor(random() * list.length)]
const between = (low, high) => low + (high - low) * random()

class Finding extends Error {}

/** A finished run that nobody disturbed, with the calls it made; each scenario's once. */
const references = new Map()
async function reference(name) {
  if (!references.has(name)) {
    const { startsFrom } = SCENARIOS[name]
    const folder = join(work, `${name}-undisturbed`)
    mkdirSync(folder)
    prepare(name, folder, startsFrom && (await reference(startsFrom)).folder)
    const begun = performance.now()
    const { code, said, calls } = await plumbRun(folder, { hook: { record: true } })
    if (code !== 0) throw new Finding(`The undisturbed run of "${name}" ended with ${code}:\n${said}`)
    references.set(name, { folder, calls, ms: performance.now() - begun })
    console.log(`${name}: undisturbed in ${Math.round((performance.now() - begun) / 100) / 10} s, ${calls.length} calls that change files`)
  }
  return references.get(name)
}

/** A random way to die: what the preload is told, and who sends which signals. */
function death({ calls, ms }, folder, attempt) {
  const clock = Number(given.clock ?? among([1, 1, 30, 1000]))
  if (given.at !== undefined)
    return { what: `at ${given.at}`, hook: { pattern: given.at, nth: Number(given.nth), when: given.when, clock } }
  // mostly counted from where a stage begins to work: start-up takes long, and longer where the machine has other work
  const early = random() < 0.15
  const moment = early ? between(0, 1500) : between(0, Math.max(1500, ms / 4))
  const way =
    attempt > 0 && random() < 0.1
      ? 'again'
      : among(['group', 'group', 'main', 'main', 'term-kill', 'term-twice', 'call', 'call', 'call', 'call', 'call'])
  const after = (run) => ({
    what: `${way} after ${Math.round(moment)} ms${early ? '' : ' of work'}`,
    hook: { clock },
    end: async (child) => {
      if (!early) await child.works()
      await child.sleep(moment)
      await run(child)
    },
  })
  switch (way) {
    case 'group':
      return after(({ send }) => send('SIGKILL', true))
    case 'main':
      return after(({ send }) => send('SIGKILL'))
    case 'again': {
      const soon = between(0, 400)
      return {
        what: `again after ${Math.round(soon)} ms`,
        hook: { clock },
        end: async ({ send, sleep }) => (await sleep(soon), send('SIGKILL', true)),
      }
    }
    case 'term-kill':
    case 'term-twice':
      return after(async ({ send, sleep }) => {
        send('SIGTERM')
        await sleep(between(0, 500))
        send(way === 'term-kill' ? 'SIGKILL' : 'SIGTERM')
      })
    default: {
      // every kind of call equally, so that a rename is hit as often as the many writes of a journal
      const done = finished(folder)
      const left = calls.filter((text) => !done.some((stage) => text.includes(`/${stage}/`)))
      const call = among([...new Set(left)])
      const nth = 1 + Math.floor(random() * left.filter((text) => text === call).length)
      const when = among(['before', 'after', 'torn'])
      return { what: `${when} call ${nth} of "${call}"`, hook: { call, nth, when, clock } }
    }
  }
}

const hits = new Map()
const count = (map, key) => map.set(key, (map.get(key) ?? 0) + 1)
const ways = new Map()

/** One chain of kills and restarts to the end; returns how many kills it took. */
async function chain(name, most, number) {
  const undisturbed = await reference(name)
  const folder = join(work, `${name}-${number}`)
  mkdirSync(folder)
  prepare(name, folder, SCENARIOS[name].startsFrom && references.get(SCENARIOS[name].startsFrom).folder)
  const history = []
  let killed = 0
  for (let attempt = 0; ; attempt++) {
    const plan = killed < most && attempt < 4 * most ? death(undisturbed, folder, attempt) : undefined
    rmSync(join(folder, 'kill-note.txt'), { force: true })
    const { code, signal, said, calls } = await plumbRun(folder, plan)
    if (code === 0) break
    const asked = plan?.what.startsWith('term') && (code === 130 || code === 143 || signal === 'SIGTERM')
    if (!plan || (signal !== 'SIGKILL' && !asked))
      throw new Finding(`"${name}" does not go on after\n${history.join('\n')}\nIt ended with ${code ?? signal}:\n${said.slice(-3000)}`)
    killed++
    const where = phase(folder, said)
    count(hits, where)
    count(ways, plan.what.split(' ')[0])
    history.push(
      `  ${killed}. in ${where}: ${calls.length > 0 ? calls.at(-1) : plan.what}${plan.hook.clock > 1 ? `, clock ×${plan.hook.clock}` : ''}`,
    )
  }
  const found = differences(join(undisturbed.folder, 'run'), join(folder, 'run'))
  if (found.length > 0)
    throw new Finding(
      `"${name}" differs from an undisturbed run in ${found.length} files:\n  ${found.slice(0, 12).join('\n  ')}\nIt was killed\n${history.join('\n')}`,
    )
  if (!given.keep) rmSync(folder, { recursive: true, force: true })
  return killed
}

async function campaign() {
  console.log(`${kills} kills over ${names.join(', ')}; --seed ${given.seed}`)
  let total = 0
  for (let number = 0; total < kills; number++) {
    const name = names[number % names.length]
    const killed = await chain(name, Math.min(given.at === undefined ? PER_CHAIN : 1, kills - total), number)
    total += killed
    console.log(`${seconds()}: ${name}, killed ${killed} times, the same bytes (${total} of ${kills})`)
    if (given.at !== undefined && killed === 0) throw new Finding(`no call of "${name}" reads ${given.at}`)
  }
  const table = (map) =>
    [...map]
      .sort(([, a], [, b]) => b - a)
      .map(([key, n]) => `${n} ${key}`)
      .join(', ')
  console.log(`\n${total} kills in ${seconds()}, every artifact the same.\n  where: ${table(hits)}\n  how: ${table(ways)}`)
}

let failed = true
try {
  if (given['self-test']) await selfTest(await reference('pairs'), join(work, 'copy'), (folder) => prepare('pairs', folder))
  else await campaign()
  failed = false
} catch (error) {
  if (!(error instanceof Finding)) throw error
  console.error(`\n${error.message}\n\n--seed ${given.seed}`)
} finally {
  if (failed || given.keep) console.error(`The folders are in ${work}.`)
  else rmSync(work, { recursive: true, force: true })
}
process.exit(failed ? 1 : 0)
