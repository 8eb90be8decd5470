import type { Config } from '../config/schema'
import { PlumbError } from '../errors'
import type { Backend, ModelFacts, ModelSource, Policy } from '../seams/policy'
import { frozenParameters } from '../train/freeze'

/** What a training section freezes, and where the section is. */
export interface Freezing {
  readonly patterns: readonly string[]
  /** e.g. `sft.freeze`. */
  readonly where: string
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
  if (asked.length === 0) return
  const facts = await backend.inspect?.(model)
  if (facts === undefined) return
  for (const freezing of asked) frozenNames(freezing, facts, backend.name)
}

export function freezingOf({ freeze }: { readonly freeze?: readonly string[] }, section: string): Freezing | undefined {
  return freeze === undefined || freeze.length === 0 ? undefined : { patterns: freeze, where: `${section}: freeze` }
}

/** Readies a policy for training. @throws PlumbError PLUMB_FREEZE_UNSUPPORTED where it cannot freeze what shall be frozen. */
export async function prepareTraining(policy: Policy, freezing: Freezing | undefined): Promise<void> {
  if (freezing !== undefined && policy.prepareTraining === undefined) throw unsupported(policy.info.engine, freezing.where)
  await policy.prepareTraining?.({ freeze: freezing?.patterns })
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
