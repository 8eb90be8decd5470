import { printable } from '@plumbline/core/base'
import { ABSENT, percent } from '../report/report'
import { renderTable, type Column } from '../report/table'
import type { ListedRun } from './list'

const COLUMNS: readonly Column[] = [
  { title: ['run'], align: 'left' },
  { title: ['when'], align: 'left' },
  { title: ['state'], align: 'left' },
  { title: ['stages'], align: 'left' },
  { title: ['model'], align: 'left' },
  { title: ['seeds'], align: 'left' },
  { title: ['best'], align: 'left' },
  { title: ['size'], align: 'right' },
]

export function renderRuns(runs: readonly ListedRun[]): string {
  const problems = runs.flatMap(({ run, problem }) => (problem === undefined ? [] : [`! ${run}: ${problem}`]))
  const table = renderTable(COLUMNS, runs.map(cells))
  return printable([table, ...problems].join('\n'))
}

function cells({ run, when, state, stages, model, seeds, best, bytes }: ListedRun): string[] {
  const counted = Object.entries(stages).map(([name, count]) => (count === 1 ? name : `${count} ${name}`))
  const figure = best && (best.figure === 'accuracy' ? percent(best.value) : `${best.value.toFixed(3)} assessment`)
  return [
    run,
    localTime(when),
    state,
    counted.length === 0 ? ABSENT : counted.join(', '),
    model ?? ABSENT,
    seeds.length === 0 ? ABSENT : ranges(seeds),
    best === undefined ? ABSENT : `${best.name} ${figure}`,
    sizeOf(bytes),
  ]
}

/** `2026-11-27 05:41`, by the clock of this machine. */
function localTime(iso: string): string {
  const at = new Date(iso)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`
}

/** `0..4, 7` */
export function ranges(seeds: readonly number[]): string {
  const parts: [number, number][] = []
  for (const seed of seeds) {
    const last = parts.at(-1)
    if (last?.[1] === seed - 1) last[1] = seed
    else parts.push([seed, seed])
  }
  return parts.map(([from, to]) => (to - from > 1 ? `${from}..${to}` : from === to ? String(from) : `${from}, ${to}`)).join(', ')
}

/** `1.2 GB`, decimal as file managers count. */
export function sizeOf(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}
