import type { Config } from '../config/schema'
import { PlumbError } from '../errors'
import type { Backend, MemoryNeeds, ModelSource } from '../seams/policy'
import { planOf } from './training-plan'

const GIB = 2 ** 30

/** What a run takes of the machine's memory, and whether that can be had. */
export interface MemoryReport {
  /** One line: the figures, where the bytes are, and, where it is tight or cannot be, what would make it fit. */
  readonly detail: string
  /** `tight`: only with the largest micro-batches, which may never come, more than there is. `never`: whatever comes. */
  readonly fits: 'yes' | 'tight' | 'never'
}

/**
 * The most that any stage of a run takes, by the backend's own account; undefined where it has none.
 * @throws PlumbError as `Backend.inspect` does.
 */
export async function memoryReport(
  { sft, align, sample, evaluate, seed, lengths }: Pick<Config, 'sft' | 'align' | 'sample' | 'evaluate' | 'seed' | 'lengths'>,
  backend: Backend,
  model: ModelSource,
): Promise<MemoryReport | undefined> {
  const maxNewTokens = Math.max(sample.maxNewTokens, evaluate.maxNewTokens)
  const longest = longestOf(lengths, maxNewTokens)
  const plans = [sft, ...align].map((section) => planOf(section, '', seed))
  const trained = plans.filter(({ isIdle }) => !isIdle)
  let worst: { readonly needs: MemoryNeeds; readonly usesLora: boolean } | undefined
  for (const { freeze, lora, moments } of trained.length > 0 ? trained : plans) {
    const needs = await backend.memory?.(model, { plan: { freeze, lora, moments }, maxNewTokens, longest })
    if (needs === undefined || (worst !== undefined && training(needs) <= training(worst.needs))) continue
    worst = { needs, usesLora: lora !== undefined }
  }
  return worst && reportOf(worst.needs, worst.usesLora ? [] : backend.lora ? ['lora', 'freeze'] : ['freeze'])
}

/** Where both parts have a limit: answers of data are as long as `lengths` lets them be, sampled ones as they are sampled. */
export function longestOf({ maxPromptTokens, maxCompletionTokens }: Config['lengths'], maxNewTokens: number): number | undefined {
  if (maxPromptTokens === undefined || maxCompletionTokens === undefined) return undefined
  return maxPromptTokens + Math.max(maxCompletionTokens, maxNewTokens)
}

/** @throws PlumbError PLUMB_OUT_OF_MEMORY for a model that this machine cannot train, whatever the data are. */
export function requireFitting({ fits, detail }: MemoryReport): void {
  if (fits === 'never') throw new PlumbError('PLUMB_OUT_OF_MEMORY', detail, 'model')
}

const fixed = ({ process, weights, gradients, moments }: MemoryNeeds) => process + weights + gradients + moments
const training = (needs: MemoryNeeds) => fixed(needs) + needs.activations
const sampling = ({ process, weights, sampling: cache }: MemoryNeeds) => process + weights + cache

/** Ways to train less than every parameter. */
type Fewer = 'lora' | 'freeze'

/** @param fewer what the backend can do and the section does not. */
function reportOf(needs: MemoryNeeds, fewer: readonly Fewer[]): MemoryReport {
  const { weights, gradients, moments, activations, process, sampling: cache, snapshot, available } = needs
  const parts = [
    `weights ${gib(weights)}`,
    `gradients ${gib(gradients)}`,
    `moments ${gib(moments)}`,
    `activations up to ${gib(activations)}`,
    `the process ${gib(process)}`,
  ]
  const most = Math.max(training(needs), sampling(needs))
  const figures =
    `training takes up to ${gib(training(needs))} of this machine's ${gib(available)} GiB (${parts.join(', ')})${layered(needs)}; ` +
    `sampling up to ${gib(sampling(needs))} (cache and logits ${gib(cache)}), a frozen copy of the weights ${gib(snapshot)} more.`
  if (most <= available) return { fits: 'yes', detail: figures }
  const fits = Math.max(fixed(needs), process + weights) > available ? 'never' : 'tight'
  return { fits, detail: `${figures} ${fits === 'never' ? 'That cannot fit' : 'That may not fit'}. ${remedies(needs, fewer)}` }
}

/** Which passes are computed layer by layer. */
function layered({ byLayers }: MemoryNeeds): string {
  if (byLayers === undefined) return ''
  const { above, tokens, activations } = byLayers
  if (above === 0) return ', computed layer by layer'
  return `; more than ${above} tokens at once are computed layer by layer (${tokens} with activations of ${gib(activations)})`
}

/** What would make it fit, with what each saves. */
function remedies(needs: MemoryNeeds, fewer: readonly Fewer[]): string {
  const { gradients, moments, available, weights } = needs
  const isFull = moments === 2 * gradients
  const ways = [
    { what: 'moments: bfloat16', saves: isFull ? moments / 2 : 0 },
    ...activationRemedies(needs),
    { what: 'lora: {}', saves: fewer.includes('lora') ? 0.95 * (gradients + moments) : 0 },
    { what: 'freeze: for most parameters', saves: fewer.includes('freeze') ? 0.9 * (gradients + moments) : 0 },
    { what: 'a smaller model', saves: weights + gradients + moments },
  ].filter(({ saves }) => saves > 0)
  const listed = ways.map(
    ({ what, saves }) => `${what} (saves about ${gib(saves)}${training(needs) - saves <= available ? ', which is enough' : ''})`,
  )
  return `What helps: ${listed.join('; ')}.`
}

/** What would leave less for activations: shorter texts and layers, where one long text is what takes them; else fewer rows. */
function activationRemedies({ activations, byLayers }: MemoryNeeds): { readonly what: string; readonly saves: number }[] {
  if (byLayers === undefined || byLayers.above === 0) return [{ what: 'a smaller backend.microBatchTokens', saves: activations / 2 }]
  return [
    { what: 'backend.activationCheckpointing: layers', saves: activations - byLayers.activations },
    { what: 'a smaller backend.microBatchTokens with lower lengths.maxPromptTokens and maxCompletionTokens', saves: activations / 2 },
  ]
}

const gib = (bytes: number) => (bytes / GIB).toFixed(bytes < GIB / 10 ? 2 : 1)
