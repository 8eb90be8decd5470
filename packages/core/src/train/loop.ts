import type { TrainingConfig } from '../config/schema'
import { isPlumbError, PlumbError } from '../errors'
import { Journal } from '../run/journal'
import type { AdamWOptions, Policy } from '../seams/policy'
import { Checkpoints } from './checkpoints'
import { learningRateAt } from './schedule'
import type { Step } from './step'

export interface TrainingInput {
  readonly policy: Policy
  readonly config: TrainingConfig
  readonly totalSteps: number
  /** The step's groups and objective; must depend on the step alone. */
  step(step: number): Step
  /** Where checkpoints and metrics lie while training goes on. */
  readonly folder: string
  /** Names the stage in messages, e.g. `align "boundary"`. */
  readonly title: string
  readonly signal?: AbortSignal
  /** Further figures of the model as it is, asked for every `validateEvery` steps and after the last one. */
  validate?(): Promise<Readonly<Record<string, number>>>
  /** Once, when it is known from which step training goes on. */
  onStart?(step: number): void
  onStep?(report: StepReport): void
  /** Told of damage that was found and passed over. */
  say?(message: string): void
}

/** One line of `metrics.jsonl`: figures only, no times. */
export interface StepMetrics {
  readonly step: number
  readonly loss: number
  readonly gradNorm: number
  readonly learningRate: number
  readonly completionTokens: number
  readonly [figure: string]: number
}

export interface StepReport {
  readonly metrics: StepMetrics
  readonly computedTokens: number
  readonly seconds: number
}

export interface TrainingOutcome {
  /** Every step's figures, those of earlier processes included. */
  readonly metrics: readonly StepMetrics[]
  readonly completionTokens: number
}

/**
 * Trains for `totalSteps` optimizer steps, from the last checkpoint in `folder` where there is one; interrupted and continued, it
 * ends with the same bits.
 *
 * @throws PlumbError PLUMB_CHECKPOINT_DAMAGED; PLUMB_INTERRUPTED after the signal's abort, with a checkpoint of the steps done; PLUMB_NON_FINITE_LOSS and
 *   PLUMB_NON_FINITE_GRADIENT with step and last checkpoint.
 */
export async function train(input: TrainingInput): Promise<TrainingOutcome> {
  const { policy, config, totalSteps, folder, title, signal } = input
  const checkpoints = new Checkpoints(`${folder}/checkpoints`)
  const journal = await Journal.open<StepMetrics>(`${folder}/metrics.jsonl`, { say: input.say })
  const latest = await checkpoints.load(policy, journal.length, input.say).catch(async (error: unknown) => {
    await journal.close()
    throw error
  })
  let done = latest?.step ?? 0
  let saved = done
  /** The step whose weights the policy has: one more than `done` between the optimizer and the step's line of metrics. */
  let weightsOf = done
  let completionTokens = latest?.completionTokens ?? 0
  const metrics = [...(await journal.cut(done))]

  const checkpoint = async () => {
    if (saved === done || weightsOf !== done) return
    await journal.sync()
    await checkpoints.save(policy, { step: done, completionTokens })
    saved = done
  }

  try {
    input.onStart?.(done)
    while (done < totalSteps) {
      signal?.throwIfAborted()
      const started = performance.now()
      const { groups, objective, prepare } = input.step(done)
      const learningRate = learningRateAt(done, totalSteps, config)
      if (groups.length > 0) await prepare?.(policy)
      const report = groups.length === 0 ? NOTHING : await policy.forwardBackward(groups, objective, { signal })
      weightsOf = done + 1
      const { gradNorm } = groups.length === 0 ? { gradNorm: 0 } : await policy.optimStep(adamW(config, learningRate))
      const line: StepMetrics = {
        step: done + 1,
        loss: report.loss,
        gradNorm,
        learningRate,
        completionTokens: report.completionTokens,
        ...report.metrics,
        ...((done + 1) % (config.validateEvery ?? config.checkpointEvery) === 0 || done + 1 === totalSteps ? await input.validate?.() : {}),
      }
      metrics.push(line)
      await journal.append(line)
      done++
      completionTokens += report.completionTokens
      input.onStep?.({ metrics: line, computedTokens: report.computedTokens, seconds: (performance.now() - started) / 1000 })
      if (done % config.checkpointEvery === 0 && done < totalSteps) await checkpoint()
    }
  } catch (error) {
    if (signal?.aborted && (weightsOf === done || isAbort(error, signal))) {
      await checkpoint()
      throw interrupted(`${title} after step ${saved} of ${totalSteps}`, error)
    }
    throw located(error, title, done, totalSteps, saved)
  } finally {
    await journal.close()
  }
  return { metrics, completionTokens }
}

/** A step in which no loss reads any candidate leaves the weights alone: weight decay and momentum would move them without a reason. */
const NOTHING = { loss: 0, metrics: {}, completionTokens: 0, computedTokens: 0 } as const

function adamW({ betas, epsilon, weightDecay, maxGradNorm }: TrainingConfig, learningRate: number): AdamWOptions {
  return { learningRate, betas, epsilon, weightDecay, maxGradNorm: maxGradNorm ?? undefined }
}

/** What a stage rejects with after an abort, once its work is saved. */
export function interrupted(where: string, cause?: unknown): PlumbError {
  const message = `Stopped in ${where}; what is done is kept. The same command goes on from there.`
  return new PlumbError('PLUMB_INTERRUPTED', message, undefined, { cause })
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  return error === signal.reason || (error as { name?: unknown } | undefined)?.name === 'AbortError'
}

/** Adds to an error of the policy where training stood. */
function located(error: unknown, title: string, done: number, total: number, saved: number): unknown {
  if (!isPlumbError(error)) return error
  const good = saved > 0 ? `The last good checkpoint is that of step ${saved}.` : 'There is no checkpoint yet.'
  // These were found in the weights themselves: whatever step they are of, they are not to be gone on with.
  const weights = error.code === 'PLUMB_NON_FINITE_WEIGHTS' ? '' : `; the weights are those of step ${done}`
  const at = done < total ? `at step ${done + 1} of ${total}` : `after step ${done} of ${total}`
  const message = `${error.message} Training stopped ${at}${weights}. ${good}`
  return new PlumbError(error.code, message, [title, error.where].filter(Boolean).join(', '), { cause: error })
}
