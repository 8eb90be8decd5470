import { printable } from '@plumbline/core/base'
import { padded, widthOf } from '../progress/width'
import { renderAnswer } from './render'
import type { ModelAnswer } from './session'

/** Narrower columns are harder to read than answers below one another. */
const LEAST_COLUMN = 32
const GAP = '  '

/** How wide a column of each model is; undefined where they do not fit beside one another. */
export function columnWidth(models: number, terminal: number | undefined): number | undefined {
  if (terminal === undefined || models < 2) return undefined
  const width = Math.floor((terminal - GAP.length * (models - 1)) / models)
  return width < LEAST_COLUMN ? undefined : width
}

/** Answers beside one another, each under the name of its model. */
export function renderSideBySide(answers: readonly ModelAnswer[], width: number): string {
  const columns = answers.map((answer) => {
    const name = wrapped(printable(answer.model), width)
    return [
      ...name,
      '-'.repeat(Math.max(...name.map(widthOf))),
      ...renderAnswer(answer)
        .split('\n')
        .flatMap((line) => wrapped(line, width)),
    ]
  })
  const height = Math.max(...columns.map((lines) => lines.length))
  const row = (r: number) => columns.map((lines) => padded(lines[r] ?? '', width)).join(GAP)
  return Array.from({ length: height }, (_, r) => row(r).trimEnd()).join('\n')
}

/** A line in lines that fit, broken at spaces where there are any. */
export function wrapped(line: string, width: number): string[] {
  const lines: string[] = []
  let current = ''
  const flush = () => {
    lines.push(current.trimEnd())
    current = ''
  }
  for (const word of line.split(/(?<= )/)) {
    if (current !== '' && widthOf(current) + widthOf(word.trimEnd()) > width) flush()
    for (const character of word) {
      if (character !== ' ' && widthOf(current) + widthOf(character) > width) flush()
      current += character
    }
  }
  flush()
  return lines
}
