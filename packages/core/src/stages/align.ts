import { damaged } from '../run/files'
import type { ResolvedTerm, ResolvedVariant } from '../config/resolve'
import { PlumbError } from '../errors'
import { isLikelihood, type WeightedLoss } from '../objective/groups'
import { promptIdentity } from '../prompt/identity'
import { IndexedLines } from '../run/indexed-lines'
import type { ModelFacts } from '../seams/policy'
import { EpochOrder, stepsOf } from '../train/order'
import { trainingStep } from '../train/step'
import { chainsFrom } from './align-groups'
import { AlignSource } from './align-source'
import type { Finished, Model, StageContext, StageDesk } from './context'
import type { RunData } from './data'
import { mismatchedAnswers, type MismatchedLine } from './mismatched'
import type { LabelledQuestion } from './records'
import { referenceLogProbs, type ReferenceLine } from './reference'
import type { Round } from './round'
import { NONE, ReferenceEncoding } from './sft'
import { valueAt, type Sequence } from '../util/sequence'
import { without } from '../util/without'
import { leavesAdapter, noteOtherValidation, trainingSection, trainModel } from './train-model'
import { planOf } from './training-plan'

/**
 * Stage 4 for one variant: L_VFT and alignment losses over the labelled groups.
 *
 * @param models `sft` is the one that the samples are of: in a further round, the variant's own.
 */
export async function alignStage(
  context: StageContext,
  data: RunData,
  { config: variant, terms }: ResolvedVariant,
  labels: Finished,
  models: Readonly<Record<'sft' | 'base', Model>>,
  round?: Round,
): Promise<Finished> {
  const losses = named(terms)
  const start = models[variant.startFrom]
  const labelHash = labels.manifest.artifacts['groups.jsonl']
  if (labelHash === undefined)
    throw damaged(labels.folder.file('done.json'), 'It names no groups.jsonl; delete its folder to have the stage done again.')
  const needsReference = losses.some(({ loss }) => loss.manifest.needsReference)
  const { name, seed } = round ?? { name: variant.name, seed: context.config.seed }
  const section = without(variant, 'name', 'losses')
  const sftFrom = chainsFrom(variant, losses, data.questions.records)
  const determinedBy = {
    align: { ...trainingSection(section), sftFrom, losses: terms.map(({ identity, weight }) => ({ ...identity, weight })) },
    model: start.hash,
    labels: labelHash,
    ...(sftFrom === 'train' ? { train: data.train.hash, ...promptIdentity(context.config, 'chains') } : {}),
    ...(needsReference ? { reference: models.sft.hash } : {}),
  }
  const spec = { stage: 'align', variant: name, determinedBy, code: codeOf(terms), backend: true, seed } as const
  const plan = { variant, losses, sftFrom }
  const finished = await context.run(spec, async (desk) => {
    const labelled = await IndexedLines.open<LabelledQuestion>(labels.folder.file('groups.jsonl'))
    let reference: IndexedLines<ReferenceLine> | undefined
    let mismatched: IndexedLines<MismatchedLine> | undefined
    try {
      if (needsReference) reference = await referenceLogProbs(context, labelled, labelHash, models.sft)
      if (losses.some(({ loss }) => loss.manifest.needsDivergence)) {
        mismatched = await mismatchedAnswers(context, labelled, labelHash, models.sft)
      }
      const groups = await AlignSource.of(plan, labelled, reference, mismatched)
      const encode = async (model: ModelFacts, signal: AbortSignal | undefined) => {
        const references = new ReferenceEncoding(context, desk, model, signal)
        return {
          chains: sftFrom === 'train' ? await references.of(data.train) : NONE,
          validation: data.validation ? await references.of(data.validation) : NONE,
        }
      }
      const training = planOf(variant, `align "${name}"`, seed)
      return await context.withTrainee(start, training, encode, async (policy, { chains, validation }) => {
        const worthwhile = noteSignal(groups, desk, name)
        // a control without candidates takes as many steps as the variants it is compared with
        const size = groups.length || labelled.length
        const totalSteps = worthwhile ? stepsOf(variant, size, variant.batchSize) : 0
        const order = new EpochOrder(groups.length, seed, 'align')
        const furtherOrder = new EpochOrder(chains.length, seed, 'align further chains')
        const outcome = await trainModel(context, desk, {
          policy,
          adapter: leavesAdapter(training, start),
          config: variant,
          totalSteps,
          step: (step) =>
            trainingStep(losses, [
              ...pickAll(order, groups, step, variant.batchSize).flat(),
              ...pickAll(furtherOrder, chains, step, variant.batchSize),
            ]),
          title: `align "${name}"`,
          validation,
          validationHash: data.validation?.hash,
        })
        const counts = groups.selectionCounts()
        noteSelection(losses, counts, desk)
        const { repeated, aligned: questions } = groups
        return { ...outcome, figures: { ...outcome.figures, questions, repeated, ...counts } }
      })
    } finally {
      await reference?.close()
      await mismatched?.close()
      await labelled.close()
    }
  })
  noteOtherValidation(context, finished, data.validation)
  return finished
}

/** L_VFT is core's own. */
const codeOf = (terms: readonly ResolvedTerm[]) => terms.map(({ code }) => code)

function pickAll<T>(order: EpochOrder, items: Pick<Sequence<T>, 'at' | 'length'>, step: number, batchSize: number): T[] {
  return items.length === 0 ? [] : order.batch(step, batchSize).map((i) => valueAt(items, i))
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
function noteSignal({ plan: { losses, sftFrom }, hasReferences, signals }: AlignSource, desk: StageDesk, variant: string): boolean {
  const hasChains = sftFrom === 'train' || (sftFrom === 'question' && hasReferences)
  if (losses.some(({ loss }) => isLikelihood(loss)) && !hasChains) {
    desk.notice('warning', `Variant "${variant}": there are no reference chains for L_VFT among the questions.`)
  }
  const idle = losses.filter(({ name, loss }) => !isLikelihood(loss) && !signals.has(name)).map(({ name }) => name)
  const alignments = losses.filter(({ loss }) => !isLikelihood(loss)).length
  if (idle.length === 0) return hasChains || alignments > 0
  const rest = idle.length < alignments ? 'the other losses train on' : hasChains ? 'it trains on L_VFT alone' : 'its training is skipped'
  desk.notice('warning', `Variant "${variant}": no question gives ${idle.join(' or ')} anything to compare; ${rest}.`)
  return hasChains || idle.length < alignments
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
