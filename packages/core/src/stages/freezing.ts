import type { Config } from '../config/schema'
import { PlumbError } from '../errors'
import type { Backend, ModelFacts, ModelSource, Policy, TrainingPlan } from '../seams/policy'
import { frozenParameters } from '../train/freeze'

/** What a training section freezes, and where the section is. */
export interface Freezing {
  readonly patterns: readonly string[]
  /** e.g. `sft.freeze`. */
  readonly where: string
  readonly moments?: TrainingPlan['moments']
}

/**
 * Whether every `freeze` of the config names parameters of the model: better known before the first stage than after it. Looks where
 * the backend knows the names without opening the model.
 *
 * @throws PlumbError PLUMB_FREEZE_UNKNOWN, PLUMB_FREEZE_ALL, PLUMB_FREEZE_UNSUPPORTED
 */
export async function checkFreezing({ sft, align }: Pick<Config, 'sft' | 'align'>, backend: Backend, model: ModelSource): Promise<void> {
  const all = [freezingOf(sft, 'sft'), ...align.map((variant) => freezingOf(variant, `align "${variant.name}"`))]
  const asked = all.filter((freezing) => freezing !== undefined)
  const moments = asked.find((freezing) => freezing.moments === 'bfloat16')
  if (moments && !backend.bfloat16Moments) {
    const message = `The backend (${backend.name}) holds moments in float32 only; leave moments out or take another backend.`
    throw new PlumbError('PLUMB_MOMENTS_UNSUPPORTED', message, moments.where.replace(/freeze$/, 'moments'))
  }
  if (asked.every(({ patterns }) => patterns.length === 0)) return
  const facts = await backend.inspect?.(model)
  if (facts === undefined) return
  for (const freezing of asked) if (freezing.patterns.length > 0) frozenNames(freezing, facts, backend.name)
}

export function freezingOf(
  { freeze = [], moments }: { readonly freeze?: readonly string[]; readonly moments?: TrainingPlan['moments'] },
  section: string,
): Freezing | undefined {
  return freeze.length === 0 && moments === undefined ? undefined : { patterns: freeze, where: `${section}: freeze`, moments }
}

/** Readies a policy for training. @throws PlumbError PLUMB_FREEZE_UNSUPPORTED where it cannot freeze what shall be frozen. */
export async function prepareTraining(policy: Policy, freezing: Freezing | undefined): Promise<void> {
  if (freezing !== undefined && freezing.patterns.length > 0 && policy.prepareTraining === undefined)
    throw unsupported(policy.info.engine, freezing.where)
  await policy.prepareTraining?.({ freeze: freezing?.patterns, moments: freezing?.moments })
}

function frozenNames({ patterns, where }: Freezing, { parameterNames }: ModelFacts, backend: string): ReadonlySet<string> {
  if (parameterNames === undefined) throw unsupported(backend, where)
  return frozenParameters(patterns, parameterNames, where)
}

function unsupported(engine: string, where: string): PlumbError {
  return new PlumbError(
    'PLUMB_FREEZE_UNSUPPORTED',
    `The backend (${engine}) cannot freeze parameters; leave freeze out or take another backend.`,
    where,
  )
}
