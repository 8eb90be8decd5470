import { printable } from '@plumbline/core/base'

/** Markup, as opposed to text: what {@link html} puts into a page as it is. */
export class Markup {
  constructor(readonly text: string) {}
}

type Part = Markup | string | number | undefined | readonly Part[]

/**
 * Markup with values in it. Texts are escaped, whatever they hold: `<`, quotes, control characters (shown as `\x1b`, as everywhere in Plumbline). So
 * attributes must stand in double quotes.
 */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Markup {
  return new Markup(strings.reduce((text, string, n) => text + markupOf(values[n - 1]) + string))
}

/** Text as it stands in markup or in an attribute. */
export function escaped(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function markupOf(part: Part): string {
  if (part === undefined) return ''
  if (part instanceof Markup) return part.text
  if (typeof part === 'string' || typeof part === 'number') return escaped(String(part))
  return part.map(markupOf).join('')
}
