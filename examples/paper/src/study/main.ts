import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { isPlumbError, writeJson, type RunEvent } from '@plumbline/core'
import { writeHtmlReport } from '@plumbline/report'
import { vocabulary } from '../world/vocabulary'
import type { Setup } from './cells'
import { CLAIMS, claimsOf, type Claim, type ClaimName } from './claims'
import { judgeClaim, type SeedOutcome } from './judge'
import { MODELS, parametersOf, type ModelName } from './models'
import type { MeasuredSet, Point } from './outcomes'
import { runCell, type RunRow } from './run-cell'
import { FULL, SMOKE } from './settings'
import { markdownOf, type ClaimResult } from './tables'

const USAGE = `node examples/paper/run.mjs --claim a..i|all [--seeds N] [--first-seed S] [--model ${Object.keys(MODELS).join('|')}] [--smoke] [--out FOLDER]

  --claim       one claim, several (b,d) or all
  --seeds       how many seeds; 3 when absent
  --first-seed  1 when absent; seeds below 1 are for choosing settings, and not reported
  --model       0.36m when absent
  --smoke       everything at a tiny fraction: it shows that all runs, and nothing else
  --out         results; examples/paper/results when absent
  --work        data and runs; examples/paper when absent`

export interface Arguments {
  readonly claims: readonly ClaimName[]
  readonly seeds: readonly number[]
  readonly model: ModelName
  readonly smoke: boolean
  readonly out?: string
  /** Where data and runs lie. */
  readonly work?: string
}

/** A mistake on the command line, in one sentence. */
export class UsageError extends Error {}

export function argumentsOf(args: readonly string[]): Arguments | undefined {
  const options = {
    claim: { type: 'string' },
    seeds: { type: 'string', default: '3' },
    'first-seed': { type: 'string', default: '1' },
    model: { type: 'string' },
    smoke: { type: 'boolean', default: false },
    out: { type: 'string' },
    work: { type: 'string' },
    help: { type: 'boolean', default: false },
  } as const
  const { values } = understood(() => parseArgs({ args: [...args], options }))
  if (values.help) return undefined
  const { claim, smoke, out, work, model = smoke ? 'tiny' : '0.36m' } = values
  if (claim === undefined) throw new UsageError(`--claim is missing: expected one of ${CLAIMS.join(', ')}, several with commas, or all.`)
  const names = claim === 'all' ? CLAIMS : claim.split(',')
  const unknown = names.find((name) => !(CLAIMS as readonly string[]).includes(name))
  if (unknown !== undefined) throw new UsageError(`--claim ${unknown} is not known; expected one of ${CLAIMS.join(', ')}, or all.`)
  if (!(model in MODELS)) throw new UsageError(`--model ${model} is not known; expected one of ${Object.keys(MODELS).join(', ')}.`)
  const count = wholeOf('--seeds', values.seeds, 1)
  const first = wholeOf('--first-seed', values['first-seed'], 0)
  return {
    claims: names as readonly ClaimName[],
    seeds: Array.from({ length: count }, (_, n) => first + n),
    model: model as ModelName,
    smoke,
    out,
    work,
  }
}

function understood<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function wholeOf(name: string, written: string, least: number): number {
  if (!/^\d{1,6}$/.test(written) || Number(written) < least)
    throw new UsageError(`${name} ${written}: expected a whole number of at least ${least}.`)
  return Number(written)
}

export interface StudyOptions extends Arguments {
  /** Of the example: plugins are found from there. */
  readonly home: string
  readonly signal?: AbortSignal
  readonly say: (line: string) => void
}

/** Runs the claims and writes what came of each. What is done is found, what was interrupted goes on. */
export async function study({ claims: names, seeds, model, smoke, home, signal, say, ...places }: StudyOptions): Promise<ClaimResult[]> {
  const settings = smoke ? SMOKE : FULL
  const { out = path.join(home, smoke ? 'runs/smoke-results' : 'results'), work = home } = places
  const setup: Setup = { settings, model, folder: work, home }
  const claims = claimsOf(settings)
  const results: ClaimResult[] = []
  mkdirSync(path.join(out, model), { recursive: true })
  for (const name of names) {
    const claim = claims[name]
    say(`claim ${name}: ${claim.title}`)
    const log = path.join(out, model, `claim-${name}.log`)
    const { seeds: outcomes, runs, curves, reports } = await runClaim(setup, claim, seeds, { signal, say, log })
    const result: ClaimResult = {
      claim: name,
      title: claim.title,
      paper: claim.paper,
      model,
      parameters: parametersOf(model, vocabulary().length),
      seeds,
      settings: `${settings.sizes.train} problems, ${settings.sftSteps} steps of stage 1, ${settings.alignSteps} of alignment${smoke ? ' (smoke: these figures mean nothing)' : ''}`,
      command: commandOf(name, seeds, model, smoke),
      judged: judgeClaim(claim, outcomes, settings.resamples),
      runs,
      ...(name === 'd' ? { curves } : {}),
    }
    const file = (ending: string) => path.join(out, model, `claim-${name}.${ending}`)
    await writeJson(file('json'), result)
    writeFileSync(file('md'), markdownOf(result, claim))
    // a page for each cell: its runs differ in their seeds alone
    for (const [cell, own] of reports) await writeHtmlReport(file(`${slugOf(cell)}.html`), { runs: own, questions: SHOWN_QUESTIONS })
    say(`claim ${name}: ${result.judged.verdict}; ${file('md')}`)
    results.push(result)
  }
  return results
}

