import { rename, rm } from 'node:fs/promises'
import type { TrainingConfig } from '../config/schema'
import { summed } from '../objective/score'
import { writeFileAtomic } from '../run/files'
import type { Policy } from '../seams/policy'
import { train } from '../train/loop'
import type { Step, TrainingGroup } from '../train/step'
import { Pace, type StageContext, type StageDesk, type StageOutcome } from './context'

export interface ModelTraining {
  readonly policy: Policy
  readonly config: TrainingConfig
  readonly totalSteps: number
  step(step: number): Step
  /** e.g. `sft`, `align "boundary"`. */
  readonly title: string
  /** Reference chains to watch, never trained on. */
  readonly validation: readonly TrainingGroup[]
}

/** What determines a trained model, of a training section: everything but how often it is saved. */
export function trainingSection(section: Omit<TrainingConfig, 'checkpointEvery'>): object {
  return { ...section, checkpointEvery: undefined }
}

/** Trains, with progress, and leaves `model/` and `metrics.jsonl` in the stage's folder. */
export async function trainModel(context: StageContext, desk: StageDesk, training: ModelTraining): Promise<StageOutcome> {
  const { policy, config, totalSteps, validation } = training
  const { signal } = context
  let pace: Pace | undefined
  const { metrics, completionTokens } = await train({
    ...training,
    folder: desk.folder.work(),
    say: (message) => desk.say(message),
    signal,
    validate: validation.length > 0 ? async () => ({ 'validation/sft': await meanTokenLoss(policy, validation) }) : undefined,
    onStart: (step) => {
      pace = new Pace(step, totalSteps)
      desk.start(totalSteps, step)
    },
    onStep: ({ metrics: figures, computedTokens }) => {
      const { step } = figures
      desk.progress({ done: step, total: totalSteps, unit: 'steps', metrics: figures, ...pace?.at(step, computedTokens) })
    },
  })
  await policy.saveWeights(desk.folder.work('model'))
  await rm(desk.folder.file('model'), { recursive: true, force: true })
  await rename(desk.folder.work('model'), desk.folder.file('model'))
  await writeFileAtomic(desk.folder.file('metrics.jsonl'), metrics.map((line) => `${JSON.stringify(line)}\n`).join(''))

  const last = metrics[metrics.length - 1]
  const steps = totalSteps === 0 ? 'no steps' : `${totalSteps} ${totalSteps === 1 ? 'step' : 'steps'} of ${config.batchSize}`
  const loss = last === undefined ? '' : `, loss ${last.loss.toFixed(3)}`
  const watched = last?.['validation/sft']
  return {
    artifacts: ['model', 'metrics.jsonl'],
    summary: `${steps}${loss}${watched === undefined ? '' : `, on validation ${watched.toFixed(3)}`}`,
    figures: { steps: totalSteps, completionTokens, ...(last === undefined ? {} : { loss: last.loss }) },
  }
}

const CHUNK = 64

/** L_VFT of the groups: the mean over chains of the mean token negative log-likelihood. */
async function meanTokenLoss(policy: Policy, groups: readonly TrainingGroup[]): Promise<number> {
  let sum = 0
  let chains = 0
  for (let start = 0; start < groups.length; start += CHUNK) {
    const scored = await policy.logProbs(groups.slice(start, start + CHUNK))
    for (const completions of scored) {
      for (const tokens of completions) {
        if (tokens === undefined) continue
        sum -= summed(tokens) / tokens.length
        chains++
      }
    }
  }
  return sum / chains
}
