import type { GenerationPrompt, Sampling } from '@plumbline/core/base'
import { Completion, type CompletionRules } from '@plumbline/transformer'
import { FEWEST_ROWS } from '../decode/batch'
import { completionRules, rowsFor, type GeneratorModel, type RunOptions } from '../decode/generator'
import { prefillFeeds } from '../decode/prefill'
import { prefillGraph } from '../decode/prefill-graph'
import { padded } from '../decode/prompt-cache'
import { stepGraph } from '../decode/step-graph'
import { relayoutGraph } from '../decode/wave-cache'
import { fedWeights } from '../decode/weights'
import { Graph } from '../graph/graph'
import { RopeTables } from '../runtime/rope-tables'
import type { Feeds } from '../runtime/session'
import { DeviceChooser, type Choice } from './chooser'
import type { DeviceMemory, DeviceTensor } from './memory'
import { nativeTensors, type DeviceTensors } from './parameters'
import { DeviceSession } from './session'
import { Wave, type WavePrompt } from './wave'
import { tensorNamed } from '../runtime/tensor-named'

/** The logits are not to be seen: they stay on the device. */
type DeviceRunOptions = Omit<RunOptions, 'onLogits' | 'onStep'>

/** Most prompt tokens, padding included, of one wave. */
const PREFILL_TOKENS = 4096

/**
 * Samples completions on a GPU. Weights, prompts, key-value caches and logits stay there; tokens are chosen there and come back.
 *
 * Prompts are taken in waves: those of a wave go through the model together, each once for all of its candidates, and their
 * completions begin together and take their steps together. What a completion is does not depend on its wave.
 */
export class DeviceGenerator {
  private readonly chooser: DeviceChooser

  private constructor(
    private readonly model: Omit<GeneratorModel, 'weights'>,
    private readonly memory: DeviceMemory,
    private readonly sessions: { readonly prefill: DeviceSession; readonly step: DeviceSession; readonly relayout: DeviceSession },
    private readonly tables: RopeTables,
  ) {
    this.chooser = new DeviceChooser(model.config.vocabSize)
  }

  static async create(model: Omit<GeneratorModel, 'weights'>, memory: DeviceMemory): Promise<DeviceGenerator> {
    const { config, adapter } = model
    const [prompt, token] = [new Graph('webgpu'), new Graph('webgpu')]
    const [prefill, step, relayout] = [
      prefillGraph(prompt, config, fedWeights(prompt), adapter),
      stepGraph(token, config, fedWeights(token), adapter),
      relayoutGraph(config.layers),
    ]
    const resident = (graph: typeof step) => DeviceSession.create(graph, graph.outputs)
    const sessions = { prefill: await resident(prefill), step: await resident(step), relayout: await resident(relayout) }
    return new DeviceGenerator(model, memory, sessions, new RopeTables(config, (tables) => memory.uploadAll(tables)))
  }

  async run(requests: readonly GenerationPrompt[], sampling: Sampling, weights: DeviceTensors, options: DeviceRunOptions): Promise<void> {
    const { config } = this.model
    const rules = completionRules(this.model, requests, sampling)
    const longest = requests.reduce((most, { prompt }) => Math.max(most, prompt.length), 0)
    const tables = await this.tables.upTo(padded(longest) + sampling.maxNewTokens)
    const resident = { ...tables, ...nativeTensors(weights) }
    for (const wave of waves(requests, rowsFor(config, sampling.maxNewTokens))) await this.runWave(wave, rules, resident, options)
  }

  async release(): Promise<void> {
    this.tables.release()
    for (const session of Object.values(this.sessions)) await session.release()
    await this.chooser.release()
  }

  private async runWave(
    requests: readonly GenerationPrompt[],
    rules: CompletionRules,
    resident: Feeds,
    { onGeneration, checkAborted }: DeviceRunOptions,
  ): Promise<void> {
    const { config } = this.model
    checkAborted?.()
    const { width, ids, feeds } = prefillFeeds(config, requests)
    const { resident: outputs } = await this.sessions.prefill.run({ ...resident, ...feeds, ids: { data: ids, dims: [ids.length] } })
    const logits = tensorNamed(outputs, 'logits')
    const prefilled = Object.entries(outputs).filter(([name]) => name !== 'logits')
    // Held from here on, so that they are counted, and freed when the first choice fails too.
    const caches = Object.fromEntries(prefilled.map(([name, tensor]) => [name, this.memory.hold(tensor)]))
    /** Gives each completion its next token; returns those that have ended with it. */
    const advance = async (from: DeviceTensor['native'], choices: readonly Choice[]): Promise<ReadonlySet<Completion>> => {
      const tokens = await this.choose(from, choices, rules.sampling)
      const ended = new Set<Completion>()
      for (const [index, { completion }] of choices.entries()) {
        const done = completion.take(tokens[index]!)
        if (!done) continue
        onGeneration(done)
        ended.add(completion)
      }
      return ended
    }
    const begun = requests.map(({ id, prompt, candidates }) =>
      candidates.map((candidate) => new Completion(rules, id, candidate, prompt.length)),
    )
    const choices = begun.flatMap((completions, row) => completions.map((completion) => ({ completion, row })))
    const first = await advance(logits, choices).catch((error: unknown) => {
      for (const cache of Object.values(caches)) cache.release()
      throw error
    })
    const prompts = requests.map(({ prompt }, g): WavePrompt => ({
      length: prompt.length,
      cells: begun[g]!.map((completion) => (first.has(completion) ? undefined : { completion })),
    }))
    const wave = new Wave(config, this.memory, this.sessions.relayout, prompts, width)
    try {
      await wave.begin(caches)
      while (wave.alive > 0) {
        checkAborted?.()
        const { resident: out } = await this.sessions.step.run({ ...resident, ...wave.feeds() })
        wave.took(out)
        const rows = wave.rows()
        const ended = await advance(
          tensorNamed(out, 'logits'),
          rows.map(({ row, cell: { completion } }) => ({ row, completion })),
        )
        for (const { cell, end } of rows) if (ended.has(cell.completion)) end()
        await wave.makeRoom()
        // The native call blocks this thread: messages are read between steps.
        await new Promise(setImmediate)
      }
    } finally {
      wave.release()
    }
  }

  private async choose(logits: DeviceTensor['native'], choices: readonly Choice[], sampling: Sampling): Promise<readonly number[]> {
    const held = this.memory.hold(logits)
    try {
      return await this.chooser.choose(logits, choices, sampling)
    } finally {
      held.release()
    }
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
