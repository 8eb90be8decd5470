// The output head alone, forward and backward: log-probs kept or computed again, or a table that is not trained, by the width of a chunk. One process a figure, the
// variants by turns; time is the processor's (user, all threads), median of all rounds, memory the peak above what the process held before the first run (Linux).
//
//   node bench/head.mjs --words 49152 --width 576 --rows 512
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const require = createRequire(import.meta.url)
const { values: args } = parseArgs({
  options: {
    words: { type: 'string', default: '49152' },
    width: { type: 'string', default: '576' },
    rows: { type: 'string', default: '512' },
    rounds: { type: 'string', default: '3' },
    chunks: { type: 'string', default: '2048,4096,8192,16384' },
    variant: { type: 'string' },
  },
})
const [words, width, rows] = [args.words, args.width, args.rows].map(Number)

const hwm = () => Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024

async function measure(how, chunk) {
  const dist = (path) => require(`../packages/backend-onnx/dist/${path}`)
  const { PLAIN } = dist('graph/attention-layout')
  const { Tape } = dist('graph/autodiff')
  const { BatchInputs } = dist('graph/batch-inputs')
  const { emit } = dist('graph/emit')
  const { Graph } = dist('graph/graph')
  const { headPart, selectedLogProbs, vocabularyChunks } = dist('graph/head')
  const { Session } = dist('runtime/session')
  const { headFeeds } = dist('training/head-feeds')
  const { packGroups } = require('../packages/transformer')
  let random = 1
  const next = () => (random = (Math.imul(random, 1664525) + 1013904223) >>> 0)
  const array = (length) => Float32Array.from({ length }, () => next() / 2 ** 32 - 0.5)
  const tokens = (count) => Array.from({ length: count }, () => next() % words)
  const batch = packGroups([{ prompt: tokens(8), completions: Array.from({ length: 4 }, () => tokens(rows / 4)) }])
  const count = batch.scoredIds.length
  const graph = new Graph()
  const tape = new Tape()
  const inputs = new BatchInputs(graph, PLAIN, chunk)
  const [x, table] = [graph.input('hidden'), graph.input('head')]
  const kept = []
  const isFrozen = how === 'frozen'
  const options = { wide: how !== 'kept', ...(isFrozen ? { frozenWidth: width } : {}) }
  const keep = (value, of) => kept.push({ value, of })
  const { logProbs: output } = selectedLogProbs(graph, tape, inputs, keep, words, x, table, undefined, options)
  const chunks = vocabularyChunks(words, chunk)
  const parts = isFrozen ? [] : chunks.map((_, c) => graph.input(headPart('head', c)))
  const sums = new Map(parts.map((value) => [value, graph.input(`sum_${value.name}`)]))
  const gradients = tape.gradients(output, graph.input('cotangent'), [x, ...parts], sums)
  const head = array(words * width)
  const gradient = new Float32Array(words * width)
  const feeds = {
    ...headFeeds(batch, words, chunk),
    hidden: { data: array(batch.tailRows * width), dims: [batch.tailRows, width] },
    head: { data: head, dims: [words, width] },
    cotangent: { data: array(count), dims: [count] },
  }
  const into = { dx: { data: new Float32Array(batch.tailRows * width), dims: [batch.tailRows, width] } }
  for (const [c, { from, to }] of chunks.entries()) {
    const part = (data) => ({ data: data.subarray(from * width, to * width), dims: [to - from, width] })
    feeds[headPart('head', c)] = part(head)
    if (isFrozen) continue
    feeds[`sum_${headPart('head', c)}`] = into[`d_${c}`] = part(gradient)
  }
  const settings = { threads: 2 }
  const forward = await Session.create(emit({ output, ...Object.fromEntries(kept.map(({ value }) => [value.name, value])) }), settings)
  // In a model it is no leaf of the graph: what comes from it is made after the head's gradients.
  const outputs = {
    dx: graph.node('Neg', [gradients.get(x)]),
    ...Object.fromEntries(parts.map((value, c) => [`d_${c}`, gradients.get(value)])),
  }
  const backward = await Session.create(
    emit(
      outputs,
      kept.map(({ value }) => value),
    ),
    settings,
  )
  const places = { output: { data: new Float32Array(count), dims: [count] } }
  for (const { value, of } of kept) places[value.name] = { data: new Float32Array(batch.tailRows * of), dims: [batch.tailRows, of] }
  writeFileSync('/proc/self/clear_refs', '5')
  const before = hwm()
  const seconds = []
  for (let run = 0; run < 4; run++) {
    const begin = process.cpuUsage()
    await forward.run(feeds, places)
    await backward.run({ ...feeds, ...places }, into)
    seconds.push(process.cpuUsage(begin).user / 1e6)
  }
  return { seconds: seconds.slice(1), mib: hwm() - before }
}

if (args.variant) {
  const [how, chunk] = args.variant.split(':')
  console.log(JSON.stringify(await measure(how, Number(chunk))))
} else {
  const variants = args.chunks.split(',').flatMap((chunk) => ['kept', 'again', 'frozen'].map((how) => `${how}:${chunk}`))
  const found = new Map(variants.map((variant) => [variant, { seconds: [], mib: 0 }]))
  for (let round = 0; round < Number(args.rounds); round++) {
    for (const variant of variants) {
      const passed = ['words', 'width', 'rows'].flatMap((key) => [`--${key}`, args[key]])
      const { stdout, status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--variant', variant, ...passed], {
        stdio: ['ignore', 'pipe', 2],
      })
      if (status !== 0) throw new Error(`${variant} failed`)
      const { seconds, mib } = JSON.parse(stdout)
      found.get(variant).seconds.push(...seconds)
      found.get(variant).mib = Math.max(found.get(variant).mib, mib)
    }
  }
  console.log(`${words} words, width ${width}, ${rows} rows`)
  for (const [variant, { seconds, mib }] of found) {
    const sorted = seconds.sort((a, b) => a - b)
    console.log(
      `${variant.padEnd(12)} median ${sorted[sorted.length >> 1].toFixed(3)} s, least ${sorted[0].toFixed(3)} s, ${mib.toFixed(0)} MiB`,
    )
  }
}
