import type { GenerationPrompt, Sampling } from '@plumbline/core/base'
import { Completion, CompletionRules } from '@plumbline/transformer'
import { FEWEST_ROWS } from '../decode/batch'
import { checkPrompts, rowsFor, type GeneratorModel, type RunOptions } from '../decode/generator'
import { prefillFeeds } from '../decode/prefill'
import { prefillGraph } from '../decode/prefill-graph'
import { padded } from '../decode/prompt-cache'
import { fedWeights } from '../decode/weights'
import { Graph } from '../graph/graph'
import { ropeTables } from '../training/batch-feeds'
import type { DeviceMemory, DeviceTensor } from './memory'
import type { DeviceTensors } from './parameters'
import { DeviceSession } from './session'
import { deviceStepGraph, relayoutGraph } from './step-graph'
import { Wave, type WavePrompt } from './wave'

/** Most prompt tokens, padding included, of one wave. */
const PREFILL_TOKENS = 4096

/**
 * Samples completions on a GPU. Weights, prompts and key-value caches stay there; logits come back, and tokens go in.
 *
 * Prompts are taken in waves: those of a wave go through the model together, each once for all of its candidates, and their
 * completions begin together and take their steps together. What a completion is does not depend on its wave.
 */
export class DeviceGenerator {
  private constructor(
    private readonly model: Omit<GeneratorModel, 'weights'>,
    private readonly memory: DeviceMemory,
    private readonly sessions: { readonly prefill: DeviceSession; readonly step: DeviceSession; readonly relayout: DeviceSession },
    private readonly tables: ReadonlyMap<string, DeviceTensor>,
  ) {}

  static async create(model: Omit<GeneratorModel, 'weights'>, memory: DeviceMemory): Promise<DeviceGenerator> {
    const { config } = model
    const prompt = new Graph('webgpu')
    const [prefill, step, relayout] = [
      prefillGraph(prompt, config, fedWeights(prompt)),
      deviceStepGraph(config),
      relayoutGraph(config.layers),
    ]
    const resident = (graph: typeof step) => DeviceSession.create(graph, graph.outputs)
    const tables = new Map<string, DeviceTensor>()
    for (const [name, table] of Object.entries(ropeTables(config.maxPositions, config.headDim, config.ropeTheta))) {
      tables.set(name, await memory.upload(table))
    }
    const sessions = { prefill: await resident(prefill), step: await resident(step), relayout: await resident(relayout) }
    return new DeviceGenerator(model, memory, sessions, tables)
  }

  async run(requests: readonly GenerationPrompt[], sampling: Sampling, weights: DeviceTensors, options: RunOptions): Promise<void> {
    const { config, tokenizer, endTokens } = this.model
    checkPrompts(requests, config)
    const limits = { vocabularySize: config.vocabSize, contextLength: config.maxPositions, endTokens }
    const rules = new CompletionRules(sampling, limits, tokenizer)
    const resident = Object.fromEntries([...this.tables, ...weights].map(([name, { native }]) => [name, native]))
    for (const wave of waves(requests, rowsFor(config, sampling.maxNewTokens))) await this.runWave(wave, rules, resident, options)
  }

  async release(): Promise<void> {
    for (const table of this.tables.values()) table.release()
    for (const session of Object.values(this.sessions)) await session.release()
  }

  private async runWave(
    requests: readonly GenerationPrompt[],
    rules: CompletionRules,
    resident: Readonly<Record<string, DeviceTensor['native']>>,
    { onGeneration, checkAborted, onLogits }: RunOptions,
  ): Promise<void> {
    const { config } = this.model
    const { vocabSize } = config
    checkAborted?.()
    const { width, ids, feeds } = prefillFeeds(config, requests)
    const { logits, ...caches } = (await this.sessions.prefill.run({ ...resident, ...feeds, ids: { data: ids, dims: [ids.length] } }))
      .resident
    const first = await this.read(logits)
    const advance = (completion: Completion, all: Float32Array, row: number) => {
      const own = all.subarray(row * vocabSize, (row + 1) * vocabSize)
      onLogits?.(completion, own)
      const done = completion.next(own)
      if (done) onGeneration(done)
      return !done
    }
    const prompts = requests.map(({ id, prompt, candidates }, g): WavePrompt => {
      const completions = candidates.map((candidate) => new Completion(rules, id, candidate, prompt.length))
      return { length: prompt.length, cells: completions.map((completion) => (advance(completion, first, g) ? { completion } : undefined)) }
    })
    const wave = new Wave(config, this.memory, this.sessions.relayout, prompts, width)
    try {
      await wave.begin(caches)
      while (wave.alive > 0) {
        checkAborted?.()
        const { resident: out } = await this.sessions.step.run({ ...resident, ...wave.feeds() })
        wave.took(out)
        const stepLogits = await this.read(out.logits)
        for (const { row, cell, end } of wave.rows()) if (!advance(cell.completion, stepLogits, row)) end()
        await wave.makeRoom()
        // The native call blocks this thread: messages are read between steps.
        await new Promise(setImmediate)
      }
    } finally {
      wave.release()
    }
  }

  private async read(logits: DeviceTensor['native']): Promise<Float32Array> {
    const held = this.memory.hold(logits)
    const data = await this.memory.download(held)
    held.release()
    return data
  }
}

/** Prompts of similar length together, as many as fit the rows and the prefill; the candidates of one may need several waves. */
function waves(requests: readonly GenerationPrompt[], rows: number): GenerationPrompt[][] {
  const most = Math.max(FEWEST_ROWS, rows)
  const parts = requests.flatMap((request) =>
    Array.from({ length: Math.ceil(request.candidates.length / most) }, (_, i) => ({
      ...request,
      candidates: request.candidates.slice(i * most, (i + 1) * most),
    })),
  )
  parts.sort((a, b) => b.prompt.length - a.prompt.length)
  const result: GenerationPrompt[][] = []
  for (const part of parts) {
    const wave = result.at(-1)
    const joined = wave ? [...wave, part] : []
    const cells = Math.max(0, ...joined.map(({ candidates }) => candidates.length))
    const width = Math.max(0, ...joined.map(({ prompt }) => padded(prompt.length)))
    if (wave && joined.length * cells <= most && joined.length * width <= PREFILL_TOKENS) wave.push(part)
    else result.push([part])
  }
  return result
}
