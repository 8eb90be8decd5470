import { printable } from '../../src/util/printable'

it('leaves text alone: letters of all kinds, emoji, newline, tab', () => {
  const text = 'straße 試 עברית e\u0301 👩‍🚀 \ufeff ½ … ⏎\n\tx\u00a0y'
  expect(printable(text)).toBe(text)
})

it('shows every control character of Unicode as an escape', () => {
  for (let code = 0; code < 0x110000; code++) {
    if (code >= 0xd800 && code < 0xe000) continue
    const character = String.fromCodePoint(code)
    const isControl = /\p{Cc}/u.test(character) && character !== '\n' && character !== '\t'
    if (isControl) expect(printable(character)).toBe(`\\x${code.toString(16).padStart(2, '0')}`)
    else if (/\p{Bidi_Control}/u.test(character)) expect(printable(character)).toBe(`\\u${code.toString(16).padStart(4, '0')}`)
  }
})

it.each([
  ['the clipboard (OSC 52)', '\u001b]52;c;aGk=\u0007', '\\x1b]52;c;aGk=\\x07'],
  ['the title', '\u001b]0;x\u001b\\', '\\x1b]0;x\\x1b\\'],
  ['the cursor, by C1', '\u009b2J', '\\x9b2J'],
  ['a line that overwrites itself', 'right\rwrong', 'right\\x0dwrong'],
  ['backspaces', 'ab\b\bcd', 'ab\\x08\\x08cd'],
  ['separators of lines', 'a\u2028b\u2029c\u0085d', 'a\\u2028b\\u2029c\\x85d'],
  ['the order of letters', '\u202etxt.exe\u202c \u2066a\u2069', '\\u202etxt.exe\\u202c \\u2066a\\u2069'],
])('shows what would change %s', (_, text, shown) => {
  expect(printable(text)).toBe(shown)
})
