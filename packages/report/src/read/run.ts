import { stat } from 'node:fs/promises'
import path from 'node:path'
import { PlumbError, readJson, shownPath, VFT_ROW, type ReportContent, type SourcesEntry } from '@plumbline/core'
import { curveOf, validationOf, type Step } from './curves'
import { lineageOf, unfinishedLineage, type Lineage } from './lineage'
import { entryOf, readLog, type StageEntry } from './log'
import { missingOf } from './missing'
import { chosen, marksOf, textsOf, type Marks, type Shown } from './questions'
import { candidateTokens, difficulties, sampleFigures, type Difficulty, type SampleFigures } from './samples'
import { stagesOf, type FoundStage } from './stages'

/** A stage of the comparison. */
export interface StageRecord {
  readonly found: FoundStage
  readonly entry?: StageEntry
  /** Tokens that it sampled, or computed a gradient for; undefined where nothing says. */
  readonly tokens?: number
}

export interface ModelRecord {
  /** `VFT`, or a variant. */
  readonly name: string
  readonly curve: readonly Step[]
  readonly validation: readonly Step[]
}

/** Everything that a page shows of one run. */
export interface RunRecord {
  /** As it was given, relative where it can be. */
  readonly folder: string
  /** The report file's name; undefined where the run has none yet. */
  readonly file?: string
  readonly report?: ReportContent
  /** Stage 1 first, then the variants. */
  readonly models: readonly ModelRecord[]
  readonly stages: readonly StageRecord[]
  /** What there is not, a sentence each. */
  readonly missing: readonly string[]
  /** Stages in the folder that are newer than the report and no part of it. */
  readonly newer: readonly string[]
  readonly sources: SourcesEntry['sources']
  readonly model?: string
  readonly seed?: number
  readonly samples?: SampleFigures
  readonly difficulties?: readonly Difficulty[]
  readonly marks: readonly Marks[]
  readonly shown: readonly Shown[]
}

const REPORT = /^report(-[0-9a-f]{8})?\.json$/

/**
 * Reads a run: the latest comparison of a run folder, or, of a file `report-<key>.json` in it, that one.
 *
 * @param most how many questions are shown.
 * @throws PlumbError PLUMB_REPORT_NO_RUN where there is no run, PLUMB_ARTIFACT_CHANGED, PLUMB_ARTIFACT_DAMAGED, PLUMB_ARTIFACT_GONE
 */
export async function readRun(target: string, most: number): Promise<RunRecord> {
  const { folder, file } = await located(target)
  const stages = await stagesOf(folder)
  const report = await readJson<ReportContent>(path.join(folder, file))
  if (report !== undefined && !isReport(report)) {
    throw new PlumbError(
      'PLUMB_ARTIFACT_DAMAGED',
      'The file is no report as a run writes it; "plumb run" writes it again.',
      shownPath(path.join(folder, file)),
    )
  }
  if (report === undefined && stages.length === 0) throw noRun(target, 'has no stage of a run in it, nor a report.json')
  const exact = report && lineageOf(report, stages)
  const lineage = report ? (exact ?? { aligned: [], tests: [] }) : unfinishedLineage(stages)
  const log = await readLog(folder)
  const names = report?.rows.map(({ name }) => name) ?? namesOf(lineage)
  const models = [...new Set([VFT_ROW, ...names])]
  const marks = await marksOf(lineage.tests, models)
  const own = membersOf(lineage)
  const written = report && (await stat(path.join(folder, file))).mtimeMs
  const sampled = lineage.sample?.manifest && (await sampleFigures(lineage.sample))
  return {
    folder: shownPath(folder),
    ...(report ? { file, report } : {}),
    models: await Promise.all(models.map(async (name) => modelOf(name, lineage))),
    stages: await Promise.all(
      own.map(async (found) => ({
        found,
        entry: entryOf(found, log),
        tokens: await tokensOf(found, found === lineage.sample ? sampled : undefined),
      })),
    ),
    missing: missingOf(report, exact !== undefined, lineage),
    newer: written === undefined ? [] : stages.filter((each) => !own.includes(each) && each.at > written).map(({ name }) => name),
    ...sourcesOf(own, log.sources),
    seed: own.map(({ determinedBy: { seed } }) => seed).find((seed) => typeof seed === 'number'),
    samples: sampled,
    difficulties: lineage.label?.manifest && (await difficulties(lineage.label)),
    marks,
    shown: await textsOf(lineage.tests, models, chosen(marks, most)),
  }
}

async function located(target: string): Promise<{ folder: string; file: string }> {
  const absolute = path.resolve(target)
  const found = await stat(absolute).catch(() => undefined)
  if (found?.isDirectory()) return { folder: absolute, file: 'report.json' }
  const name = path.basename(absolute)
  if (!found) throw noRun(target, 'is not there')
  if (!REPORT.test(name)) throw noRun(target, 'is neither a run folder nor a report-<key>.json in one')
  return { folder: path.dirname(absolute), file: name }
}

function noRun(target: string, why: string): PlumbError {
  return new PlumbError(
    'PLUMB_REPORT_NO_RUN',
    `${shownPath(path.resolve(target))} ${why}. A run folder is what the configuration calls "run".`,
  )
}

function isReport({ rows, control, notices }: Partial<ReportContent>): boolean {
  return Array.isArray(rows) && rows.length > 0 && typeof control === 'string' && Array.isArray(notices)
}

function namesOf({ aligned, tests }: Lineage): string[] {
  return [...aligned.map(({ variant = '' }) => variant), ...tests.flatMap(({ evaluations }) => [...evaluations.keys()])]
}

/** The stages of the comparison, in the order in which they run. */
function membersOf({ sft, sample, label, reference, aligned, further = [], tests }: Lineage): FoundStage[] {
  const evaluated = tests.flatMap(({ candidates, evaluations }) => [candidates, ...evaluations.values()])
  const first = aligned.filter(({ variant = '' }) => !variant.includes('+'))
  const all = [sft, sample, label, reference, ...first, ...further, ...aligned, ...evaluated]
  return [...new Set(all.filter((each) => each !== undefined))]
}

async function modelOf(name: string, { sft, aligned }: Lineage): Promise<ModelRecord> {
  const stage = name === VFT_ROW ? sft : aligned.find(({ variant }) => variant === name)
  return { name, curve: stage ? await curveOf(stage) : [], validation: stage ? await validationOf(stage) : [] }
}

/** @param sampled of this stage, where it is known already. */
async function tokensOf(found: FoundStage, sampled: SampleFigures | undefined): Promise<number | undefined> {
  if (found.manifest === undefined) return undefined
  if (found.stage === 'sample') return (sampled ?? (await sampleFigures(found)))?.tokens
  if (found.manifest.artifacts['candidates.jsonl'] !== undefined) return candidateTokens(found)
  return found.manifest.figures.completionTokens
}

/** The files that the keys of these stages know by their content. */
function sourcesOf(stages: readonly FoundStage[], entries: readonly SourcesEntry[]): Pick<RunRecord, 'sources' | 'model'> {
  const hashes = new Set(stages.flatMap(({ determinedBy: { train, questions, test } }) => [train, questions, test]))
  const isOwn = ({ hash }: SourcesEntry['sources'][number]) => hashes.has(hash)
  const entry = entries.findLast(({ sources }) => sources.some(isOwn))
  return { sources: entry?.sources.filter((source) => isOwn(source) || source.source === 'data.validation') ?? [], model: entry?.model }
}
