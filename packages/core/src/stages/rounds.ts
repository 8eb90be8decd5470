import type { ResolvedVariant } from '../config/resolve'
import { roundName } from '../run/round-name'
import { randomStreams } from '../util/random'
import { alignStage } from './align'
import type { Finished, Model, StageContext } from './context'
import type { RunData } from './data'
import { labelStage } from './label'
import type { Round } from './round'
import { sampleStage } from './sample'
import { trainedModel } from './train-model'

/** What one round of a variant has made. */
export interface RoundOutcome {
  readonly name: string
  readonly round: number
  readonly model: Model
  readonly sampled: Finished
  readonly labels: Finished
  readonly aligned: Finished
}

/** The stages of the first round, which all variants share. */
export interface FirstRound {
  readonly sampled: Finished
  readonly labels: Finished
}

/**
 * Aligns one variant, and from the second round on samples from its own model, labels, and aligns that model again. Each round's policy
 * is the frozen reference of the next.
 *
 * @returns an outcome a round, in their order
 */
export async function alignRounds(
  context: StageContext,
  data: RunData,
  variant: ResolvedVariant,
  first: FirstRound,
  models: Readonly<Record<'sft' | 'base', Model>>,
  rounds = context.config.rounds,
): Promise<readonly RoundOutcome[]> {
  const outcomes: RoundOutcome[] = []
  const aligned = await alignStage(context, data, variant, first.labels, models)
  let model = trainedModel(aligned, models[variant.config.startFrom])
  outcomes.push({ name: variant.name, round: 1, model, ...first, aligned })
  for (let number = 2; number <= rounds; number++) {
    const round: Round = { name: roundName(variant.name, number), seed: seedOf(context.config.seed, number) }
    const sampled = await sampleStage(context, data, model, round)
    const labels = await labelStage(context, data, sampled, round)
    const again = await alignStage(context, data, variant, labels, { sft: model, base: models.base }, round)
    model = trainedModel(again, model)
    outcomes.push({ name: round.name, round: number, model, sampled, labels, aligned: again })
  }
  return outcomes
}

function seedOf(seed: number, round: number): number {
  return Math.floor(randomStreams(seed)('round', round)() * 2 ** 31)
}
