/** @jest-environment ./packages/backend-onnx/test/support/onnx-environment.cjs */
import { packGroups, plainRope } from '@plumbline/transformer'
import { BLOCKED, JOINED, PLAIN } from '../src/graph/attention-layout'
import { Tape } from '../src/graph/autodiff'
import { BatchInputs } from '../src/graph/batch-inputs'
import { emit } from '../src/graph/emit'
import { Graph, type Value } from '../src/graph/graph'
import { OnnxScoringOps } from '../src/graph/scoring-ops'
import { Session, type HostTensor } from '../src/runtime/session'
import { planBlocks } from '../src/training/attention-blocks'
import { ropeFeeds } from '../src/runtime/rope-tables'
import { batchFeeds } from '../src/training/batch-feeds'
import { Lcg } from './support/random-llama'

interface Case {
  readonly name: string
  readonly inputs: Readonly<Record<string, readonly number[]>>
  readonly build: (ops: OnnxScoringOps, value: (name: string) => Value, graph: Graph) => Value
  /** More than one row, so that a mistaken axis shows. */
  readonly outputLength: number
}

const heads = { heads: 4, kvHeads: 2, headDim: 4, vocabSize: 11, scale: 0.5 }
// Two groups; the second has completions of one token and of the same tokens; prompts of different lengths.
const batch = packGroups([
  { prompt: [3, 1, 4], completions: [[1, 5, 9], [2, 6]] }, // prettier-ignore
  { prompt: [5], completions: [[7], [3, 3, 3, 3], [3, 3, 3, 3]] }, // prettier-ignore
])
const tables = ropeFeeds({ rope: plainRope(10_000, heads.headDim), half: { ...plainRope(100, 2), factor: 1.5 } }, 16)
const shapes: Record<string, readonly number[]> = { tall: [7, 5], wide: [5, 7] }
const { rows, tailRows } = batch

const cases: Case[] = [
  {
    name: 'linear, more outputs than inputs',
    inputs: { x: [3, 5], tall: [7, 5] },
    build: (ops, v) => ops.linear(v('x'), v('tall')),
    outputLength: 21,
  },
  {
    name: 'linear with a residual',
    inputs: { x: [3, 7], wide: [5, 7], r: [3, 5] },
    build: (ops, v) => ops.linear(v('x'), v('wide'), { residual: v('r') }),
    outputLength: 15,
  },
  {
    name: 'linear with a bias',
    inputs: { x: [3, 7], wide: [5, 7], b: [5] },
    build: (ops, v) => ops.linear(v('x'), v('wide'), { bias: v('b') }),
    outputLength: 15,
  },
  {
    name: 'linear with a bias and a residual',
    inputs: { x: [3, 7], wide: [5, 7], b: [5], r: [3, 5] },
    build: (ops, v) => ops.linear(v('x'), v('wide'), { bias: v('b'), residual: v('r') }),
    outputLength: 15,
  },
  {
    name: 'rmsNorm of each head',
    inputs: { x: [3, 12], w: [4] },
    build: (ops, v) => ops.rmsNorm(v('x'), v('w'), 1e-5, { heads: 3, headDim: 4 }),
    outputLength: 36,
  },
  {
    name: 'layerNorm',
    inputs: { x: [3, 6], w: [6], b: [6] },
    build: (ops, v) => ops.layerNorm(v('x'), v('w'), v('b'), 1e-5),
    outputLength: 18,
  },
  { name: 'silu', inputs: { x: [3, 4] }, build: (ops, v) => ops.activate(v('x'), 'silu'), outputLength: 12 },
  { name: 'gelu_tanh', inputs: { x: [3, 4] }, build: (ops, v) => ops.activate(v('x'), 'gelu_tanh'), outputLength: 12 },
  {
    name: 'parts of a split, one of them twice and one not at all',
    inputs: { x: [3, 9] },
    build: (ops, v) => {
      const [a, , c] = ops.split(v('x'), [2, 3, 4]) as [Value, Value, Value]
      return ops.multiply(ops.add(ops.split(c, [2, 2])[1]!, a), ops.scale(a, -1.5))
    },
    outputLength: 6,
  },
  {
    name: 'shift, scale and softcap',
    inputs: { x: [3, 4] },
    build: (ops, v) => ops.softcap(ops.scale(ops.shift(v('x'), 0.3), 1.7), 0.9),
    outputLength: 12,
  },
  { name: 'rmsNorm', inputs: { x: [3, 6], w: [6] }, build: (ops, v) => ops.rmsNorm(v('x'), v('w'), 1e-5), outputLength: 18 },
  { name: 'swiglu', inputs: { gate: [3, 4], up: [3, 4] }, build: (ops, v) => ops.swiglu(v('gate'), v('up')), outputLength: 12 },
  {
    name: 'rope',
    inputs: { x: [rows, 8] },
    build: (ops, v, graph) => ops.rope(v('x'), graph.input('positions', 'int64'), { rope: 'rope', heads: 2, headDim: 4, dim: 4 }),
    outputLength: rows * 8,
  },
  {
    name: 'rope of half a head, with a factor',
    inputs: { x: [rows, 8] },
    build: (ops, v, graph) => ops.rope(v('x'), graph.input('positions', 'int64'), { rope: 'half', heads: 2, headDim: 4, dim: 2 }),
    outputLength: rows * 8,
  },
  { name: 'tail', inputs: { x: [rows, 3] }, build: (ops, v) => ops.tail(v('x')), outputLength: tailRows * 3 },
  {
    name: 'attention of all rows',
    inputs: { q: [rows, 16], k: [rows, 8], v: [rows, 8] },
    build: (ops, v) => ops.attention(v('q'), v('k'), v('v'), 'all', heads),
    outputLength: rows * 16,
  },
  {
    name: 'attention of the tail',
    inputs: { q: [tailRows, 16], k: [rows, 8], v: [rows, 8] },
    build: (ops, v) => ops.attention(v('q'), v('k'), v('v'), 'tail', heads),
    outputLength: tailRows * 16,
  },
  {
    name: 'capped attention through a window',
    inputs: { q: [rows, 16], k: [rows, 8], v: [rows, 8] },
    build: (ops, v) => ops.attention(v('q'), v('k'), v('v'), 'all', { ...heads, window: 2, softcap: 0.8, scale: 0.7 }),
    outputLength: rows * 16,
  },
  {
    name: 'capped attention of the tail through a window',
    inputs: { q: [tailRows, 16], k: [rows, 8], v: [rows, 8] },
    build: (ops, v) => ops.attention(v('q'), v('k'), v('v'), 'tail', { ...heads, window: 2, softcap: 0.8, scale: 0.7 }),
    outputLength: tailRows * 16,
  },
]

