import { availableParallelism, tmpdir } from 'node:os'
import path from 'node:path'
import type { Config } from '../config/schema'
import type { ResolvedConfig } from '../config/resolve'
import { isPlumbError } from '../errors'
import { STAGES, type RunEvent, type RunReport, type StageName, type UnparsedAnswers } from '../seams/run-events'
import { writeFileAtomic, writeJson } from '../run/files'
import { Spools } from '../run/spool'
import { RunStore } from '../run/store'
import { isGiven } from '../seams/sampler'
import { interrupted } from '../train/loop'
import { chosenVariants } from './align'
import { baseModel } from './base-model'
import { StageContext, type ChosenEngine, type Finished, type Model } from './context'
import { askedOf, leaked, readData, type RunData } from './data'
import { evaluateModel, type Evaluation, type PreparedTest } from './evaluate'
import { labelStage } from './label'
import { memoryReport } from './memory'
import { sourceNotice } from './source-notice'
import { modelTitle, sourcesOf } from './sources-read'
import { plannedStages } from './planned-stages'
import { makeReport, renderMarkdown, VFT_ROW, type ReportContent } from './report'
import { alignRounds, type RoundOutcome } from './rounds'
import { sampleStage } from './sample'
import { sftStage } from './sft'
import { testCandidates } from './test-candidates'
import { trainedModel } from './train-model'
import { checkPlans } from './training-plan'

export interface StagesToRun {
  /** The last stage to run; the ones before it run too, or are reused. `evaluate` when absent. */
  readonly last?: StageName
  /** Of `align`, only the variant of this name. */
  readonly variant?: string
}

export interface PipelineOptions extends StagesToRun {
  readonly resolved: ResolvedConfig
  readonly backend: ChosenEngine
  readonly onEvent?: (event: RunEvent) => void
  /** Answered within a micro-batch: what is done is saved, and the run rejects with PLUMB_INTERRUPTED. */
  readonly signal?: AbortSignal
}

/**
 * Runs sft → sample → label → align → evaluate over the run folder. Finished stages are reused, interrupted ones continue.
 *
 * @returns the report; without rows when `last` is an earlier stage than `evaluate`. With them it is also written to `report.json`,
 *   `report.md`, and under its key.
 * @throws PlumbError PLUMB_INTERRUPTED after an abort, PLUMB_ARTIFACT_CHANGED, PLUMB_PROMPT_TOO_LONG, PLUMB_NON_FINITE_LOSS and
 *   PLUMB_NON_FINITE_GRADIENT with step and last checkpoint, PLUMB_DATA_…, PLUMB_PLUGIN_FAILED.
 */
export async function runPipeline(options: PipelineOptions): Promise<RunReport> {
  const { resolved, backend, variant, signal, onEvent = () => undefined } = options
  const { last = 'evaluate' } = options
  const { config } = resolved
  const started = performance.now()
  const variants = chosenVariants(resolved.variants, variant)
  const store = await RunStore.open(config.run)
  const spools = new Spools(config.run)
  try {
    const { data, base } = await read(resolved, backend, store, spools)
    const context = new StageContext(resolved, backend, store, signal, onEvent)
    try {
      const stages = plannedStages(last, variants, config.rounds, data.tests)
      const { run, seed } = config
      onEvent({ type: 'run-start', run, engine: context.engineTitle, model: modelTitle(config), seed, stages })
      context.sources = sourcesOf(resolved, data)
      noteThreads(backend, onEvent)
      for (const figures of data.sources) onEvent({ type: 'data', ...figures })
      context.memory = await noteMemory(resolved.config, backend, base, onEvent)
      noteData(context, data)
      const content = await runStages(options, context, data, base)
      await writeReport(resolved, content)
      return { run: config.run, ...content, seconds: (performance.now() - started) / 1000 }
    } catch (error) {
      if (signal?.aborted && !isPlumbError(error)) throw interrupted(context.current || 'the preparation', error)
      throw error
    }
  } finally {
    spools.close()
  }
}

/** What all stages work on. */
interface RunRead {
  readonly data: RunData
  readonly base: Model
}

/** Reads what a run works on for who looks at the run: its folder is not touched. */
export async function withRunRead<T>(
  resolved: ResolvedConfig,
  backend: ChosenEngine,
  store: RunStore,
  use: (read: RunRead) => Promise<T>,
): Promise<T> {
  const spools = new Spools(tmpdir())
  try {
    return await use(await read(resolved, backend, store, spools))
  } finally {
    spools.close()
  }
}

async function read(resolved: ResolvedConfig, backend: ChosenEngine, store: RunStore, spools: Spools): Promise<RunRead> {
  const base = await baseModel(resolved.config, backend.made, store.hashes)
  await checkPlans(resolved.config, backend.made, base.source)
  return { base, data: await readData(resolved, spools) }
}

