import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { baseOf, CORE_VERSION, type Config, type LoraConfig, type ModelSource, type ReportContent, type Trained } from '@plumbline/core'
import { isReadableFile } from '@plumbline/core/base'
import { hubName, type StoredType } from '@plumbline/transformer'

/** What is said on the command line, for the records of a run do not hold it. */
export interface Said {
  readonly baseModel?: string
  readonly license?: string
  readonly datasets: readonly string[]
}

/** Everything that a model card says. What is not known is absent. */
export interface CardFacts {
  readonly title: string
  readonly isAdapter: boolean
  readonly dtype: StoredType
  /** The base's name on the Hub. */
  readonly baseModel?: string
  readonly license?: string
  readonly datasets: readonly string[]
  /** What the run started from, in words. */
  readonly start: string
  readonly stages: readonly StageFacts[]
  readonly data: readonly { readonly use: string; readonly file: string; readonly format: string; readonly records?: number }[]
  /** How prompts were made. */
  readonly prompt: readonly (readonly [string, string])[]
  readonly report?: ReportContent
  readonly seed: number
  readonly version: string
}

export interface StageFacts {
  readonly title: string
  readonly losses: readonly LossFacts[]
  readonly settings: readonly (readonly [string, string])[]
  readonly summary: string
}

export interface LossFacts {
  readonly name: string
  readonly weight: number
  readonly options: string
  readonly paper?: string
}

const USES: Readonly<Record<string, string>> = {
  'data.train': 'stage 1',
  'data.questions': 'alignment',
  'data.validation': 'validation',
  'data.test': 'test',
}

/** @param title of a source: its key of the config, and behind it, where there are several, its name. */
function useOf(title: string): string {
  const key = title.split('.').slice(0, 2).join('.')
  return USES[key] ?? key
}

export async function cardFacts(
  trained: Trained,
  {
    said,
    adapterAlone,
    dtype,
    title,
  }: { readonly said: Said; readonly adapterAlone: boolean; readonly dtype: StoredType; readonly title: string },
): Promise<CardFacts> {
  const { resolved, base, records, report } = trained
  const { config, data } = resolved
  const all = [data.train, data.questions, data.validation ?? [], data.test].flat()
  const sources = new Map(all.map((source) => [source.title, source]))
  return {
    title,
    isAdapter: adapterAlone,
    dtype,
    baseModel: said.baseModel ?? (await hubName(baseOf(base))),
    license: said.license ?? (await baseLicense(base)),
    datasets: said.datasets,
    start: startOf(base),
    stages: stagesOf(trained),
    data: [...sources.values()].map(({ title: key, path: file, reader }) => {
      return { use: useOf(key), file: path.basename(file), format: reader.name, records: records.get(key) }
    }),
    prompt: promptOf(config),
    report,
    seed: config.seed,
    version: CORE_VERSION,
  }
}

function startOf(base: ModelSource): string {
  if (base.kind === 'scratch') return `random weights (${String(base.architecture.model_type)}, seed ${base.seed})`
  const own = baseOf(base)
  const name = path.basename(own.kind === 'folder' ? own.path : own.tokenizer)
  return base.kind === 'adapter' ? `the model ${name} with the adapter ${path.basename(base.path)}` : `the model ${name}`
}

function stagesOf({ resolved: { config }, variant, round, manifests }: Trained): readonly StageFacts[] {
  const stages: StageFacts[] = []
  const usesFirst = variant === undefined || variant.config.startFrom === 'sft'
  if (config.sft.steps !== 0 && usesFirst) {
    const losses = [{ name: 'sft', weight: 1, options: '' }]
    stages.push({
      title: 'Stage 1: maximum likelihood on reference chains',
      losses,
      settings: settingsOf(config.sft),
      summary: manifests.sft.summary,
    })
  }
  if (variant && manifests.align) {
    const losses = variant.terms.map(({ name, weight, loss, identity }): LossFacts => {
      const options = Object.entries(identity.options ?? {}).map(([key, value]) => `${key} ${JSON.stringify(value)}`)
      return { name, weight, options: options.join(', '), ...(loss.manifest.paper === '' ? {} : { paper: loss.manifest.paper }) }
    })
    const sampled = manifests.sample ? [['candidates', manifests.sample.summary] as const] : []
    const labelled = manifests.label ? [['labels', manifests.label.summary] as const] : []
    const sampling = manifests.sample?.figures.sampled === undefined ? [] : samplingOf(config)
    const settings = [...sampled, ...sampling, ...labelled, ...settingsOf(variant.config)]
    const rounds = round === 1 ? '' : `, ${round} rounds alike; the figures are of the last`
    stages.push({ title: `Alignment: variant ${variant.name}${rounds}`, losses, settings, summary: manifests.align.summary })
  }
  return stages
}

function samplingOf({ sample: { k, temperature, topK, topP, maxNewTokens } }: Config): (readonly [string, string])[] {
  return [['sampling', `k ${k}, temperature ${temperature}, topK ${topK}, topP ${topP}, maxNewTokens ${maxNewTokens}`]]
}

function settingsOf(training: Config['sft']): (readonly [string, string])[] {
  const { batchSize, learningRate, schedule, warmupSteps, betas, epsilon, weightDecay, maxGradNorm, freeze, lora } = training
  return [
    ['batch size', String(batchSize)],
    ['learning rate', `${learningRate}, ${schedule}${warmupSteps > 0 ? `, ${warmupSteps} steps of warm-up` : ''}`],
    ['optimizer', `AdamW, β ${betas.join(' and ')}, ε ${epsilon}, weight decay ${weightDecay}`],
    ['gradient clipping', maxGradNorm === null ? 'none' : String(maxGradNorm)],
    ...(freeze?.length ? [['frozen', freeze.join(', ')] as const] : []),
    ...(lora ? [['LoRA', loraText(lora)] as const] : []),
  ]
}

function loraText({ rank, alpha, rslora, dropout, targetModules }: LoraConfig): string {
  const targets = typeof targetModules === 'string' ? targetModules : targetModules.join(', ')
  return `rank ${rank}, alpha ${alpha}${rslora ? ' (rsLoRA)' : ''}, dropout ${dropout}, ${targets}`
}

function promptOf({ prompt: { template, chat } }: Config): (readonly [string, string])[] {
  return [...(template === undefined ? [] : [['template', JSON.stringify(template)] as const]), ['chat template', String(chat)]]
}

/** The license in the front matter of the base's own card. */
async function baseLicense(source: ModelSource): Promise<string | undefined> {
  const base = baseOf(source)
  if (base.kind !== 'folder') return undefined
  const text = await readIfThere(path.join(base.path, 'README.md'))
  const front = /^---\r?\n([^]*?)\r?\n---\s*(?:\r?\n|$)/.exec(text ?? '')?.[1]
  return /^license:[ \t]*["']?([A-Za-z0-9.+-]+)["']?[ \t]*$/m.exec(front ?? '')?.[1]
}

async function readIfThere(file: string): Promise<string | undefined> {
  return (await isReadableFile(file)) ? readFile(file, 'utf8') : undefined
}
