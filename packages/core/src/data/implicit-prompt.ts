/**
 * The common beginning of two texts, cut as TRL's `extract_prompt` cuts it: before the first character that differs, or before
 * one space in front of it; where one text is the beginning of the other, before the shorter one's last character.
 * @returns its length; 0 where the texts have nothing in common.
 */
export function commonPrompt(chosen: string, rejected: string): number {
  const shorter = Math.min(chosen.length, rejected.length)
  let length = 0
  while (length < shorter && chosen.charCodeAt(length) === rejected.charCodeAt(length)) length++
  // Python counts characters, not halves of surrogate pairs.
  if (length === shorter) length -= shorter > 0 ? lastCharacter(chosen.slice(0, shorter)) : 0
  else {
    if (isHigh(chosen.charCodeAt(length - 1)) && length > 0) length--
    if (chosen.charAt(length - 1) === ' ') length--
  }
  return Math.max(0, length)
}

const isHigh = (code: number): boolean => code >= 0xd800 && code <= 0xdbff

function lastCharacter(text: string): number {
  return text.length > 1 && isHigh(text.charCodeAt(text.length - 2)) ? 2 : 1
}
