import type { ResolvedVariant } from '../config/resolve'
import { STAGES, type StageName, type StagePlace } from '../seams/run-events'
import { modelsOfRounds } from '../run/round-name'
import { ofSet, type TestSet } from './data'
import { VFT_ROW } from './report'

/**
 * The stages up to `last` in their order, as far as it is known before they run: which further ones a loss asks for (`align reference`) is seen when its
 * variant begins.
 */
export function plannedStages(
  last: StageName,
  variants: readonly ResolvedVariant[],
  rounds: number,
  tests: readonly TestSet[],
): StagePlace[] {
  const models = modelsOfRounds(variants, rounds)
  const furtherOf = (of: ResolvedVariant) => models.filter(({ variant, round }) => variant === of && round > 1)
  const places: Readonly<Record<StageName, readonly StagePlace[]>> = {
    sft: [{ stage: 'sft' }],
    sample: [{ stage: 'sample' }],
    label: [{ stage: 'label' }],
    align: variants.flatMap((variant) => [
      { stage: 'align', variant: variant.name },
      ...furtherOf(variant).flatMap(({ name }) => (['sample', 'label', 'align'] as const).map((stage) => ({ stage, variant: name }))),
    ]),
    evaluate: ['candidates', VFT_ROW, ...models.map(({ name }) => name)].flatMap((name) =>
      tests.map((test) => ({ stage: 'evaluate', variant: ofSet(name, test) }) as const),
    ),
  }
  return STAGES.slice(0, STAGES.indexOf(last) + 1).flatMap((stage) => places[stage])
}
