import { PlumbError } from '../errors'
import type { ResolvedConfig, ResolvedVariant } from '../config/resolve'
import { modelsOfRounds, roundName } from '../run/round-name'
import { RunStore, type Manifest } from '../run/store'
import type { ModelSource } from '../seams/policy'
import { chosenVariants } from './align'
import { NotDone, StageContext, type Finished, type Model } from './context'
import type { RunData } from './data'
import { labelStage } from './label'
import { runStages, withRunRead } from './pipeline'
import { VFT_ROW, type ReportContent } from './report'
import { withConfig, type ConfigOptions } from './run-config'
import { alignRounds } from './rounds'
import { sampleStage } from './sample'
import { sftStage } from './sft'
import { trainedModel } from './train-model'
import { shownPath } from '../util/shown-path'

export interface TrainedOptions extends ConfigOptions {
  /** A model by its name in the report: a variant of `align`, one after a further round (`boundary+2`), or `VFT`. The only variant when absent. */
  readonly variant?: string
}

/** A model that a run has made, and what the run's records say of it. */
export interface Trained {
  readonly source: ModelSource
  /** The model that the run started with. */
  readonly base: ModelSource
  /** As the report has it: a variant, `boundary+2`, or `VFT`. */
  readonly name: string
  readonly resolved: ResolvedConfig
  /** Of `align`, the variant that it is. */
  readonly variant?: ResolvedVariant
  /** After which round of it. */
  readonly round: number
  readonly manifests: { readonly sft: Manifest; readonly sample?: Manifest; readonly label?: Manifest; readonly align?: Manifest }
  /** Records of each data source by its title, e.g. `data.train`, or `data.train.<name>` of several. */
  readonly records: ReadonlyMap<string, number>
  /** Its row of the report and the control's; absent where it is not evaluated. */
  readonly report?: ReportContent
}

/**
 * Finds what a run has made, without running or writing anything, and lends it.
 * @throws PlumbError PLUMB_NOT_TRAINED where the stage is not done with this configuration, PLUMB_VARIANT_NEEDED where several variants could
 *   be meant, PLUMB_UNKNOWN_VARIANT, PLUMB_ARTIFACT_CHANGED, and those of `runConfig` that come before the first stage.
 */
export async function withTrained<T>(options: TrainedOptions, use: (trained: Trained) => Promise<T>): Promise<T> {
  return withConfig(
    options,
    () => undefined,
    async (resolved, backend) => {
      const { variant, round } = modelOf(resolved, options.variant)
      const store = RunStore.look(resolved.config.run)
      return withRunRead(resolved, backend, store, async ({ data, base }) => {
        const context = new StageContext(resolved, backend, store, undefined, () => undefined, true)
        const { model, manifests } = await found(context, data, base, variant, round).catch((error: unknown) => {
          throw error instanceof NotDone ? notTrained(error, resolved.config.run) : error
        })
        await model.verify?.()
        const report = await runStages({ variant: variant?.name }, context, data, base).catch((error: unknown) => {
          if (error instanceof NotDone) return undefined
          throw error
        })
        return use({
          source: model.source,
          base: base.source,
          name: variant === undefined ? VFT_ROW : roundName(variant.name, round),
          resolved,
          variant,
          round,
          manifests,
          records: new Map(data.sources.map(({ source, records }) => [source, records])),
          report,
        })
      })
    },
  )
}

function modelOf({ variants, config }: ResolvedConfig, name: string | undefined): { variant?: ResolvedVariant; round: number } {
  if (name === VFT_ROW) return { round: 1 }
  const models = modelsOfRounds(variants, config.rounds)
  const further = models.find((model) => model.round > 1 && model.name === name)
  if (further) return further
  const [chosen] = chosenVariants(variants, name)
  if (chosen !== undefined && (name !== undefined || models.length === 1)) return { variant: chosen, round: 1 }
  const known = [...models.map((model) => model.name), VFT_ROW].join(', ')
  throw new PlumbError('PLUMB_VARIANT_NEEDED', `The run has several models; say which: ${known}.`)
}

/** What a run has made, or, thrown, the first stage that is not done. */
export async function found(
  context: StageContext,
  data: RunData,
  base: Model,
  variant: ResolvedVariant | undefined,
  round: number,
): Promise<{ model: Model; manifests: Trained['manifests'] }> {
  const first = await sftStage(context, data, base)
  const sft = trainedModel(first, base)
  if (variant === undefined) return { model: sft, manifests: { sft: first.manifest } }
  const sampled = await sampleStage(context, data, sft)
  const labels = await labelStage(context, data, sampled)
  const own = (await alignRounds(context, data, variant, { sampled, labels }, { sft, base }, round)).at(-1)
  if (own === undefined) throw new Error(`round ${round} of ${variant.name} has no outcome`)
  const manifestOf = ({ manifest }: Finished) => manifest
  return {
    model: own.model,
    manifests: { sft: manifestOf(first), sample: manifestOf(own.sampled), label: manifestOf(own.labels), align: manifestOf(own.aligned) },
  }
}

export function notTrained({ title }: NotDone, run: string): PlumbError {
  return new PlumbError(
    'PLUMB_NOT_TRAINED',
    `${title} is not done with this configuration, so there is no model of it yet; "plumb run" makes it.`,
    shownPath(run),
  )
}
