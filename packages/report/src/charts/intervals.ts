import type { Markup } from '../page/html'
import { lookOf } from './colours'
import type { Drawing } from './plot'

/** A model's figure with its interval, as fractions. */
export interface IntervalRow {
  readonly model: number
  readonly name: string
  readonly value: number
  readonly interval?: readonly [number, number]
  /** Of single runs, where the value is their mean. */
  readonly values?: readonly number[]
}

/** A line for each model: the figure, its interval, and the single runs. `zero` marks where nothing differs. */
export function intervalChart(
  { plot, draw }: Drawing,
  rows: readonly IntervalRow[],
  { label, zero = false }: { label: string; zero?: boolean },
): Markup {
  const longest = Math.max(...rows.map(({ name }) => name.length))
  const shown = rows.map(({ interval, ...row }) => ({ ...row, from: interval?.[0], to: interval?.[1], colour: lookOf(row.model).colour }))
  const bars = shown.filter(({ from }) => from !== undefined)
  const single = shown.flatMap(({ values = [], name, colour }) =>
    values.length > 1 ? values.map((value) => ({ name, value, colour })) : [],
  )
  const options = {
    height: 50 + 30 * rows.length,
    marginLeft: Math.min(40 + 6 * longest, 180),
    x: { label, percent: true, grid: true, ticks: 5, nice: true },
    y: { label: null, domain: rows.map(({ name }) => name), type: 'band' as const },
    marks: [
      ...(zero ? [plot.ruleX([0], { stroke: 'var(--stage-1)', strokeDasharray: '2 3' })] : []),
      plot.ruleY(bars, {
        y: 'name',
        x1: 'from',
        x2: 'to',
        stroke: (row: (typeof bars)[number]) => row.colour,
        strokeWidth: 3,
        strokeOpacity: 0.45,
      }),
      plot.dot(single, { y: 'name', x: 'value', stroke: (row: (typeof single)[number]) => row.colour, r: 3 }),
      plot.dot(shown, { y: 'name', x: 'value', fill: (row: (typeof shown)[number]) => row.colour, r: 5 }),
    ],
    color: { type: 'identity' as const },
  }
  const percent = (value: number) => (100 * value).toFixed(1)
  return draw(
    options,
    `${label}: ${rows.map(({ name, value, interval }) => `${name} ${percent(value)}${interval ? ` (${percent(interval[0])} to ${percent(interval[1])})` : ''}`).join(', ')}.`,
  )
}