/** Runs the stages, and hands each model's evaluation on. */
export async function runStages(
  { last = 'evaluate', variant }: StagesToRun,
  context: StageContext,
  data: RunData,
  base: Model,
): Promise<ReportContent> {
  const { config, variants: all, sampler } = context.resolved
  const reaches = (stage: StageName) => STAGES.indexOf(last) >= STAGES.indexOf(stage)
  const variants = chosenVariants(all, variant)
  const control = variants.find(({ name }) => name === config.evaluate.control)?.name ?? VFT_ROW
  const evaluations: Evaluation[] = []
  let samples: Record<string, number> | undefined
  const furtherSamples: Record<string, Readonly<Record<string, number>>> = {}
  let unparsed: UnparsedAnswers | undefined

  await noteModel(context, base)
  const sft = trainedModel(await sftStage(context, data, base), base)
  if (reaches('sample')) {
    const sampled = await sampleStage(context, data, sft)
    samples = { ...sampled.manifest.figures }
    if (reaches('label')) {
      const labels = await labelStage(context, data, sampled)
      samples = { ...samples, ...labels.manifest.figures }
      unparsed = unparsedOf(labels)
      const aligned: RoundOutcome[] = []
      if (reaches('align')) {
        for (const chosen of variants) aligned.push(...(await alignRounds(context, data, chosen, { sampled, labels }, { sft, base })))
        aligned.sort((a, b) => a.round - b.round)
        for (const { name, sampled, labels } of aligned.filter(({ round }) => round > 1)) {
          furtherSamples[name] = { ...sampled.manifest.figures, ...labels.manifest.figures }
        }
      }
      if (reaches('evaluate')) {
        const tests: PreparedTest[] = []
        for (const test of data.tests) tests.push({ test, candidates: await testCandidates(context, test, sft) })
        evaluations.push(await evaluateModel(context, tests, VFT_ROW, sft))
        for (const { name, model, round } of aligned) {
          evaluations.push({ ...(await evaluateModel(context, tests, name, model)), ...(config.rounds > 1 ? { round } : {}) })
        }
      }
    }
  }

  const given = isGiven(sampler.made)
  return makeReport({ evaluations, control, data, given, samples, furtherSamples, unparsed, notices: context.notices })
}

/** As the latest report, and under its key, where no run of another seed or configuration replaces it. */
async function writeReport({ config, sampler }: ResolvedConfig, content: ReportContent): Promise<void> {
  if (content.key === undefined) return
  const page = renderMarkdown(content, isGiven(sampler.made) ? undefined : config.sample.k)
  for (const name of ['report', `report-${content.key}`]) {
    await writeJson(path.join(config.run, `${name}.json`), content)
    await writeFileAtomic(path.join(config.run, `${name}.md`), page)
  }
}

/** What cannot fit is refused by the first stage that would train: what is finished can be looked at on any machine. */
async function noteMemory(config: Config, { made }: ChosenEngine, { source }: Model, onEvent: (event: RunEvent) => void) {
  const memory = await memoryReport(config, made, source)
  if (memory) onEvent({ type: 'notice', level: memory.fits === 'yes' ? 'info' : 'warning', message: `memory: ${memory.detail}` })
  return memory
}

/** What is done otherwise than the model's files ask for. */
async function noteModel(context: StageContext, { source }: Model): Promise<void> {
  // A model that cannot be read is the first stage's to report.
  const facts = await context.backend.made.inspect?.(source).catch(() => undefined)
  for (const notice of facts?.notices ?? []) context.say('info', notice)
}

/** Not in the report, which must not depend on the machine. */
function noteThreads({ open: { threads = 0 } }: ChosenEngine, onEvent: (event: RunEvent) => void): void {
  const cores = availableParallelism()
  if (threads <= cores) return
  const message = `backend.threads is ${threads}, and this machine has ${cores} ${cores === 1 ? 'core' : 'cores'}: more threads than that make a run slower.`
  onEvent({ type: 'notice', level: 'warning', message })
}

/** What is true of the data and easily overlooked. */
function noteData(context: StageContext, data: RunData): void {
  for (const figures of data.sources) {
    const said = sourceNotice(figures)
    if (said) context.say(said.level, said.message)
  }
  for (const test of data.tests) {
    const { title, records } = test
    const total = records.length
    const seen = leaked(test, data)
    if (seen) {
      const which = seen.count === total ? `All ${total} questions` : `${seen.count} of the ${total} questions`
      context.say('warning', `${which} of ${title} stand in ${seen.title} too: what is measured on them says little about new questions.`)
    }
    const asked = askedOf(context.resolved, records).length
    if (asked < total && !isGiven(context.resolved.sampler.made)) {
      context.say('info', `${total - asked} of the ${total} questions of ${title} have no answer to compare with; they are not asked.`)
    }
  }
}

function unparsedOf({ manifest: { figures, examples } }: Finished): UnparsedAnswers | undefined {
  const { unparsed = 0, labelled = 0 } = figures
  return unparsed > 0 ? { count: unparsed, of: labelled, examples: examples?.unparsed ?? [] } : undefined
}
