import { PlumbError } from '../errors'
import { shownPath } from '../util/shown-path'

/**
 * JSON text of a value, in which no number was lost: JSON has neither NaN nor infinities and writes null for them, which would be read
 * back as a figure that no one computed.
 * @throws PlumbError PLUMB_NON_FINITE with the file and the path of the number.
 */
export function jsonOf(value: unknown, file: string, space?: number): string {
  const text = JSON.stringify(value, undefined, space)
  // A number that is not finite can only have become the word null; without one there is nothing to look for.
  if (text.includes('null')) {
    const place = nonFinite(value)
    if (place !== undefined) {
      const name = place.path.length === 0 ? 'The value' : place.path.join('.')
      throw new PlumbError('PLUMB_NON_FINITE', `${name} is ${place.value} and not a finite number; it is not written.`, shownPath(file))
    }
  }
  return text
}

function nonFinite(value: unknown): { readonly path: readonly string[]; readonly value: number } | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : { path: [], value }
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, inner] of Object.entries(value)) {
    const found = nonFinite(inner)
    if (found !== undefined) return { path: [key, ...found.path], value: found.value }
  }
  return undefined
}
