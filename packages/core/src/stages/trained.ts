import { tmpdir } from 'node:os'
import { PlumbError } from '../errors'
import type { ResolvedConfig, ResolvedVariant } from '../config/resolve'
import { Spools } from '../run/spool'
import { RunStore, type Manifest } from '../run/store'
import type { ModelSource } from '../seams/policy'
import { alignStage, chosenVariants } from './align'
import { NotDone, StageContext, type Finished, type Model } from './context'
import type { RunData } from './data'
import { labelStage } from './label'
import { read, runStages } from './pipeline'
import { VFT_ROW, type ReportContent } from './report'
import { withConfig, type ConfigOptions } from './run-config'
import { sampleStage } from './sample'
import { sftStage } from './sft'
import { trainedModel } from './train-model'
import { shownPath } from '../util/shown-path'

export interface TrainedOptions extends ConfigOptions {
  /** A variant of `align`, or `VFT`, the stage-1 model. The only variant when absent. */
  readonly variant?: string
}

/** A model that a run has made, and what the run's records say of it. */
export interface Trained {
  readonly source: ModelSource
  /** The model that the run started with. */
  readonly base: ModelSource
  /** As the report has it: a variant, or `VFT`. */
  readonly name: string
  readonly resolved: ResolvedConfig
  /** Of `align`, the variant that it is. */
  readonly variant?: ResolvedVariant
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
  // the run folder is not to be touched
  const spools = new Spools(tmpdir())
  try {
    return await withConfig(
      options,
      () => undefined,
      async (resolved, backend) => {
        const variant = variantOf(resolved, options.variant)
        const store = RunStore.look(resolved.config.run)
        const { data, base } = await read(resolved, backend, store, spools)
        const context = new StageContext(resolved, backend, store, undefined, () => undefined, true)
        const { model, manifests } = await found(context, data, base, variant).catch((error: unknown) => {
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
          name: variant?.name ?? VFT_ROW,
          resolved,
          variant,
          manifests,
          records: new Map(data.sources.map(({ source, records }) => [source, records])),
          report,
        })
      },
    )
  } finally {
    spools.close()
  }
}

function variantOf({ variants }: ResolvedConfig, name: string | undefined): ResolvedVariant | undefined {
  if (name === VFT_ROW) return undefined
  const chosen = chosenVariants(variants, name)
  if (chosen.length === 1) return chosen[0]
  const known = [...chosen.map((each) => each.name), VFT_ROW].join(', ')
  throw new PlumbError('PLUMB_VARIANT_NEEDED', `The run has several models; say which: ${known}.`)
}

/** What a run has made, or, thrown, the first stage that is not done. */
export async function found(
  context: StageContext,
  data: RunData,
  base: Model,
  variant: ResolvedVariant | undefined,
): Promise<{ model: Model; manifests: Trained['manifests'] }> {
  const first = await sftStage(context, data, base)
  const sft = trainedModel(first, base)
  if (variant === undefined) return { model: sft, manifests: { sft: first.manifest } }
  const sampled = await sampleStage(context, data, sft)
  const labels = await labelStage(context, data, sampled)
  const models = { sft, base }
  const aligned = await alignStage(context, data, variant, labels, models)
  const manifestOf = ({ manifest }: Finished) => manifest
  return {
    model: trainedModel(aligned, models[variant.config.startFrom]),
    manifests: { sft: manifestOf(first), sample: manifestOf(sampled), label: manifestOf(labels), align: manifestOf(aligned) },
  }
}

export function notTrained({ title }: NotDone, run: string): PlumbError {
  return new PlumbError(
    'PLUMB_NOT_TRAINED',
    `${title} is not done with this configuration, so there is no model of it yet; "plumb run" makes it.`,
    shownPath(run),
  )
}
