import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { linearModules, packGroups, parameterCount } from '@plumbline/transformer'
import { checkpointedAbove, memoryNeeds, rowLimits } from '../src/memory-plan'
import { attentionBlocks } from '../src/training/attention-blocks'
import { keptRowBytes } from '../src/training/training-graph'
import { smallLlama } from './support/random-llama'

const MIB = 2 ** 20

interface Phase {
  readonly name: string
  readonly peakMiB: number
  readonly afterMiB: number
}
interface Measured {
  readonly parameters: number
  readonly sameBytes: boolean
  readonly predicted: { readonly needs: Readonly<Record<string, number>>; readonly trainingMiB: number }
  readonly first: { readonly phases: readonly Phase[] }
  readonly resumed: { readonly phases: readonly Phase[] }
}

/** Runs `scripts/memory.mjs`: two processes that load, train, save, resume and export a random model. */
function measure(shape: string, ...more: string[]): Measured {
  const folder = mkdtempSync(join(tmpdir(), 'plumbline-memory-test-'))
  try {
    const out = join(folder, 'result.json')
    const script = join(__dirname, '../../../scripts/memory.mjs')
    const { status, stderr } = spawnSync(process.execPath, [script, '--shape', shape, '--out', out, ...more], { encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    return JSON.parse(readFileSync(out, 'utf8')) as Measured
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const phaseOf = (phases: readonly Phase[], wanted: string) => phases.find(({ name }) => name === wanted)!
const peakOf = (phases: readonly Phase[], wanted: string) => phaseOf(phases, wanted).peakMiB

describe('rows of a micro-batch', () => {
  it('are for models of up to 100M parameters what 288 MiB of activations hold', () => {
    expect(rowLimits(27.8e6, 221_184)).toEqual({ microBatch: 1365, lone: 2730 })
    expect(rowLimits(99e6, 900_000)).toEqual({ microBatch: 335, lone: 670 })
    expect(rowLimits(360_000, 10_000)).toEqual({ microBatch: 8192, lone: 16_384 })
  })

  it('grow with larger ones, so that a question of six answers is computed in one piece', () => {
    // SmolLM2-135M and Qwen2-0.5B: 100 prompt tokens and six answers of 120.
    const row = (layers: number, kept: number) => 4 * (layers * kept + 1)
    expect(rowLimits(134.5e6, row(30, 2 * 576 + 2 * 576 + 2 * 192 + 2 * 1536)).lone).toBeGreaterThan(814)
    expect(rowLimits(494e6, row(24, 2 * 896 + 2 * 896 + 2 * 128 + 2 * 4864)).lone).toBeGreaterThan(814)
    expect(rowLimits(1.54e9, 2.9e6).microBatch).toBeGreaterThan(390)
  })

  it('are those that were asked for', () => {
    expect(rowLimits(1e9, 1e6, 100)).toEqual({ microBatch: 100, lone: 100 })
  })
})

describe('what is computed layer by layer', () => {
  const [parameters, rowBytes] = [27.8e6, 221_184]

  it('has by auto more rows than the largest group that is computed in one piece, whatever the machine', () => {
    const { lone } = rowLimits(parameters, rowBytes)
    expect(checkpointedAbove('auto', parameters, rowBytes)).toBe(lone)
    // 135M parameters, 691,204 bytes a row: one candidate of 2,048 tokens is.
    expect(checkpointedAbove('auto', 134.5e6, 691_204)).toBe(1552)
  })

  it('has more rows than a micro-batch that is asked for', () => {
    expect(checkpointedAbove('auto', parameters, rowBytes, 100)).toBe(rowLimits(parameters, rowBytes).lone)
    expect(checkpointedAbove('auto', parameters, rowBytes, 9000)).toBe(9000)
  })

  it('is everything or nothing where that is said', () => {
    expect([checkpointedAbove('layers', parameters, rowBytes, 9000), checkpointedAbove('none', parameters, rowBytes)]).toEqual([
      0,
      Infinity,
    ])
  })

  it('is said with what it takes where the context lets it come, and is what activations are where all is', () => {
    const config = smallLlama(true)
    const [layers, hiddenSize, headDim] = [8, 512, 128]
    const attention = Array.from({ length: layers }, () => config.attention[0]!)
    const deep = { ...config, layers, attention, hiddenSize, headDim, intermediateSize: 1408, maxPositions: 100_000 }
    const { activations, byLayers } = memoryNeeds(deep)
    const { lone } = rowLimits(parameterCount(deep), keptRowBytes(deep))
    expect(byLayers).toMatchObject({ above: lone, tokens: 2 * lone })
    // Twice as many rows, and less than they would take in one piece.
    expect(byLayers!.activations).toBeLessThan(1.2 * activations)
    expect(memoryNeeds(deep, { rows: 2 * lone }).activations).toBe(byLayers!.activations)
    // The context ends before.
    expect(memoryNeeds(config).byLayers).toBeUndefined()
    expect(memoryNeeds(deep, { activationCheckpointing: 'none' }).byLayers).toBeUndefined()
    expect(memoryNeeds(deep, { rows: 2 * lone, activationCheckpointing: 'none' }).activations).toBeGreaterThan(
      2 * lone * keptRowBytes(deep),
    )
    const all = memoryNeeds(deep, { rows: 4096, activationCheckpointing: 'layers' })
    expect(all.byLayers).toEqual({ above: 0, tokens: 4096, activations: all.activations })
  })
})

describe('what attention takes of a long sequence', () => {
  const [layers, hiddenSize, headDim] = [8, 512, 64]
  const plain = smallLlama(true)
  const config = {
    ...plain,
    layers,
    attention: Array.from({ length: layers }, () => plain.attention[0]!),
    hiddenSize,
    heads: 8,
    kvHeads: 8,
    headDim,
    intermediateSize: 1408,
    maxPositions: 100_000,
  }
  const activations = (longest: number, of = config) =>
    memoryNeeds(of, { rows: 2048, longest, activationCheckpointing: 'none' }).activations

  it('is the scores of all blocks and twice those of the largest, as attention is cut', () => {
    const length = 2048
    const completions = [Array.from({ length }, () => 1)]
    const { prompt, completion } = attentionBlocks(packGroups([{ prompt: [1], completions }]), config.heads)
    const counts = [...prompt, ...completion.flat()].map(({ sequences, queries, keys }) => sequences * queries * keys)
    const all = counts.reduce((sum, count) => sum + count, 0)
    // One mask for all heads. Beside the layout's paddings, which are a few keys a query.
    const bytes = 4 * (config.heads * (all + 2 * Math.max(...counts)) + all)
    const scores = activations(length) - activations(1)
    expect(Math.abs(scores / bytes - 1)).toBeLessThan(0.01)
  })

  it('falls with the length of the sequences that the same rows are', () => {
    const [whole, halves, short] = [2048, 1024, 64].map((longest) => activations(longest) - activations(1))
    expect(whole! / halves!).toBeCloseTo(2, 2)
    expect(short!).toBeLessThan(0.04 * whole!)
  })

  it('has a mask for each window, and the slope of a cap', () => {
    const windowed = { ...config, attention: config.attention.map((shape, i) => (i % 2 === 0 ? { ...shape, window: 64 } : shape)) }
    const capped = { ...config, attention: config.attention.map((shape) => ({ ...shape, softcap: 50 })) }
    const [all, largest] = [0.75 * 2048 ** 2, 0.5 * 2048 ** 2]
    expect(activations(2048, windowed) - activations(2048)).toBe(4 * all)
    expect(activations(2048, capped) - activations(2048)).toBe(4 * config.heads * (all + largest))
  })

  it('comes with one candidate as long as the context, however small a micro-batch is meant to be', () => {
    const asked = (maxPositions: number, longest?: number) =>
      memoryNeeds({ ...config, maxPositions }, { microBatchTokens: 256, longest }).activations
    expect(asked(2048)).toBe(memoryNeeds(config, { rows: 2048, longest: 2048 }).activations)
    expect(asked(2048, 100)).toBe(memoryNeeds(config, { rows: 256, longest: 100 }).activations)
    // Up to where it is computed layer by layer.
    const { lone } = rowLimits(parameterCount(config), keptRowBytes(config))
    expect(asked(100_000)).toBe(memoryNeeds(config, { rows: lone }).activations)
    const whole = memoryNeeds({ ...config, maxPositions: 16_384 }, { activationCheckpointing: 'none' })
    expect(whole.activations).toBe(memoryNeeds(config, { rows: 16_384, activationCheckpointing: 'none' }).activations)
  })
})

describe('what a model needs', () => {
  it('follows from what is trained and how moments are held', () => {
    const config = smallLlama(true)
    const all = memoryNeeds(config, { rows: 10 })
    expect(all.gradients).toBe(all.weights)
    expect(all.moments).toBe(2 * all.weights)
    expect(all.activations).toBeGreaterThan(10 * keptRowBytes(config))
    expect(memoryNeeds(config, { plan: { moments: 'bfloat16' } }).moments).toBe(all.weights)
    const frozen = memoryNeeds(config, { plan: { freeze: ['model.embed_tokens.*'] } })
    expect(all.gradients - frozen.gradients).toBe(4 * config.vocabSize * config.hiddenSize)
    expect(memoryNeeds(config, { engines: 3 }).weights).toBe(3 * all.weights)
    const lora = { rank: 2, alpha: 2, rslora: false, dropout: 0, targetModules: ['q_proj'], seed: 0 } as const
    const queries = config.heads * config.headDim
    const factors = 4 * config.layers * 2 * (config.hiddenSize + queries)
    const adapted = memoryNeeds(config, { rows: 10, plan: { lora } })
    expect(adapted).toMatchObject({ weights: all.weights + factors, gradients: factors, moments: 2 * factors, snapshot: factors })
    // A base of 16-bit numbers, and what of it is float32 at a time.
    const halves = memoryNeeds(config, { rows: 10, plan: { lora }, frozenBytes: all.weights / 2 })
    expect(halves.weights).toBe(all.weights / 2 + factors)
    const largest = Math.max(...linearModules(config).map(({ inFeatures, outFeatures }) => inFeatures * outFeatures))
    expect(halves.activations - adapted.activations).toBe(6 * largest)
    expect(halves.sampling - adapted.sampling).toBe(6 * Math.max(largest, config.vocabSize * config.hiddenSize))
    // What is trained is float32, whatever the files hold.
    expect(memoryNeeds(config, { rows: 10, frozenBytes: all.weights / 2 })).toEqual(all)
    // Which inputs are kept: a byte each.
    const dropping = memoryNeeds(config, { rows: 10, plan: { lora: { ...lora, dropout: 0.1 } } })
    expect(dropping.activations - adapted.activations).toBe(10 * config.layers * config.hiddenSize)
  })
})

const isLinux = process.platform === 'linux'
;(isLinux ? describe : describe.skip).each([
  ['28m', []],
  ['28m', ['--lora', '16']],
  // One candidate, layer by layer.
  ['5m', ['--questions', '1', '--candidates', '1', '--completion', '2048', '--checkpointing', 'layers']],
])('a model of %s parameters %s, as the operating system counts', (shape, more) => {
  let measured: Measured
  beforeAll(() => {
    measured = measure(shape, ...more)
  }, 600_000)

  it('takes what was said, within 15 %', () => {
    const { predicted, first } = measured
    const peak = Math.max(...first.phases.map(({ peakMiB }) => peakMiB))
    expect(Math.abs(predicted.trainingMiB / peak - 1)).toBeLessThan(0.15)
  })

  it('is loaded once: four bytes a parameter beside the process', () => {
    const { predicted, first, resumed } = measured
    // Two processes load it. When V8 collects its garbage adds up to 18 MiB to one of them, and a second copy would stand in both.
    const peak = Math.min(peakOf(first.phases, 'load'), peakOf(resumed.phases, 'load'))
    expect(peak).toBeLessThan(1.1 * ((predicted.needs.process! + predicted.needs.weights!) / MIB))
  })

  it('is resumed without a second copy: only the moments are added to a model made ready to be trained', () => {
    const { predicted, resumed } = measured
    // The file is checked by chunks of 16 MiB.
    const added = (1.1 * predicted.needs.moments!) / MIB + 16
    expect(peakOf(resumed.phases, 'resume') - phaseOf(resumed.phases, 'prepare').afterMiB).toBeLessThan(added)
  })

  it('takes no more to be saved and exported than to be trained', () => {
    const { phases } = measured.first
    const training = Math.max(peakOf(phases, 'first step'), peakOf(phases, 'second step'))
    expect(peakOf(phases, 'save')).toBeLessThan(1.03 * training)
    // A base of 16-bit numbers is float32 in the file: the embeddings, 16 MiB, are the largest tensor that is made for it.
    expect(peakOf(phases, 'export')).toBeLessThan(1.03 * training + (more.includes('--lora') ? 16 : 0))
  })

  it('goes on bit for bit', () => {
    expect(measured.sameBytes).toBe(true)
  })
})
