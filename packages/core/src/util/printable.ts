/** Control characters (C0 but newline and tab, DEL, C1), and those that change the direction or the lines of the text around them. */
const UNPRINTABLE = /(?![\n\t])[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/**
 * Text of data sets, models and file names as a terminal may be given it: what could move its cursor, change its title or clipboard, or
 * turn the order of what is read around is shown as an escape, e.g. `\x1b` or `\u202e`.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.charCodeAt(0)
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
  })
}
