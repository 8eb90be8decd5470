/** @jest-environment ./packages/backend-onnx/test/support/onnx-environment.cjs */
import { packGroups, type PackedGroup } from '@plumbline/transformer'
import { PLAIN } from '../src/graph/attention-layout'
import { Tape } from '../src/graph/autodiff'
import { BatchInputs } from '../src/graph/batch-inputs'
import { emit } from '../src/graph/emit'
import { Graph, type Value } from '../src/graph/graph'
import { headPart, selectedLogProbs, vocabularyChunks } from '../src/graph/head'
import { Session, type HostTensor } from '../src/runtime/session'
import { headFeeds } from '../src/training/head-feeds'
import { Lcg } from './support/random-llama'

const [WORDS, WIDTH] = [11, 6]
const batches: Record<string, PackedGroup[]> = {
  'two groups, one-token and equal completions': [
    { prompt: [3, 1, 4], completions: [[1, 5, 9], [2, 6]] }, // prettier-ignore
    { prompt: [5], completions: [[7], [3, 3, 3, 3], [3, 3, 3, 3]] }, // prettier-ignore
  ],
  'one-token completions only': [{ prompt: [2, 8], completions: [[10], [0]] }],
}
const variants = Object.keys(batches).flatMap((name) =>
  [WORDS, 4, 3, 1].flatMap((wordsPerChunk) =>
    [undefined, 0.7].flatMap((cap) =>
      ['kept', 'wide', 'wide and frozen'].map((how) => ({
        name,
        wordsPerChunk,
        cap,
        how,
        wide: how !== 'kept',
        frozen: how.endsWith('frozen'),
      })),
    ),
  ),
)

describe.each(variants)(
  'the output head: $name, $wordsPerChunk words a chunk, capped at $cap, $how',
  ({ name, wordsPerChunk, cap, wide, frozen }) => {
    it('has the log-probabilities and gradients of the formula in float64', async () => {
      const batch = packGroups(batches[name]!)
      const random = new Lcg(11)
      const count = batch.scoredIds.length
      const hidden = random.array(batch.tailRows * WIDTH, 1)
      const head = random.array(WORDS * WIDTH, 1)
      const g = random.array(count, 1)

      const graph = new Graph()
      const tape = new Tape()
      const inputs = new BatchInputs(graph, PLAIN, wordsPerChunk)
      const [x, table] = [graph.input('hidden'), graph.input('head')]
      const residuals: Value[] = []
      const { logProbs: output, slope } = selectedLogProbs(graph, tape, inputs, (value) => residuals.push(value), WORDS, x, table, cap, {
        wide,
        ...(frozen ? { frozenWidth: WIDTH } : {}),
      })
      const chunks = vocabularyChunks(WORDS, wordsPerChunk)
      const parts = chunks.map((_, c) => graph.input(headPart('head', c)))
      const sources = frozen ? [x] : [x, ...parts]
      const gradients = tape.gradients(output, graph.input('cotangent'), sources)
      const feeds: Record<string, HostTensor> = {
        ...headFeeds(batch, WORDS, wordsPerChunk),
        hidden: { data: hidden, dims: [batch.tailRows, WIDTH] },
        head: { data: head, dims: [WORDS, WIDTH] },
        cotangent: { data: g, dims: [count] },
      }
      for (const [c, { from, to }] of chunks.entries()) {
        feeds[headPart('head', c)] = { data: head.slice(from * WIDTH, to * WIDTH), dims: [to - from, WIDTH] }
      }
      const kept = Object.fromEntries(residuals.map((value) => [value.name, value]))
      const forward = await Session.create(emit({ output, ...kept, ...(slope ? { slope } : {}) }), { threads: 1 })
      const wanted = Object.fromEntries(sources.map((value) => [`d_${value.name}`, gradients.get(value)!]))
      const backward = await Session.create(emit(wanted, residuals), { threads: 1 })
      const found = await forward.run(feeds)
      const slopes = await backward.run({ ...feeds, ...found })

      const bend = found.slope?.data as Float32Array | undefined
      expect(bend === undefined).toBe(cap === undefined)
      const expected = closedForm(hidden, head, batch.scoredRows, batch.scoredIds, g, cap)
      expectClose(found.output!.data as Float32Array, expected.logProbs)
      expectClose(slopes.d_hidden!.data as Float32Array, expected.dHidden)
      await forward.release()
      await backward.release()
      if (frozen) return

      const dHead = new Float64Array(WORDS * WIDTH)
      for (const [c, { from }] of chunks.entries()) {
        for (const [i, value] of (slopes[`d_${headPart('head', c)}`]!.data as Float32Array).entries()) dHead[from * WIDTH + i] = value
      }
      // The one-hot part, which is the caller's.
      for (let s = 0; s < count; s++) {
        const factor = g[s]! * (bend?.[s] ?? 1)
        for (let j = 0; j < WIDTH; j++) dHead[batch.scoredIds[s]! * WIDTH + j]! += factor * hidden[batch.scoredRows[s]! * WIDTH + j]!
      }
      expectClose(dHead, expected.dHead)
    })
  },
)