/** Questions that a page shows, of all its runs together: it is committed. */
const SHOWN_QUESTIONS = 60

const slugOf = (cell: string) => cell.replaceAll(/[^a-z0-9]+/g, '-')

interface ClaimRuns {
  readonly seeds: readonly SeedOutcome[]
  readonly runs: readonly RunRow[]
  readonly curves: NonNullable<ClaimResult['curves']>
  /** The report files of the seeds, by cell. */
  readonly reports: ReadonlyMap<string, readonly string[]>
}

async function runClaim(
  setup: Setup,
  { cells }: Claim,
  seeds: readonly number[],
  { signal, say, log }: { readonly signal?: AbortSignal; readonly say: (line: string) => void; readonly log: string },
): Promise<ClaimRuns> {
  const outcomes: SeedOutcome[] = []
  const runs: RunRow[] = []
  const curves: Record<string, (readonly Point[])[]> = {}
  const reports = new Map<string, string[]>()
  for (const seed of seeds) {
    const sets = new Map<string, MeasuredSet>()
    for (const cell of cells) {
      say(`  seed ${seed}, ${cell.name}`)
      const started = performance.now()
      const outcome = await runCell(setup, cell, seed, { signal, onEvent: (event) => note(log, seed, cell.name, event) })
      say(`  seed ${seed}, ${cell.name}: ${((performance.now() - started) / 60_000).toFixed(1)} minutes`)
      for (const [key, set] of outcome.sets) sets.set(key, set)
      for (const [variant, curve] of outcome.curves) if (curve.length > 0) (curves[variant] ??= []).push(curve)
      runs.push(...outcome.rows)
      reports.set(cell.name, [...(reports.get(cell.name) ?? []), outcome.report])
    }
    outcomes.push({ seed, sets })
  }
  return { seeds: outcomes, runs, curves, reports }
}

/** A line for each stage that was done or found, and for each thing worth knowing; no line holds a path or a time of day. */
function note(log: string, seed: number, cell: string, event: RunEvent): void {
  const line = lineOf(event)
  if (line !== undefined) appendFileSync(log, `seed ${seed}, ${cell}: ${line}\n`)
}

function lineOf(event: RunEvent): string | undefined {
  switch (event.type) {
    case 'stage-end':
      return `${[event.stage, event.variant].filter(Boolean).join(' ')}: ${event.summary}, ${event.seconds.toFixed(1)} s`
    case 'stage-reused':
      return `${[event.stage, event.variant].filter(Boolean).join(' ')}: found done`
    case 'notice':
      return event.level === 'warning' ? `warning: ${event.message}` : undefined
    default:
      return undefined
  }
}

function commandOf(claim: ClaimName, seeds: readonly number[], model: ModelName, smoke: boolean): string {
  const [first = 1] = seeds
  return [
    `node examples/paper/run.mjs --claim ${claim} --seeds ${seeds.length}`,
    ...(first === 1 ? [] : [`--first-seed ${first}`]),
    ...(model === '0.36m' || smoke ? [] : [`--model ${model}`]),
    ...(smoke ? ['--smoke'] : []),
  ].join(' ')
}

/** The command line: resolves to the exit code. */
export async function main(args: readonly string[], home: string): Promise<number> {
  const controller = new AbortController()
  const stop = () => controller.abort()
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  try {
    const given = argumentsOf(args)
    if (given === undefined) {
      console.log(USAGE)
      return 0
    }
    await study({ ...given, home, signal: controller.signal, say: (line) => console.error(line) })
    return 0
  } catch (error) {
    if (error instanceof UsageError) console.error(error.message)
    else if (isPlumbError(error)) console.error([error.code, error.where, error.message].filter(Boolean).join('  '))
    // of the system: a folder that cannot be written, a full disk
    else if (error instanceof Error && 'syscall' in error) console.error(error.message)
    else throw error
    return isPlumbError(error) && error.code === 'PLUMB_INTERRUPTED' ? 130 : 2
  } finally {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
}
