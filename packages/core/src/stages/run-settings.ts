import type { ResolvedConfig } from '../config/resolve'
import { without } from '../util/without'

/**
 * The settings of the stages, defaults filled in, for reporters: names and numbers that runs are compared by. No paths, and of options what keys of
 * artifacts hold: nothing secret, and `${env:…}` as it stands.
 */
export function runSettings({ config, variants, sampler, labeler }: ResolvedConfig): Readonly<Record<string, unknown>> {
  const { seed, sft, sample, evaluate } = config
  const settings = {
    seed,
    sft,
    sample: { ...sample, sampler: sampler.identity },
    label: labeler.identity,
    align: variants.map(({ name, config: variant, terms }) => ({
      name,
      ...without(variant, 'name', 'losses'),
      losses: terms.map(({ identity, weight }) => ({ ...identity, weight })),
    })),
    evaluate: without(evaluate, 'label'),
  }
  // Absent keys are absent for others too.
  return JSON.parse(JSON.stringify(settings)) as Readonly<Record<string, unknown>>
}
