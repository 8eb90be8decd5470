import path from 'node:path'
import type { StageName } from '../seams/run-events'
import { RunStore, type StageFolder } from '../run/store'
import { chosenVariants } from './align'
import { NotDone, StageContext } from './context'
import { runStages, withRunRead } from './pipeline'
import { withConfig, type ConfigOptions } from './run-config'

export interface ExplainOptions extends ConfigOptions {
  readonly stage: StageName
  /** Of `align` and `evaluate`, this variant; all when absent. */
  readonly variant?: string
}

/** What a run would do with a stage, and why. */
export interface StageExplanation {
  /** e.g. `sft`, `align boundary`. */
  readonly stage: string
  /** `reused`, `resumed` (an earlier run was interrupted in it), `redone` (something that determines it changed), or `new`. */
  readonly state: 'reused' | 'resumed' | 'redone' | 'new'
  /** Its folder in the run folder. */
  readonly folder: string
  /** One sentence. */
  readonly sentence: string
}

/**
 * What a run up to a stage would find: every stage that would be reused, then the first that would not, and why. What lies behind that
 * one starts from its artifacts, so of it nothing can be known. Nothing is run or written.
 */
export async function explain(options: ExplainOptions): Promise<readonly StageExplanation[]> {
  const found: StageExplanation[] = []
  await withConfig(
    options,
    () => undefined,
    async (resolved, backend) => {
      const { stage: last, variant } = options
      const store = RunStore.look(resolved.config.run)
      await withRunRead(resolved, backend, store, async ({ data, base }) => {
        // Each variant is looked at for itself: that one is missing says nothing of the next.
        const variants =
          last === 'align' || last === 'evaluate' ? chosenVariants(resolved.variants, variant) : resolved.variants.slice(0, 1)
        for (const { name } of variants) {
          const context = new StageContext(
            resolved,
            backend,
            store,
            undefined,
            (event) => {
              if (event.type !== 'stage-reused') return
              const title = [event.stage, event.variant].filter(Boolean).join(' ')
              const folder = path.basename(event.path)
              add(found, {
                stage: title,
                state: 'reused',
                folder,
                sentence: `${title} would be reused: ${folder} is what this configuration makes.`,
              })
            },
            true,
          )
          try {
            await runStages({ last, variant: name }, context, data, base)
          } catch (error) {
            if (!(error instanceof NotDone)) throw error
            add(found, await explanation(store, error.folder, error.title))
          }
        }
      })
    },
  )
  return found
}

function add(found: StageExplanation[], next: StageExplanation): void {
  if (!found.some(({ stage }) => stage === next.stage)) found.push(next)
}

async function explanation(store: RunStore, folder: StageFolder, stage: string): Promise<StageExplanation> {
  const name = path.basename(folder.path)
  if (await folder.isBegun()) {
    return { stage, state: 'resumed', folder: name, sentence: `${stage} would go on where it was interrupted, in ${name}.` }
  }
  const before = await store.whyNew(folder)
  if (before === undefined) return { stage, state: 'new', folder: name, sentence: `${stage} has not been done here yet.` }
  const sentence = `${stage} would be done again: ${before.because}. (${path.basename(before.folder)} stays as it is.)`
  return { stage, state: 'redone', folder: name, sentence }
}
