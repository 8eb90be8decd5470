import { printable, shownPath } from '@plumbline/core/base'
import { ABSENT, percent, points } from '../report/report'
import { renderTable, type Column } from '../report/table'
import type { Difference, EvalReport, EvaluatedModel } from './session'

const COLUMNS: readonly Column[] = [
  { title: ['model'], align: 'left' },
  { title: ['accuracy'], align: 'right' },
  { title: ['95 %', 'interval'], align: 'right' },
  { title: ['right'], align: 'right' },
  { title: ['wrong'], align: 'right' },
  { title: ['no', 'answer'], align: 'right' },
]

/** The table of an evaluation; of several files one for each behind it. */
export function renderEvaluation({ models, difference, sets = [], judge, notices, out }: EvalReport, files: readonly string[]): string {
  const questions = models[0]?.questions ?? 0
  const where = files.map((file) => shownPath(file)).join(', ')
  const parts = [
    `Greedy answers to ${questions} questions of ${where}, judged by the labeler "${judge}".`,
    renderTable(COLUMNS, models.map(cells)),
    ...compared(models, difference),
    ...sets.flatMap((set) => [
      `${set.name}, ${set.models[0]?.questions ?? 0} questions:`,
      renderTable(COLUMNS, set.models.map(cells)),
      ...compared(set.models, set.difference),
    ]),
  ]
  if (notices.length > 0) parts.push(notices.map((notice) => `! ${notice}`).join('\n'))
  if (out !== undefined) parts.push(`Every answer is in ${shownPath(out)}.`)
  return printable(parts.join('\n\n'))
}

function cells({ name, accuracy, interval, breakdown: { right, wrong, unparsed } }: EvaluatedModel): string[] {
  const between = interval === undefined ? ABSENT : `${percent(interval[0], false)}–${percent(interval[1], false)}`
  return [name, percent(accuracy), between, String(right), String(wrong), String(unparsed)]
}

function compared(models: readonly EvaluatedModel[], difference: Difference | undefined): string[] {
  const [model, baseline] = models
  if (difference === undefined || model === undefined || baseline === undefined) return []
  const [from, to] = difference.interval.map(points)
  return [
    `${model.name} against ${baseline.name}: ${points(difference.difference)} points, 95 % interval ${from} to ${to} (paired, over ${model.questions} questions).`,
  ]
}
