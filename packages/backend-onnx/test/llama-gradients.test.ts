/** @jest-environment ./packages/backend-onnx/test/support/onnx-environment.cjs */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { embeddingName, headName, packGroups, type PackedBatch } from '@plumbline/transformer'
import { BLOCKED, PLAIN } from '../src/graph/attention-layout'
import { headPart, vocabularyChunks } from '../src/graph/head'
import { Session, type HostTensor } from '../src/runtime/session'
import { planBlocks } from '../src/training/attention-blocks'
import { ropeFeeds } from '../src/runtime/rope-tables'
import { batchFeeds } from '../src/training/batch-feeds'
import { headFeeds } from '../src/training/head-feeds'
import { COTANGENT, EMBEDDING_ROWS, gradientOf, HEAD_ROWS, LOG_PROBS, sumOf } from '../src/training/tracing'
import { traceTraining } from '../src/training/training-graph'
import { Lcg, randomWeights, smallLlama } from './support/random-llama'

interface Case {
  seed: number
  tied: boolean
  groups: [number, number[]][]
  logProbs: number[][]
  gradients: Record<string, string>
}

const casesOf = (file: string) => JSON.parse(readFileSync(join(__dirname, 'fixtures', file), 'utf8')) as Case[]
const cases = [
  ...casesOf('llama-gradients.json').map((known) => ({ ...known, size: 'short', runs: 50 })),
  // prompts of 1 to 500 tokens, completions of 1 to 300, up to 16 of them
  ...casesOf('long-llama-gradients.json').map((known) => ({ ...known, size: 'long', runs: 5 })),
]
const settings = { threads: 2 }

/** The rows of embedding and head are added here as the engine does it: in order. */
function addEmbeddingRows(table: Float32Array, rows: Float32Array, tokens: Int32Array, width: number): void {
  for (const [row, token] of tokens.entries()) {
    for (let i = 0; i < width; i++) table[token * width + i]! += rows[row * width + i]!
  }
}

function addHeadRows(table: Float32Array, rows: Float32Array, batch: PackedBatch, cotangents: readonly number[], width: number): void {
  for (const [s, token] of batch.scoredIds.entries()) {
    for (let i = 0; i < width; i++) table[token * width + i]! += cotangents[s]! * rows[batch.scoredRows[s]! * width + i]!
  }
}

const layouts = { 'one block': PLAIN, 'several blocks': BLOCKED }
const variants = cases.flatMap((known) => Object.entries(layouts).map(([attention, layout]) => ({ ...known, attention, layout })))

describe.each(variants)('a random grouped-query Llama on $size groups, tied embeddings: $tied, attention in $attention', (variant) => {
  const { seed, tied, groups, logProbs, gradients, layout, runs } = variant
  const config = { ...smallLlama(tied), maxPositions: 800 }
  const random = new Lcg(seed)
  const weights = randomWeights(config, random)
  const cotangents: number[] = []
  const batch = packGroups(
    groups.map(([promptLength, lengths]) => ({
      prompt: random.tokens(promptLength, config.vocabSize),
      completions: lengths.map((n) => {
        const completion = random.tokens(n, config.vocabSize)
        cotangents.push(...random.array(n, 1))
        return completion
      }),
    })),
  )
  const feeds: Record<string, HostTensor> = {
    ...batchFeeds(batch, planBlocks(batch, layout), config),
    ...headFeeds(batch, config.vocabSize),
    ...ropeFeeds(config.ropes, config.maxPositions),
    [COTANGENT]: { data: Float32Array.from(cotangents), dims: [cotangents.length] },
  }
  for (const [name, { shape, data }] of weights) {
    feeds[name] = { data, dims: shape }
    feeds[sumOf(name)] = { data: new Float32Array(data.length), dims: shape }
  }
  const head = headName(config)
  const parts = vocabularyChunks(config.vocabSize).map(({ from, to }, c) => ({ part: headPart(head, c), from: from * config.hiddenSize, to: to * config.hiddenSize })) // prettier-ignore
  for (const { part, from, to } of parts) {
    const dims = [(to - from) / config.hiddenSize, config.hiddenSize]
    feeds[part] = { data: weights.get(head)!.data.slice(from, to), dims }
    feeds[sumOf(part)] = { data: new Float32Array(to - from), dims }
  }
  const graph = traceTraining({ config, layout })

  async function gradientsFrom(backward: Session, feeds: Record<string, HostTensor>): Promise<Map<string, Float32Array>> {
    const out = await backward.run(feeds)
    const result = new Map([...weights].map(([name, { data }]) => [name, new Float32Array(data.length)]))
    for (const name of graph.inGraph) {
      const gradient = out[gradientOf(name)]!.data as Float32Array
      const part = parts.find((known) => known.part === name)
      result.get(part ? head : name)!.set(gradient, part?.from)
    }
    addEmbeddingRows(result.get(embeddingName(config))!, out[EMBEDDING_ROWS]!.data as Float32Array, batch.tokens, config.hiddenSize)
    addHeadRows(result.get(head)!, out[HEAD_ROWS]!.data as Float32Array, batch, cotangents, config.hiddenSize)
    return result
  }

  function check(found: Map<string, Float32Array>): void {
    expect(Object.keys(gradients).sort()).toEqual([...found.keys()].sort())
    for (const [name, encoded] of Object.entries(gradients)) {
      const bytes = Buffer.from(encoded, 'base64')
      const expected = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
      expect({ name, error: relativeError(found.get(name)!, expected) }).toEqual({ name, error: below })
    }
  }

  it('has the log-probs of PyTorch in float64', async () => {
    const session = await Session.create(graph.forward(), settings)
    const out = await session.run(feeds)
    const expected = logProbs.flat()
    expect(out[LOG_PROBS]!.data.length).toBe(expected.length)
    for (const [i, value] of expected.entries()) expect(Math.abs(Number(out[LOG_PROBS]!.data[i]) - value)).toBeLessThan(1e-5)
    await session.release()
  })

  it(`has the gradients of PyTorch in float64, the same bits in ${runs} runs`, async () => {
    const session = await Session.create(graph.backwardRecomputing(), settings)
    const first = await gradientsFrom(session, feeds)
    check(first)
    for (let run = 1; run < runs; run++) {
      for (const [name, gradient] of await gradientsFrom(session, feeds)) {
        expect(Buffer.compare(Buffer.from(gradient.buffer), Buffer.from(first.get(name)!.buffer))).toBe(0)
      }
    }
    await session.release()
  })

  it('has the same gradients from kept activations', async () => {
    const forward = await Session.create(graph.forwardKeeping(), settings)
    const backward = await Session.create(graph.backwardFromKept(), settings)
    check(await gradientsFrom(backward, { ...feeds, ...(await forward.run(feeds)) }))
    await forward.release()
    await backward.release()
  })
})

/** Largest difference, relative to the largest expected magnitude of the tensor. */
function relativeError(found: Float32Array, expected: Float32Array): number {
  let scale = 0
  let error = 0
  for (const [i, value] of expected.entries()) {
    scale = Math.max(scale, Math.abs(value))
    error = Math.max(error, Math.abs(found[i]! - value))
  }
  return error / scale
}

const below = { asymmetricMatch: (value: unknown) => (value as number) < 1e-5, toString: () => 'below 1e-5' }
