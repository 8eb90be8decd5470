import type * as Plot from '@observablehq/plot' with { 'resolution-mode': 'import' }
import { escaped, Markup } from '../page/html'

/** Observable Plot on a document of linkedom: charts are drawn here, once, and not in the browser. */
export interface Drawing {
  readonly plot: typeof Plot
  /** @param description what is drawn, for those who cannot see it. */
  draw(options: Plot.PlotOptions, description: string): Markup
}

/** Loads the library, which takes a third of a second: only what writes a page does. */
export async function openDrawing(): Promise<Drawing> {
  const [plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')])
  // The projects' types are those of Node, which has no documents; Plot takes this one for the browser's.
  const { document } = parseHTML('<!doctype html><html><body></body></html>') as unknown as { document: never }
  const draw: Drawing['draw'] = (options, description) => {
    // a page of charts has one style sheet, its own, in the place of one for each
    const drawn = plot.plot({ ...PLACE, ...options, document, className: 'plot' }) as unknown as { toString(): string }
    const svg = drawn.toString().replace(/<style>[^]*?<\/style>/, '')
    return new Markup(coarse(svg).replace('<svg', `<svg role="img" aria-label="${escaped(description)}"`))
  }
  return { plot, draw }
}

/** Places to a tenth of a pixel, which nobody sees: curves are most of a page, and most of a curve were further digits. */
function coarse(svg: string): string {
  return svg.replace(/ (?:d|x|y|[xy][12]|c[xy]|width|height|transform)="[^"]*"/g, (attribute) =>
    attribute.replace(/\d+\.\d{2,}/g, (place) => String(Math.round(10 * Number(place)) / 10)),
  )
}

const PLACE: Plot.PlotOptions = { width: 440, height: 250, marginTop: 24, marginRight: 12, marginLeft: 48, marginBottom: 38 }
