import path from 'node:path'
import { runConfig, type RunEvent, type RunReport } from '@plumbline/core'
import { configOf, type Cell, type Setup } from './cells'
import { keyOf } from './judge'
import { curveOf, measured, meansOf, type Figure, type MeasuredSet, type Point } from './outcomes'

/** One row of the list of runs. */
export interface RunRow {
  readonly cell: string
  readonly seed: number
  readonly model: string
  readonly set?: string
  readonly questions: number
  readonly means: Partial<Record<Figure, number>>
}

export interface CellOutcome {
  readonly rows: readonly RunRow[]
  readonly sets: ReadonlyMap<string, MeasuredSet>
  /** By variant. */
  readonly curves: ReadonlyMap<string, readonly Point[]>
  /** The file of its report. */
  readonly report: string
}

/** Runs a cell with a seed, or finds it done, and reads what it left, question by question. */
export async function runCell(
  setup: Setup,
  cell: Cell,
  seed: number,
  { signal, onEvent }: { readonly signal?: AbortSignal; readonly onEvent: (event: RunEvent) => void },
): Promise<CellOutcome> {
  const folders = new Map<string, string>()
  const report = await runConfig({
    config: configOf(setup, cell, seed),
    cwd: setup.home,
    signal,
    onEvent: (event) => {
      if (event.type === 'stage-end' || event.type === 'stage-reused') folders.set(titleOf(event.stage, event.variant), event.path)
      onEvent(event)
    },
  })
  const folderOf = (stage: string, variant: string): string => {
    const folder = folders.get(titleOf(stage, variant))
    if (folder === undefined) throw new Error(`the run told nothing of ${titleOf(stage, variant)}`)
    return folder
  }
  const sets = new Map<string, MeasuredSet>()
  const rows: RunRow[] = []
  for (const { model, set } of modelsOf(report)) {
    const within = (name: string) => (set === undefined ? name : `${name}@${set}`)
    const own = await measured(folderOf('evaluate', within('candidates')), folderOf('evaluate', within(model)))
    sets.set(keyOf({ cell: cell.name, model, set }), own)
    rows.push({ cell: cell.name, seed, model, ...(set === undefined ? {} : { set }), questions: own.size, means: meansOf(own) })
  }
  const curves = new Map<string, readonly Point[]>()
  for (const { name } of cell.variants) curves.set(name, await curveOf(folderOf('align', name)))
  return { rows, sets, curves, report: path.join(report.run, `report-${report.key ?? ''}.json`) }
}

function modelsOf({ rows }: RunReport): { readonly model: string; readonly set?: string }[] {
  return rows.flatMap(({ name, sets }) => (sets === undefined ? [{ model: name }] : sets.map((set) => ({ model: name, set: set.name }))))
}

const titleOf = (stage: string, variant: string | undefined) => (variant === undefined ? stage : `${stage} ${variant}`)
