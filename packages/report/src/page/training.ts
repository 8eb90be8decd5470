import { ALIGNMENT_FIGURES, curveChart, LOSS, type CurveFigure, type Series } from '../charts/curves'
import type { Drawing } from '../charts/plot'
import type { RunRecord } from '../read/run'
import { html, type Markup } from './html'
import { figureBox, legend, type Names } from './parts'

const CAPTIONS: Readonly<Record<string, string>> = {
  'Perplexity of wrong candidates':
    'exp of minus their mean score. A loss without a constraint drives it up: this is the damage that constraints stop.',
  'Margin between right and wrong': 'Mean over pairs of a question, then over questions.',
  'Loss of stage 1': 'Dotted, where there is one: of the validation chains.',
}

/** How every model was trained, over the steps. */
export function training({ models }: RunRecord, names: Names, drawing: Drawing): Markup {
  const seriesOf = (name: string, steps: Series['steps'], beside = false): Series => ({
    model: names.place(name),
    name: beside ? `${name}, validation` : name,
    steps,
    beside,
  })
  const [first, ...variants] = models
  const aligned = variants.map(({ name, curve }) => seriesOf(name, curve))
  const stage1 = first ? [seriesOf(first.name, first.curve), seriesOf(first.name, first.validation, true)] : []
  const figures = [...ALIGNMENT_FIGURES.flatMap((figure) => box(drawing, figure, aligned)), ...box(drawing, LOSS, stage1)]
  if (figures.length === 0) return html`<p>No training has written a step yet.</p>`
  const shown = models.filter(({ curve }) => curve.length > 0).map(({ name }) => name)
  return html`<p>
      Of the questions of each step; faint the steps, bold the mean over neighbouring steps. Losses of different variants are different
      functions: their heights do not compare. A variant that compares no candidates has the loss alone.
    </p>
    ${legend(names, shown)}
    <div class="charts">${figures}</div>`
}

function box(drawing: Drawing, figure: CurveFigure, series: readonly Series[]): Markup[] {
  const drawn = curveChart(drawing, figure, series)
  return drawn ? [figureBox(figure.title, CAPTIONS[figure.title] ?? '', drawn)] : []
}