/**
 * Σ cotangent · f is differentiated along one random direction per input: a central difference with two steps, extrapolated,
 * against gradient · direction. Numbers are of order 1, so float32 leaves about 1e-4 of a difference quotient at these steps.
 */
describe.each([
  ['one block', PLAIN],
  ['several blocks', BLOCKED],
  ['one block with the prompts', JOINED],
])('gradients against finite differences, attention in %s', (_, layout) => {
  const feeds: Record<string, HostTensor> = { ...batchFeeds(batch, planBlocks(batch, layout), heads), ...tables }

  it.each(cases)('$name', async ({ inputs, build, outputLength }) => {
    const random = new Lcg(5)
    const graph = new Graph()
    const tape = new Tape()
    const ops = new OnnxScoringOps(graph, tape, ({ name }) => shapes[name]!, new BatchInputs(graph, layout))
    const output = build(ops, (name) => graph.input(name), graph)
    const names = Object.keys(inputs)
    const sources = names.map((name) => graph.input(name))
    const gradients = tape.gradients(output, graph.input('cotangent'), sources)
    const forward = await Session.create(emit({ output }), { threads: 1 })
    const backward = await Session.create(emit(Object.fromEntries(names.map((name, i) => [`d_${name}`, gradients.get(sources[i]!)!]))), {
      threads: 1,
    })

    const point: Record<string, HostTensor> = { ...feeds }
    for (const [name, dims] of Object.entries(inputs)) point[name] = { data: random.array(size(dims), 1), dims }
    const value = (await forward.run(point)).output!
    expect(value.data.length).toBe(outputLength)
    const cotangent = random.array(outputLength, 1)
    const found = await backward.run({ ...point, cotangent: { data: cotangent, dims: value.dims } })

    for (const name of names) {
      const { data, dims } = point[name]!
      const direction = random.array(data.length, 1)
      const at = async (step: number) => {
        const moved = Float32Array.from(data as Float32Array, (x, i) => x + step * direction[i]!)
        const out = (await forward.run({ ...point, [name]: { data: moved, dims } })).output!.data as Float32Array
        return out.reduce((sum, y, i) => sum + y * cotangent[i]!, 0)
      }
      const central = async (step: number) => ((await at(step)) - (await at(-step))) / (2 * step)
      const expected = (4 * (await central(0.01)) - (await central(0.02))) / 3
      const slope = (found[`d_${name}`]!.data as Float32Array).reduce((sum, d, i) => sum + d * direction[i]!, 0)
      expect({ name, slope }).toEqual({ name, slope: expect.closeTo(expected, 2) })
      expect(Math.abs(slope - expected)).toBeLessThan(2e-3 * Math.max(1, Math.abs(expected)))
      // A wrong gradient can be right along one direction by chance only if it is near zero.
      expect(Math.abs(expected)).toBeGreaterThan(0.02)
    }
    await forward.release()
    await backward.release()
  })
})

const size = (dims: readonly number[]) => dims.reduce((product, n) => product * n, 1)
