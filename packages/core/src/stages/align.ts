import type { ResolvedTerm, ResolvedVariant } from '../config/resolve'
import { PlumbError } from '../errors'
import { isLikelihood, type WeightedLoss } from '../objective/groups'
import { readLines } from '../run/files'
import type { ModelFacts } from '../seams/policy'
import { EpochOrder, stepsOf } from '../train/order'
import { trainingStep, type TrainingGroup } from '../train/step'
import { alignGroups, chainsFrom, hasSignal, selectionCounts, type AlignGroups } from './align-groups'
import type { Finished, Model, StageContext, StageDesk } from './context'
import type { RunData } from './data'
import { freezingOf } from './freezing'
import type { LabelledQuestion } from './records'
import { referenceLogProbs } from './reference'
import { ReferenceEncoding } from './sft'
import { without } from '../util/without'
import { noteOtherValidation, trainingSection, trainModel } from './train-model'

/** Stage 4 for one variant: L_VFT and alignment losses over the labelled groups. */
export async function alignStage(
  context: StageContext,
  data: RunData,
  { config: variant, terms }: ResolvedVariant,
  labels: Finished,
  models: Readonly<Record<'sft' | 'base', Model>>,
): Promise<Finished> {
  const losses = named(terms)
  const start = models[variant.startFrom]
  const labelHash = labels.manifest.artifacts['groups.jsonl']
  const needsReference = losses.some(({ loss }) => loss.manifest.needsReference)
  const { name } = variant
  const section = without(variant, 'name', 'losses')
  const sftFrom = chainsFrom(variant, losses, data.questions.records)
  const determinedBy = {
    align: { ...trainingSection(section), sftFrom, losses: terms.map(({ identity, weight }) => ({ ...identity, weight })) },
    model: start.hash,
    labels: labelHash,
    ...(sftFrom === 'train' ? { train: data.train.hash, prompt: context.config.prompt } : {}),
    ...(needsReference ? { reference: models.sft.hash } : {}),
  }
  const spec = { stage: 'align', variant: name, determinedBy, code: codeOf(terms), backend: true, seed: context.config.seed } as const
  const read = () => readLines<LabelledQuestion>(labels.folder.file('groups.jsonl'))
  const reference = async () => {
    const labelled = await read()
    return referenceLogProbs(context, labelled, labelHash, models.sft)
  }
  const finished = await context.run(spec, async (desk) => {
    const labelled = await read()
    const groups = alignGroups(variant, losses, labelled, sftFrom, needsReference ? await reference() : undefined)
    const encode = async (model: ModelFacts, signal: AbortSignal | undefined) => {
      const references = new ReferenceEncoding(context, desk, model, signal)
      return {
        chains: groups.sftFrom === 'train' ? await references.of(data.train) : [],
        validation: data.validation ? await references.of(data.validation) : [],
      }
    }
    return context.withTrainee(start, freezingOf(variant, `align "${name}"`), encode, async (policy, { chains, validation }) => {
      const worthwhile = noteSignal(losses, groups, desk, name)
      const questions = groups.questions.filter((parts) => parts.length > 0)
      // a control without candidates takes as many steps as the variants it is compared with
      const size = questions.length || labelled.length
      const totalSteps = worthwhile ? stepsOf(variant, size, variant.batchSize) : 0
      const order = new EpochOrder(questions.length, context.config.seed, 'align')
      const furtherOrder = new EpochOrder(chains.length, context.config.seed, 'align further chains')
      const outcome = await trainModel(context, desk, {
        policy,
        config: variant,
        totalSteps,
        step: (step) =>
          trainingStep(losses, [
            ...pickAll(order, questions, step, variant.batchSize).flat(),
            ...pickAll(furtherOrder, chains, step, variant.batchSize),
          ]),
        title: `align "${name}"`,
        validation,
        validationHash: data.validation?.hash,
      })
      const counts = selectionCounts(losses, labelled, groups.aligned)
      noteSelection(losses, counts, desk)
      const { repeated } = groups
      return { ...outcome, figures: { ...outcome.figures, questions: groups.aligned.length, repeated, ...counts } }
    })
  })
  noteOtherValidation(context, finished, data.validation)
  return finished
}

/** L_VFT is core's own. */
const codeOf = (terms: readonly ResolvedTerm[]) => terms.map(({ code }) => code)

function pickAll<T>(order: EpochOrder, items: readonly T[], step: number, batchSize: number): T[] {
  return items.length === 0 ? [] : order.batch(step, batchSize).map((i) => items[i])
}

/** Figures are logged by name, so a loss that occurs twice gets a number. */
function named(losses: readonly WeightedLoss[]): readonly WeightedLoss[] {
  const seen = new Map<string, number>()
  return losses.map((term) => {
    const count = (seen.get(term.name) ?? 0) + 1
    seen.set(term.name, count)
    return count === 1 ? term : { ...term, name: `${term.name}-${count}` }
  })
}

/** Whether there is anything to train on; says so where a loss has nothing to compare. */
function noteSignal(
  losses: readonly WeightedLoss[],
  { aligned, questions, sftFrom }: AlignGroups,
  desk: StageDesk,
  variant: string,
): boolean {
  const hasChains = sftFrom === 'train' || (sftFrom === 'question' && hasReferences(questions))
  if (losses.some(({ loss }) => isLikelihood(loss)) && !hasChains) {
    desk.notice('warning', `Variant "${variant}": there are no reference chains for L_VFT among the questions.`)
  }
  const idle = losses.filter(({ loss }) => !isLikelihood(loss) && !hasSignal(loss, aligned)).map(({ name }) => name)
  const alignments = losses.filter(({ loss }) => !isLikelihood(loss)).length
  if (idle.length === 0) return hasChains || alignments > 0
  const rest = idle.length < alignments ? 'the other losses train on' : hasChains ? 'it trains on L_VFT alone' : 'its training is skipped'
  desk.notice('warning', `Variant "${variant}": no question gives ${idle.join(' or ')} anything to compare; ${rest}.`)
  return hasChains || idle.length < alignments
}

function hasReferences(questions: readonly (readonly TrainingGroup[])[]): boolean {
  return questions.some((parts) => parts.some(({ reference, role }) => role !== 'align' && reference.includes(true)))
}

function noteSelection(losses: readonly WeightedLoss[], counts: Readonly<Record<string, number>>, desk: StageDesk): void {
  for (const { name } of losses.filter(({ loss }) => loss.select)) {
    const own = Object.entries(counts).filter(([figure]) => figure.startsWith(`${name}/`))
    if (own.length > 0)
      desk.notice('info', `${name}: ${own.map(([figure, value]) => `${value} ${figure.slice(name.length + 1)}`).join(', ')}.`)
  }
}

/** @throws PlumbError PLUMB_UNKNOWN_VARIANT */
export function chosenVariants(variants: readonly ResolvedVariant[], name: string | undefined): readonly ResolvedVariant[] {
  if (name === undefined) return variants
  const chosen = variants.filter((variant) => variant.name === name)
  if (chosen.length > 0) return chosen
  const known = variants.map((variant) => variant.name).join(', ')
  throw new PlumbError('PLUMB_UNKNOWN_VARIANT', `There is no variant "${name}" in align. Known: ${known}.`)
}
