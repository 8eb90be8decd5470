import type { ResolvedVariant } from '../config/resolve'
import { STAGES, type StageName, type StagePlace } from '../run/events'
import { roundName } from '../run/round-name'
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
  const further = Array.from({ length: rounds - 1 }, (_, n) => n + 2)
  const inRound = (variant: string) => (['sample', 'label', 'align'] as const).map((stage) => ({ stage, variant }))
  const models = [1, ...further].flatMap((round) => variants.map(({ name }) => roundName(name, round)))
  const places: Readonly<Record<StageName, readonly StagePlace[]>> = {
    sft: [{ stage: 'sft' }],
    sample: [{ stage: 'sample' }],
    label: [{ stage: 'label' }],
    align: variants.flatMap(({ name }) => [
      { stage: 'align', variant: name },
      ...further.flatMap((round) => inRound(roundName(name, round))),
    ]),
    evaluate: ['candidates', VFT_ROW, ...models].flatMap((name) =>
      tests.map((test) => ({ stage: 'evaluate', variant: ofSet(name, test) }) as const),
    ),
  }
  return STAGES.slice(0, STAGES.indexOf(last) + 1).flatMap((stage) => places[stage])
}
