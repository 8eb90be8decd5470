import type { GenerationPrompt, Sampling } from '@plumbline/core/base'
import { Completion, type CompletionRules } from '@plumbline/transformer'
import { completionRules, type GeneratorModel, type RunOptions } from '../decode/generator'
import { prefillFeeds } from '../decode/prefill'
import { prefillGraph } from '../decode/prefill-graph'
import { padded } from '../decode/prompt-cache'
import { stepValues } from '../decode/step-graph'
import { relayoutGraph } from '../decode/wave-cache'
import { fedWeights } from '../decode/weights'
import { emit } from '../graph/emit'
import { Graph } from '../graph/graph'
import { RopeTables } from '../runtime/rope-tables'
import type { Tensor } from '../runtime/onnxruntime'
import type { Feeds } from '../runtime/session'
import { continuedChoice, type ChoiceKind } from './choice-graph'
import { ChoiceConstants, ChosenTokens, choiceKind, DeviceChooser, sessionsByChoice } from './chooser'
import type { DeviceMemory } from './memory'
import { nativeTensors, type DeviceTensors } from './parameters'
import { DeviceSession } from './session'
import { Wave, type WavePrompt } from './wave'
import { waveLimits, waves } from './wave-plan'
import { tensorNamed } from '../runtime/tensor-named'

/** The logits are not to be seen: they stay on the device. */
type DeviceRunOptions = Omit<RunOptions, 'onLogits' | 'onStep'>

/** Steps between two reads. A read waits for the device, which idles until the host has described the next step; what ends in between is computed along until then. */
const STEPS_PER_READ = 8

/**
 * Samples completions on a GPU. Weights, prompts, key-value caches and logits stay there; tokens are chosen there and come back.
 *
 * Prompts are taken in waves: those of a wave go through the model together, each once for all of its candidates, and their
 * completions begin together and take their steps together. What a completion is does not depend on its wave.
 */
export class DeviceGenerator {
  private readonly chooser: DeviceChooser
  private readonly steps = sessionsByChoice((kind) => this.choosingStep(kind))

  private constructor(
    private readonly model: Omit<GeneratorModel, 'weights'>,
    private readonly memory: DeviceMemory,
    private readonly sessions: { readonly prefill: DeviceSession; readonly relayout: DeviceSession },
    private readonly tables: RopeTables,
  ) {
    this.chooser = new DeviceChooser(model.config.vocabSize)
  }

  static async create(model: Omit<GeneratorModel, 'weights'>, memory: DeviceMemory): Promise<DeviceGenerator> {
    const { config, adapter } = model
    const prompt = new Graph('webgpu')
    const [prefill, relayout] = [prefillGraph(prompt, config, fedWeights(prompt), adapter), relayoutGraph(config.layers)]
    const resident = (graph: typeof prefill) => DeviceSession.create(graph, graph.outputs)
    const sessions = { prefill: await resident(prefill), relayout: await resident(relayout) }
    return new DeviceGenerator(model, memory, sessions, new RopeTables(config, (tables) => memory.uploadAll(tables)))
  }

  async run(requests: readonly GenerationPrompt[], sampling: Sampling, weights: DeviceTensors, options: DeviceRunOptions): Promise<void> {
    const { config } = this.model
    const rules = completionRules(this.model, requests, sampling)
    const longest = requests.reduce((most, { prompt }) => Math.max(most, prompt.length), 0)
    const tables = await this.tables.upTo(padded(longest) + sampling.maxNewTokens)
    const resident = { ...tables, ...nativeTensors(weights) }
    const step = await this.steps.of(choiceKind(sampling))
    for (const wave of waves(requests, waveLimits(config, sampling.maxNewTokens))) await this.runWave(step, wave, rules, resident, options)
  }

  async release(): Promise<void> {
    this.tables.release()
    for (const session of Object.values(this.sessions)) await session.release()
    await this.steps.release()
    await this.chooser.release()
  }

  private async runWave(
    step: DeviceSession,
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
    const ended = new Set<Completion>()
    const take = (completion: Completion, token: number) => {
      const done = completion.take(token)
      if (!done) return
      onGeneration(done)
      ended.add(completion)
    }
    const begun = requests.map(({ id, prompt, candidates }) =>
      candidates.map((candidate) => new Completion(rules, id, candidate, prompt.length)),
    )
    const choices = begun.flatMap((completions, row) => completions.map((completion) => ({ completion, row })))
    const tokens = await this.holding(logits, () => this.chooser.choose(logits, choices, rules.sampling)).catch((error: unknown) => {
      for (const cache of Object.values(caches)) cache.release()
      throw error
    })
    for (const [index, { completion }] of choices.entries()) take(completion, tokens[index]!)
    const prompts = requests.map(({ prompt }, g): WavePrompt => ({
      length: prompt.length,
      cells: begun[g]!.map((completion) => (ended.has(completion) ? undefined : { completion })),
    }))
    const wave = new Wave(config, this.memory, this.sessions.relayout, prompts, width)
    let constants: ChoiceConstants | undefined
    try {
      await wave.begin(caches)
      while (wave.alive > 0) {
        const rows = wave.rows().map(({ row, cell: { completion }, end }) => ({ row, completion, end }))
        const left = rules.sampling.maxNewTokens - wave.tokens
        if (constants?.rows !== wave.size) {
          constants?.held.release()
          constants = undefined
          constants = await ChoiceConstants.of(this.memory, wave.size, rules.sampling)
        }
        const chosen = new ChosenTokens(this.memory, constants, rows)
        try {
          await this.takeSteps(step, wave, chosen, Math.min(STEPS_PER_READ, wave.room, left), resident, checkAborted)
          for (const tokenOf of await chosen.read()) {
            for (const choice of rows) {
              if (!ended.has(choice.completion)) take(choice.completion, tokenOf(choice))
            }
          }
        } finally {
          chosen.release()
        }
        for (const { completion, end } of rows) if (ended.has(completion)) end()
        await wave.makeRoom()
      }
    } finally {
      constants?.held.release()
      wave.release()
    }
  }

  /** Steps of which the host sees nothing until they are read; what has ended in between is computed along. */
  private async takeSteps(
    step: DeviceSession,
    wave: Wave,
    chosen: ChosenTokens,
    steps: number,
    resident: Feeds,
    checkAborted: DeviceRunOptions['checkAborted'],
  ): Promise<void> {
    for (let taken = 0; taken < steps; taken++) {
      checkAborted?.()
      const { resident: out } = await step.run({ ...resident, ...wave.feeds(chosen.ids ?? wave.lastTokens()), ...chosen.draw() })
      wave.took(out)
      chosen.took(out)
      // The native call blocks this thread: messages are read between steps.
      await new Promise(setImmediate)
    }
  }

  /** A step that chooses the tokens as well. The logits are nobody's: the device frees them itself. */
  private choosingStep(kind: ChoiceKind): Promise<DeviceSession> {
    const { config, adapter } = this.model
    const graph = new Graph('webgpu')
    const { logits, ...caches } = stepValues(graph, config, fedWeights(graph), adapter)
    const emitted = emit({ ...continuedChoice(graph, logits, config.vocabSize, kind), ...caches })
    return DeviceSession.create(emitted, emitted.outputs)
  }

  /** Counts logits as held while they are read, and frees them. */
  private async holding<T>(logits: Tensor, read: (logits: Tensor) => Promise<T>): Promise<T> {
    const held = this.memory.hold(logits)
    try {
      return await read(logits)
    } finally {
      held.release()
    }
  }
}
