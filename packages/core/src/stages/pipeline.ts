import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Config } from '../config/schema'
import { isPlumbError, PlumbError } from '../errors'
import { STAGES, type RunEvent, type RunReport, type StageName } from '../run/events'
import { writeFileAtomic, writeJson } from '../run/files'
import { hashContent, hashJson } from '../run/hash'
import { RunStore } from '../run/store'
import { isGiven } from '../samplers/dataset'
import type { ModelSource } from '../seams/policy'
import { interrupted } from '../train/loop'
import { alignStage, chosenVariants, type Model } from './align'
import { StageContext, type Finished } from './context'
import { readData, type RunData } from './data'
import type { RunDependencies } from './dependencies'
import { evaluateStage, testCandidates, type Evaluation } from './evaluate'
import { checkFreezing } from './freezing'
import { labelStage } from './label'
import { makeReport, renderMarkdown, VFT_ROW } from './report'
import { sampleStage } from './sample'
import { sftStage } from './sft'

export interface PipelineOptions {
  readonly config: Config
  readonly dependencies: RunDependencies
  /** The last stage to run; the ones before it run too, or are reused. `evaluate` when absent. */
  readonly last?: StageName
  /** Of `align`, only the variant of this name. */
  readonly variant?: string
  readonly onEvent?: (event: RunEvent) => void
  /** Answered within a micro-batch: what is done is saved, and the run rejects with PLUMB_INTERRUPTED. */
  readonly signal?: AbortSignal
}

/**
 * Runs sft → sample → label → align → evaluate over the run folder. Finished stages are reused, interrupted ones continue.
 *
 * @returns the report; without rows when `last` is an earlier stage than `evaluate`. With them it is also written to `report.json`
 *   and `report.md`.
 * @throws PlumbError PLUMB_INTERRUPTED after an abort, PLUMB_RUN_LOCKED while another process works in the folder,
 *   PLUMB_PROMPT_TOO_LONG, PLUMB_NON_FINITE_LOSS and PLUMB_NON_FINITE_GRADIENT with step and last checkpoint, PLUMB_DATA_….
 */
export async function runPipeline(options: PipelineOptions): Promise<RunReport> {
  const { config, dependencies, variant, signal, onEvent = () => undefined } = options
  const started = performance.now()
  chosenVariants(config.align, variant)
  const { device } = await dependencies.backend.probe()
  const base = await baseModel(config)
  await checkFreezing(config, dependencies.backend, base.source)
  const data = await readData(config, dependencies)
  const store = await RunStore.open(config.run, (message) => onEvent({ type: 'notice', level: 'info', message }))
  const backend = { name: dependencies.backend.name, device, ...dependencies.openOptions }
  const context = new StageContext(config, dependencies, store, backend, signal, onEvent)
  try {
    onEvent({ type: 'run-start', run: config.run, engine: `${dependencies.backend.name} (${device})`, model: modelTitle(config) })
    const content = await runStages(options, context, data, base)
    return { run: config.run, ...content, seconds: (performance.now() - started) / 1000 }
  } catch (error) {
    if (signal?.aborted && !isPlumbError(error)) throw interrupted(context.current, error)
    throw error
  } finally {
    await store.close()
  }
}

async function runStages({ config, last = 'evaluate', variant }: PipelineOptions, context: StageContext, data: RunData, base: Model) {
  const reaches = (stage: StageName) => STAGES.indexOf(last) >= STAGES.indexOf(stage)
  const variants = chosenVariants(config.align, variant)
  const control = variants.find(({ name }) => name === config.evaluate.control)?.name ?? VFT_ROW
  const evaluations: Evaluation[] = []
  let samples: Record<string, number> | undefined

  const sft = modelOf(await sftStage(context, data, base.source, base.hash))
  if (reaches('sample')) {
    const sampled = await sampleStage(context, data, sft.source, sft.hash)
    samples = { ...sampled.manifest.figures }
    if (reaches('label')) {
      const labels = await labelStage(context, data, sampled)
      samples = { ...samples, ...labels.manifest.figures }
      const aligned: { name: string; model: Model }[] = []
      if (reaches('align')) {
        for (const chosen of variants) {
          aligned.push({ name: chosen.name, model: modelOf(await alignStage(context, data, chosen, labels, { sft, base })) })
        }
      }
      if (reaches('evaluate')) {
        const candidates = await testCandidates(context, data, sft)
        for (const { name, model } of [{ name: VFT_ROW, model: sft }, ...aligned]) {
          evaluations.push(await evaluateStage(context, data, name, model, candidates))
        }
      }
    }
  }

  const given = isGiven(context.dependencies.sampler)
  const content = makeReport({ evaluations, control, data, given, samples, notices: context.notices })
  if (evaluations.length > 0) {
    await writeJson(path.join(config.run, 'report.json'), content)
    await writeFileAtomic(path.join(config.run, 'report.md'), renderMarkdown(content, config.sample.k))
  }
  return content
}

function modelOf({ folder, manifest }: Finished): Model {
  return { source: { kind: 'folder', path: folder.file('model') }, hash: manifest.artifacts.model }
}

/** The model the run starts with, and what identifies it by content. */
async function baseModel({ model }: Config): Promise<Model> {
  const source: ModelSource = typeof model === 'string' ? { kind: 'folder', path: model } : { kind: 'scratch', ...model }
  if (source.kind === 'folder') {
    mustExist(source.path, 'PLUMB_MODEL_MISSING', 'There is no model folder here.')
    return { source, hash: await hashContent(source.path) }
  }
  mustExist(source.tokenizer, 'PLUMB_TOKENIZER_MISSING', 'There is no tokenizer here.')
  const tokenizer = await hashContent(source.tokenizer, TOKENIZER_FILES)
  return { source, hash: hashJson({ architecture: source.architecture, seed: source.seed, tokenizer }) }
}

const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
  'generation_config.json',
]

function mustExist(target: string, code: `PLUMB_${string}`, message: string): void {
  if (!existsSync(target)) throw new PlumbError(code, message, target)
}

function modelTitle({ model }: Config): string {
  if (typeof model === 'string') return model
  const { model_type: type = 'model' } = model.architecture
  return `${String(type)} from scratch`
}
