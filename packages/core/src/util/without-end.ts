/**
 * A text without the characters of this set at its end. A pattern `[…]+$` would do the same, but begins anew at each of them wherever they
 * stand, which takes the square of the length of a run that is not at the end.
 */
export function withoutEnd(text: string, characters: string): string {
  let end = text.length
  while (end > 0 && characters.includes(text.charAt(end - 1))) end--
  return text.slice(0, end)
}
