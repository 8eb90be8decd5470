import { availableParallelism } from 'node:os'
import type { LoraPlan, ModelSource, Tokenizer, TokenGroup, TrainingPlan } from '@plumbline/core/base'
import { cutModel, parameterCount, type ModelConfig } from '@plumbline/transformer'
import { MOST_THREADS, type OnnxOptions } from '../options'
import { policyOn, type Engines } from '../policy-on'
import { EngineClient } from '../worker/client'
import type { Contender, TrialDevices } from './faster'
import { openDevice } from './open'
import { ProcessPort } from './process-port'

/** Layers of the cut model, and parameters above which it has one alone: random weights of more take longer to draw than a step. */
const [LAYERS, FEW_PARAMETERS] = [2, 60e6]
/** Of a question: its prompt, and how many completions of what length it has. */
const [PROMPT, COMPLETIONS, LENGTH] = [32, 4, 32]
const ROWS = PROMPT + COMPLETIONS * LENGTH
/** Operations of a step: about a second of two cores, and enough for a GPU to do more than begin. */
const OPERATIONS = 60e9
const [FEWEST_QUESTIONS, MOST_QUESTIONS] = [2, 16]

/** What is trained, in a trial as in the run. */
export interface TrialModel {
  readonly source: ModelSource
  readonly config: ModelConfig
  readonly tokenizer: Tokenizer
  readonly plans: readonly TrainingPlan[]
  readonly options: OnnxOptions
}

/** The devices of this machine with a cut model, each in a process of its own, which can be ended at any moment. */
export function trialDevices(model: TrialModel): TrialDevices {
  return {
    now: () => performance.now(),
    gpu: async (signal) => {
      const { engine, adapter } = await openDevice('', signal)
      return contender(model, { engines: [engine], engineSettings: { device: 'webgpu', threads: 1 }, name: adapter })
    },
    cpu: async (signal) => {
      const threads = Math.min(MOST_THREADS, availableParallelism())
      const engine = new EngineClient(new ProcessPort({}, signal))
      return contender(model, { engines: [engine], engineSettings: { device: 'cpu', threads }, name: 'CPU' })
    },
  }
}

/** A cut model on engines, with a batch to train it on. */
export async function contender({ source, config: whole, tokenizer, plans, options }: TrialModel, engines: Engines): Promise<Contender> {
  const two = await cutModel(source, whole, LAYERS)
  const cut = parameterCount(two.config) > FEW_PARAMETERS ? await cutModel(source, whole, 1) : two
  const policy = await policyOn({ source: cut.source, config: cut.config, tokenizer, ids: cut.tokenizer }, engines, options)
  await policy.prepareTraining({ lora: loraOf(plans) })
  const groups = questions(cut.config)
  return {
    name: engines.name,
    step: async () => {
      await policy.forwardBackward(groups, (batch) => ({
        loss: 0,
        cotangents: batch.map(({ tokenLogProbs }) => tokenLogProbs.map(() => -1 / ROWS)),
      }))
      await policy.optimStep({ learningRate: 1e-6, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 })
    },
  }
}

/** Where every section trains an adapter alone, so does the trial; names of layers that were cut off are none of its. */
function loraOf(plans: readonly TrainingPlan[]): LoraPlan | undefined {
  const [first] = plans
  return first?.lora && plans.every(({ lora }) => lora !== undefined) ? { ...first.lora, targetModules: 'all-linear' } : undefined
}

/** As many as make a step of {@link OPERATIONS}: six a parameter and token, forward and backward. */
function questions(config: ModelConfig): TokenGroup[] {
  const wanted = Math.round(OPERATIONS / (6 * parameterCount(config) * ROWS))
  const tokens = (from: number, length: number) => Array.from({ length }, (_, t) => (from + 37 * t) % config.vocabSize)
  return Array.from({ length: Math.min(MOST_QUESTIONS, Math.max(FEWEST_QUESTIONS, wanted)) }, (_, question) => ({
    id: `trial-${question}`,
    prompt: tokens(11 * question, PROMPT),
    completions: Array.from({ length: COMPLETIONS }, (_, c) => tokens(11 * question + 101 * (c + 1), LENGTH)),
  }))
}
