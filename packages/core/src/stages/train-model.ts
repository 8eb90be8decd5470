import { rename, rm } from 'node:fs/promises'
import type { TrainingConfig } from '../config/schema'
import { writeJsonLines } from '../data/write'
import { finiteSum } from '../objective/score'
import type { Policy } from '../seams/policy'
import { train, type StepMetrics } from '../train/loop'
import type { Step, TrainingGroup } from '../train/step'
import { adapted } from './base-model'
import { Pace, type BaseModel, type Finished, type Model, type StageContext, type StageDesk, type StageOutcome } from './context'
import { without } from '../util/without'
import { slice, type Sequence } from '../util/sequence'
import type { DataSet } from './data'
import type { SectionPlan } from './training-plan'

export interface ModelTraining {
  readonly policy: Policy
  /** Whether an adapter is what comes of it, and not a model of its own. */
  readonly adapter: boolean
  readonly config: TrainingConfig
  readonly totalSteps: number
  step(step: number): Step
  /** e.g. `sft`, `align "boundary"`. */
  readonly title: string
  /** Reference chains to watch, never trained on. */
  readonly validation: Sequence<TrainingGroup>
  /** What they are known by. */
  readonly validationHash?: string
}

/** What determines a trained model, of a training section: everything but how often it is saved and looked at. */
export function trainingSection(section: Omit<TrainingConfig, 'checkpointEvery' | 'validateEvery'>): object {
  const freeze = section.freeze?.length ? section.freeze : undefined
  return { ...section, freeze, checkpointEvery: undefined, validateEvery: undefined }
}

/** Whether training leaves an adapter on the model's base: one that it trained, or, of a model with one that is not trained, that one. */
export function leavesAdapter({ lora, isIdle }: SectionPlan, start: Model): boolean {
  return lora !== undefined || (isIdle && start.base !== undefined)
}

/** What a training stage made of the model that it started from. */
export function trainedModel({ folder, manifest: { artifacts } }: Finished, start: Model): Model {
  const { model = '', adapter } = artifacts
  if (adapter === undefined) return { source: { kind: 'folder', path: folder.file('model') }, hash: model }
  return adapted(start.base ?? (start as BaseModel), folder.file('adapter'), { hash: adapter })
}

/** The figure of the validation chains, which stands apart from a step's own. */
const VALIDATION = 'validation/sft'

/**
 * Trains, with progress, and leaves `model/` or `adapter/` and `metrics.jsonl` in the stage's folder, and `validation.jsonl` where there is something to
 * watch. That one is no artifact: it does not follow from what determines the stage, and is not made again when the chains change.
 */
export async function trainModel(context: StageContext, desk: StageDesk, training: ModelTraining): Promise<StageOutcome> {
  const { policy, config, totalSteps, validation } = training
  const { signal } = context
  let pace: Pace | undefined
  const { metrics, completionTokens } = await train({
    ...training,
    folder: desk.folder.work(),
    say: (message) => desk.say(message),
    signal,
    validate: validation.length > 0 ? async () => ({ [VALIDATION]: await meanTokenLoss(policy, validation) }) : undefined,
    onStart: (step) => {
      pace = new Pace(step, totalSteps)
      desk.start(totalSteps, step)
    },
    onStep: ({ metrics: figures, computedTokens }) => {
      const { step } = figures
      desk.progress({ done: step, total: totalSteps, unit: 'steps', metrics: figures, ...pace?.at(step, computedTokens) })
    },
  })
  const result = training.adapter ? 'adapter' : 'model'
  await save(policy, result, desk.folder.work(result))
  await rm(desk.folder.file(result), { recursive: true, force: true })
  await rename(desk.folder.work(result), desk.folder.file(result))
  await writeJsonLines(desk.folder.file('metrics.jsonl'), metrics.map(withoutValidation))
  const looks = metrics.flatMap(({ step, [VALIDATION]: value }) => (value === undefined ? [] : [{ step, [VALIDATION]: value }]))
  await rm(desk.folder.file('validation.jsonl'), { force: true })
  if (looks.length > 0) await writeJsonLines(desk.folder.file('validation.jsonl'), looks)

  const last = metrics[metrics.length - 1]
  noteNothingLearnt(desk, training, metrics)
  const steps = totalSteps === 0 ? 'no steps' : `${totalSteps} ${totalSteps === 1 ? 'step' : 'steps'} of ${config.batchSize}`
  const loss = last === undefined ? '' : `, loss ${last.loss.toFixed(3)}`
  const watched = last?.[VALIDATION]
  return {
    artifacts: [result, 'metrics.jsonl'],
    summary: `${steps}${loss}${watched === undefined ? '' : `, on validation ${watched.toFixed(3)}`}`,
    ...(training.validationHash === undefined ? {} : { watched: { validation: training.validationHash } }),
    figures: { steps: totalSteps, completionTokens, ...(last === undefined ? {} : { loss: last.loss }) },
  }
}

async function save(policy: Policy, result: 'adapter' | 'model', folder: string): Promise<void> {
  if (result === 'model') return policy.saveWeights(folder)
  if (policy.saveAdapter === undefined) throw new Error('a policy that trains adapters cannot save one')
  return policy.saveAdapter(folder)
}

/**
 * Weights that overflow within the model give every token the same probability, and so a likelihood loss of ln(vocabulary): the figures
 * of such a run are finite and look like figures.
 */
function noteNothingLearnt(desk: StageDesk, { policy, title, validation }: ModelTraining, metrics: readonly StepMetrics[]): void {
  const last = metrics[metrics.length - 1]
  const positive = last?.['score/positive']
  // Of the likelihood loss only in stage 1, where it stands alone and without a weight.
  const trained = title === 'sft' ? last?.loss : positive === undefined ? undefined : -positive
  const seen = validation.length > 0 ? last?.[VALIDATION] : trained
  const chance = Math.log(policy.info.vocabularySize)
  if (seen === undefined || seen < 0.999 * chance) return
  desk.notice(
    'warning',
    `${title}: the model predicts right chains no better than chance in the end (${seen.toFixed(3)} a token; ` +
      `ln(${policy.info.vocabularySize}) is ${chance.toFixed(3)}): it learnt nothing, or a learningRate that is too large destroyed it.`,
  )
}

function withoutValidation(line: StepMetrics): object {
  return without(line, VALIDATION)
}

/** Says where a model that is finished was watched on other chains than the config names now, or on none. */
export function noteOtherValidation(context: StageContext, { manifest }: Finished, validation: DataSet | undefined): void {
  const { validation: seen } = (manifest.watched ?? {}) as { readonly validation?: string }
  if (validation === undefined || seen === validation.hash || manifest.figures.steps === 0) return
  const title = [manifest.stage, manifest.variant].filter(Boolean).join(' ')
  const what = seen === undefined ? 'was trained without validation data' : 'was watched on other validation data'
  context.say('info', `${title} ${what}; it is reused as it is, and the figures of data.validation are not made for it.`)
}

const CHUNK = 64

/** L_VFT of the groups: the mean over chains of the mean token negative log-likelihood. */
async function meanTokenLoss(policy: Policy, groups: Sequence<TrainingGroup>): Promise<number> {
  let sum = 0
  let chains = 0
  for (let start = 0; start < groups.length; start += CHUNK) {
    const chunk = slice(groups, start, start + CHUNK)
    const scored = await policy.logProbs(chunk)
    for (const [g, completions] of scored.entries()) {
      for (const tokens of completions) {
        if (tokens === undefined) continue
        sum -= finiteSum(tokens, chunk[g]?.id ?? '') / tokens.length
        chains++
      }
    }
  }
  return sum / chains
}
