import { distance } from 'fastest-levenshtein'

/** The known name that a mistyped one most likely meant, or undefined when none is near. */
export function closest(name: string, known: readonly string[]): string | undefined {
  const wanted = name.toLowerCase()
  let best: string | undefined
  let bestDistance = Infinity
  for (const candidate of known) {
    const known = candidate.toLowerCase()
    const edits = isSwapped(wanted, known) ? 1 : distance(wanted, known)
    if (edits < bestDistance) {
      best = candidate
      bestDistance = edits
    }
  }
  // More edits than a third of the word is another word, not a slip (two letters far apart are two edits); a prefix is an abbreviation.
  const longest = Math.max(wanted.length, best?.length ?? 0)
  const near = bestDistance <= Math.max(longest < 5 ? 1 : 2, Math.floor(longest / 3))
  if (near) return best
  return known.find((candidate) => wanted.length >= 3 && candidate.toLowerCase().startsWith(wanted))
}

/** Whether two neighbouring letters changed places, the commonest slip of the fingers. */
function isSwapped(a: string, b: string): boolean {
  const at = Array.from(a).findIndex((letter, index) => letter !== b[index])
  return at >= 0 && a.length === b.length && a === b.slice(0, at) + (b[at + 1] ?? '') + (b[at] ?? '') + b.slice(at + 2)
}

/** The end of an error message about an unknown name: `Did you mean "ca"?`, or the names there are. */
export function suggestion(name: string, known: readonly string[], title = 'Known'): string {
  const meant = closest(name, known)
  if (meant !== undefined) return `Did you mean "${meant}"?`
  return known.length === 0 ? `There are none.` : `${title}: ${[...known].sort().join(', ')}.`
}
