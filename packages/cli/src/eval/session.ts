import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Config as OclifConfig } from '@oclif/core'
import {
  evaluateOn,
  hashJson,
  isPlumbError,
  PlumbError,
  studentQuantile,
  writeJsonLines,
  type EvaluationOn,
  type ReportRow,
  type RunEvent,
} from '@plumbline/core'
import { isFolder } from '@plumbline/core/base'
import { UserError } from '../errors/user-error'
import { loadAllPlugins } from '../run/plugins'
import { configIfAny, namedSets, writtenData } from './data'

export interface EvalOptions {
  readonly configFile?: string
  readonly overrides: readonly string[]
  readonly model: string
  readonly data: readonly string[]
  readonly baseline?: string
  readonly labeler?: string
  readonly format?: string
  readonly limit?: number
  /** Where every answer is written. */
  readonly out?: string
  readonly oclif: OclifConfig
  readonly signal: AbortSignal
  readonly onEvent: (event: RunEvent) => void
}

/** How often each judgement was made. */
export interface Breakdown {
  readonly right: number
  readonly wrong: number
  /** No final answer was found: counts as wrong. */
  readonly unparsed: number
}

export interface EvaluatedModel extends Omit<ReportRow, 'versusControl' | 'sets'> {
  readonly breakdown: Breakdown
}

export interface EvalReport {
  /** The model, then the baseline. */
  readonly models: readonly EvaluatedModel[]
  /** Of several data files: the same on each. */
  readonly sets?: readonly { readonly name: string; readonly models: readonly EvaluatedModel[]; readonly difference?: Difference }[]
  /** Of accuracies, over the same questions. */
  readonly difference?: Difference
  readonly judge: string
  readonly notices: readonly string[]
  readonly out?: string
}

export interface Difference {
  /** Model less baseline, a fraction. */
  readonly difference: number
  readonly standardError: number
  /** Student's t 95 % interval over questions. */
  readonly interval: readonly [number, number]
}

/**
 * @throws UserError PLUMB_EVAL_DATA, PLUMB_EVAL_OUT; PlumbError those of `evaluateOn`, of the flag where one says what is wrong.
 */
export async function evaluate(options: EvalOptions): Promise<EvalReport> {
  const { configFile, overrides, model, baseline, labeler, format, limit, out, oclif, signal, onEvent } = options
  if (out !== undefined && (await isFolder(out))) {
    throw new UserError('PLUMB_EVAL_OUT', 'Expected a file to write, but this is a folder.', out)
  }
  const loaded = await configIfAny(configFile, overrides)
  const { config, folder = process.cwd() } = loaded ?? {}
  const kept = await keptFolder(options)
  const { registry: known, warnings } = await loadAllPlugins(config?.plugins ?? [], folder, oclif)
  for (const message of warnings) onEvent({ type: 'notice', level: 'warning', message })
  const sources = []
  for (const file of options.data) sources.push(await writtenData(file, { format, limit, config, registry: known }))
  const data = namedSets(sources)
  // without a configuration, --set may name plugins too
  const registry = async (listed: readonly string[], from: string) => (await loadAllPlugins(listed, from, oclif)).registry
  const judge = labeler === undefined ? [] : [`evaluate.label=${labeler}`]
  try {
    return await evaluateOn(
      { path: configFile, overrides: [...overrides, ...judge], registry, model, baseline, data, onEvent, signal, workFolder: kept },
      async (evaluation) => {
        if (out !== undefined) await writeJsonLines(path.resolve(out), evaluation.answers())
        return { ...reportOf(evaluation), ...(out === undefined ? {} : { out: path.resolve(out) }) }
      },
    )
  } catch (error) {
    throw labeler === undefined ? error : atFlag(error, `--set evaluate.label=${labeler}`, `--labeler ${labeler}`)
  }
}

const DAY_MS = 86_400_000
/** After this long nobody is expected to go on. */
const KEPT_DAYS = 30

/** Where the same command finds its answers again; what others have left there long ago is removed. */
async function keptFolder(options: EvalOptions): Promise<string> {
  const { configFile, overrides, model, data, baseline, labeler, format, limit } = options
  const all = path.join(options.oclif.cacheDir, 'eval')
  for (const name of await readdir(all).catch((): string[] => [])) {
    const other = path.join(all, name)
    const { mtimeMs } = await stat(other)
    if (mtimeMs < Date.now() - KEPT_DAYS * DAY_MS) await rm(other, { recursive: true, force: true })
  }
  const asked = { configFile, overrides, model, data, baseline, labeler, format, limit, cwd: process.cwd() }
  return path.join(all, hashJson(asked).slice(0, 16))
}

function reportOf({ rows, judge, notices }: EvaluationOn): EvalReport {
  const difference = differenceOf(rows[0])
  const sets = rows[0]?.sets?.map((set, s) => {
    const own = differenceOf(set)
    return {
      name: set.name,
      models: rows.flatMap((row) => (row.sets?.[s] ? [{ ...modelOf(row.sets[s]), name: row.name }] : [])),
      ...(own === undefined ? {} : { difference: own }),
    }
  })
  return {
    models: rows.map(modelOf),
    ...(difference === undefined ? {} : { difference }),
    ...(sets === undefined ? {} : { sets }),
    judge,
    notices,
  }
}

function modelOf({ name, questions, accuracy = 0, interval, parseFailures = 0 }: ReportRow): EvaluatedModel {
  const right = Math.round(accuracy * questions)
  const unparsed = Math.round(parseFailures * questions)
  return { name, questions, accuracy, interval, parseFailures, breakdown: { right, wrong: questions - right - unparsed, unparsed } }
}

function differenceOf(row: ReportRow | undefined): Difference | undefined {
  if (row?.versusControl === undefined) return undefined
  const { difference, standardError } = row.versusControl
  const half = row.questions > 1 ? studentQuantile(row.questions - 1) * standardError : 0
  return { difference, standardError, interval: [difference - half, difference + half] }
}

/** An error at a flag that stands for an override. */
function atFlag(error: unknown, set: string, flag: string): unknown {
  if (!isPlumbError(error) || error.where !== set) return error
  return new PlumbError(error.code, error.message.replaceAll('evaluate.label', '--labeler'), flag, { cause: error })
}
