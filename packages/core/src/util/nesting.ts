/** No file of a model or a configuration has a tenth of it. */
const DEEPEST = 500

/**
 * Whether lists and objects are nested so deep in a value that what calls itself for each level (`JSON.stringify`, `String` of a list)
 * may run out of stack, which `JSON.parse` does not.
 */
export function isNestedTooDeep(value: unknown, levels = DEEPEST): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  return Object.values(value).some((inner) => isNestedTooDeep(inner, levels - 1))
}

/** A value of someone else's file as an error shows it: JSON, cut short. */
export function shownValue(value: unknown): string {
  if (isNestedTooDeep(value)) return '(nested too deeply to show)'
  const text = value === undefined ? '(absent)' : JSON.stringify(value)
  return text.length > 200 ? `${text.slice(0, 199)}…` : text
}
