import type { Config, TrainingConfig } from '../config/schema'
import { PlumbError } from '../errors'
import type { Backend, ModelFacts, ModelSource, Policy, TrainingPlan } from '../seams/policy'
import { frozenParameters } from '../train/freeze'
import { loraModules } from '../train/lora'

/** How a training section changes the model, and which section it is. */
export interface SectionPlan extends TrainingPlan {
  /** e.g. `sft`. */
  readonly section: string
  /** Whether it trains nothing. */
  readonly isIdle: boolean
}

/** What of a section decides its plan. */
type PlannedSection = Pick<TrainingConfig, 'freeze' | 'lora' | 'moments' | 'steps'>

/** @param seed of the run. */
export function planOf({ freeze, lora, moments, steps }: PlannedSection, section: string, seed: number): SectionPlan {
  return {
    section,
    isIdle: steps === 0,
    ...(freeze?.length ? { freeze } : {}),
    ...(moments === undefined ? {} : { moments }),
    // What trains nothing makes no adapter either.
    ...(lora === undefined || steps === 0 ? {} : { lora: { ...lora, seed } }),
  }
}

/**
 * Whether every `freeze` and `lora` of the config fits the model, and the backend can do it: better known before the first stage than
 * after it. Looks where the backend knows the names without opening the model.
 *
 * @throws PlumbError PLUMB_FREEZE_UNKNOWN, PLUMB_FREEZE_ALL, PLUMB_FREEZE_UNSUPPORTED, PLUMB_LORA_TARGET, PLUMB_LORA_RANK,
 *   PLUMB_LORA_UNSUPPORTED, PLUMB_MOMENTS_UNSUPPORTED
 */
export async function checkPlans(
  { sft, align, seed }: Pick<Config, 'sft' | 'align' | 'seed'>,
  backend: Backend,
  model: ModelSource,
): Promise<void> {
  if (model.kind === 'adapter' && !backend.lora) throw cannotAdapt(backend.name, 'model')
  const all = [planOf(sft, 'sft', seed), ...align.map((variant) => planOf(variant, `align "${variant.name}"`, seed))]
  const halved = all.find(({ moments }) => moments === 'bfloat16')
  if (halved && !backend.bfloat16Moments) {
    const message = `The backend (${backend.name}) holds moments in float32 only; leave moments out or take another backend.`
    throw new PlumbError('PLUMB_MOMENTS_UNSUPPORTED', message, `${halved.section}: moments`)
  }
  const asked = all.filter(({ freeze, lora }) => freeze !== undefined || lora !== undefined)
  if (asked.length === 0) return
  for (const { lora, section } of asked) if (lora && !backend.lora) throw cannotAdapt(backend.name, `${section}: lora`)
  const facts = await backend.inspect?.(model)
  if (facts === undefined) return
  for (const plan of asked) requireFit(plan, facts, backend.name)
}

/** Readies a policy for training. @throws PlumbError PLUMB_FREEZE_UNSUPPORTED, PLUMB_LORA_UNSUPPORTED where it cannot do what is asked for. */
export async function prepareTraining(policy: Policy, { freeze, lora, moments, section }: SectionPlan): Promise<void> {
  const { engine } = policy.info
  if (freeze !== undefined && policy.prepareTraining === undefined) throw cannotFreeze(engine, `${section}: freeze`)
  if (lora !== undefined && (policy.prepareTraining === undefined || policy.saveAdapter === undefined)) {
    throw cannotAdapt(engine, `${section}: lora`)
  }
  await policy.prepareTraining?.({ freeze, lora, moments })
}

function requireFit({ freeze, lora, section }: SectionPlan, { parameterNames, linearModules }: ModelFacts, backend: string): void {
  if (freeze !== undefined) {
    if (parameterNames === undefined) throw cannotFreeze(backend, `${section}: freeze`)
    frozenParameters(freeze, parameterNames, `${section}: freeze`)
  }
  if (lora !== undefined) {
    if (linearModules === undefined) throw cannotAdapt(backend, `${section}: lora`)
    loraModules(lora, linearModules, `${section}: lora`)
  }
}

function cannotFreeze(engine: string, where: string): PlumbError {
  const message = `The backend (${engine}) cannot freeze parameters; leave freeze out or take another backend.`
  return new PlumbError('PLUMB_FREEZE_UNSUPPORTED', message, where)
}

function cannotAdapt(engine: string, where: string): PlumbError {
  const way = where === 'model' ? 'merge the adapter into its base' : 'leave lora out'
  return new PlumbError('PLUMB_LORA_UNSUPPORTED', `The backend (${engine}) cannot compute adapters; ${way} or take another backend.`, where)
}