/** ∂ Σ g · log softmax(cap · tanh(hidden headᵀ / cap))[row, id]. */
function closedForm(hidden: Float32Array, head: Float32Array, rows: Int32Array, ids: Int32Array, g: Float32Array, cap = Infinity) {
  const capped = (x: number) => (cap === Infinity ? x : cap * Math.tanh(x / cap))
  const logProbs = new Float64Array(ids.length)
  const dHidden = new Float64Array(hidden.length)
  const dHead = new Float64Array(head.length)
  for (const [s, id] of ids.entries()) {
    const row = rows[s]!
    const logits = Array.from({ length: WORDS }, (_, w) => {
      let dot = 0
      for (let j = 0; j < WIDTH; j++) dot += hidden[row * WIDTH + j]! * head[w * WIDTH + j]!
      return capped(dot)
    })
    const z = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0))
    logProbs[s] = logits[id]! - z
    for (let w = 0; w < WORDS; w++) {
      const slope = g[s]! * ((w === id ? 1 : 0) - Math.exp(logits[w]! - z)) * (1 - (logits[w]! / cap) ** 2)
      for (let j = 0; j < WIDTH; j++) {
        dHidden[row * WIDTH + j]! += slope * head[w * WIDTH + j]!
        dHead[w * WIDTH + j]! += slope * hidden[row * WIDTH + j]!
      }
    }
  }
  return { logProbs, dHidden, dHead }
}

function expectClose(found: ArrayLike<number>, expected: Float64Array): void {
  expect(found.length).toBe(expected.length)
  for (let i = 0; i < expected.length; i++)
    expect(Math.abs(found[i]! - expected[i]!)).toBeLessThan(2e-6 * Math.max(1, Math.abs(expected[i]!)))
}

describe('a frozen head of a large vocabulary', () => {
  it('keeps the mean of its rows, and computes no logits in the backward pass', () => {
    const graph = new Graph()
    const tape = new Tape()
    const kept: { readonly value: Value; readonly width: number }[] = []
    const [x, table] = [graph.input('hidden'), graph.input('head')]
    const keep = (value: Value, width: number) => kept.push({ value, width })
    const options = { wide: true, frozenWidth: WIDTH }
    const { logProbs } = selectedLogProbs(graph, tape, new BatchInputs(graph, PLAIN, 3), keep, WORDS, x, table, undefined, options)
    const dHidden = tape.gradients(logProbs, graph.input('cotangent'), [x]).get(x)!
    expect(kept.map(({ width }) => width)).toEqual([WIDTH])
    const backward = emit(
      { dHidden },
      kept.map(({ value }) => value),
    )
    expect(backward.inputs.map(({ name }) => name)).not.toContain(headPart('head', 0))
    // Who only scores does not make it.
    expect(Buffer.from(emit({ logProbs }).model).includes('head_mean')).toBe(false)
  })
})
