import type { RectYOptions } from '@observablehq/plot' with { 'resolution-mode': 'import' }
import type { Markup } from '../page/html'
import type { Difficulty } from '../read/samples'
import type { Drawing } from './plot'

/** How many questions have so many right completions. */
export function difficultyChart({ plot, draw }: Drawing, questions: readonly Difficulty[]): Markup {
  const k = Math.max(0, ...questions.map(({ of }) => of))
  const counts = Array.from({ length: k + 1 }, (_, right) => ({
    right,
    questions: questions.filter((each) => each.right === right).length,
  }))
  const options = {
    height: 220,
    x: { label: `right completions of ${k}`, type: 'band' as const },
    y: { label: 'questions', grid: true, ticks: 4 },
    marks: [plot.barY(counts, { x: 'right', y: 'questions', fill: 'var(--model-1)', fillOpacity: 0.65 }), plot.ruleY([0])],
  }
  return draw(options, `Questions by right completions: ${counts.map((each) => `${each.right} right ${each.questions}`).join(', ')}.`)
}

export function lengthChart({ plot, draw }: Drawing, lengths: readonly number[]): Markup {
  const sorted = lengths.toSorted((a, b) => a - b)
  const options = {
    height: 220,
    x: { label: 'tokens' },
    y: { label: 'completions', grid: true, ticks: 4 },
    marks: [
      plot.rectY(
        lengths,
        plot.binX<RectYOptions>(
          { y: 'count' },
          { x: (length: number) => length, thresholds: 30, fill: 'var(--model-1)', fillOpacity: 0.65 },
        ),
      ),
      plot.ruleY([0]),
    ],
  }
  return draw(
    options,
    `Lengths of distinct completions in tokens: median ${sorted[Math.floor(sorted.length / 2)] ?? 0}, longest ${sorted.at(-1) ?? 0}.`,
  )
}
