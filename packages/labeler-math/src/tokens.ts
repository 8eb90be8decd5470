import { Unreadable } from './node'

export interface Token {
  readonly kind: 'number' | 'letter' | 'command' | 'sign' | 'words'
  readonly text: string
  /** A space stands before it. */
  readonly isApart: boolean
}

/** Longer answers are not read. */
export const LONGEST = 400

const TOKEN =
  /(?<number>\d+(?:\.\d+)?|\.\d+)|\\(?:text|textbf|textit|textrm|mbox|mathrm|mathbf|operatorname)\s?\{(?<words>[^{}]*)\}|(?<command>\\[a-zA-Z]+|\\[{}|\\%])|(?<word>[a-zA-Z]{2,})|(?<letter>\p{L})|(?<sign>[-+*/^_=<>≤≥≠∈∪±()[\]{}|,;!'&%°])|(?<space>\s+)|(?<other>.)/gsu

const REPLACED: readonly (readonly [RegExp, string])[] = [
  [/[\u2010-\u2013\u2212\uFF0D]/g, '-'],
  [/[×·⋅∗]/g, '*'],
  [/÷/g, '/'],
  [/π/g, '\\pi '],
  [/∞/g, '\\infty '],
  [/√/g, '\\sqrt '],
  [/\\[$£€]|\\(?:left|right|displaystyle|textstyle|limits|big|Big|bigl|bigr|Bigl|Bigr)(?![a-zA-Z])|(?<!\\)\\[!,;: ]|~/g, ' '],
  [/(\d)\{,\}(?=\d{3})/g, '$1,'],
  [/\^\s?\{?\s?\\circ\s?\}?|\\degree(?![a-zA-Z])|º/g, '°'],
  [/(?<!\\)\\[()[\]]|\$/g, ' '],
  [/\\(?:quad|qquad)(?![a-zA-Z])/g, ' '],
  [/\\lvert|\\rvert|\\vert|\\mid/g, '|'],
  [/\\lbrace/g, '\\{'],
  [/\\rbrace/g, '\\}'],
  [/<=|\\leq?(?:slant)?(?![a-zA-Z])/g, '≤'],
  [/>=|\\geq?(?:slant)?(?![a-zA-Z])/g, '≥'],
  [/!=|\\neq?(?![a-zA-Z])/g, '≠'],
  [/\\lt(?![a-zA-Z])/g, '<'],
  [/\\gt(?![a-zA-Z])/g, '>'],
  [/\\in(?![a-zA-Z])/g, '∈'],
  [/\\cup(?![a-zA-Z])/g, '∪'],
  [/\\pm(?![a-zA-Z])/g, '±'],
  [/\\(?:times|cdot|ast)(?![a-zA-Z])|\*\*(?=\s?\*)/g, '*'],
  [/\\div(?![a-zA-Z])/g, '/'],
  [/\\%/g, '%'],
]
const KNOWN_WORDS = new Set([
  'pi',
  'sqrt',
  'sin',
  'cos',
  'tan',
  'cot',
  'sec',
  'csc',
  'ln',
  'log',
  'exp',
  'or',
  'and',
  'infinity',
  'inf',
  'oo',
])

/** @throws Unreadable for what is too long, or has signs that no answer here is made of. */
export function tokenize(written: string): Token[] {
  if (written.length > LONGEST) throw new Unreadable('too long')
  let text = written.replace(/(\d)\s?\*\*\s?(?=[\d(-])/g, '$1^').replace(/\*\*/g, '')
  for (const [pattern, by] of REPLACED) text = text.replace(pattern, by)
  const tokens: Token[] = []
  let isApart = false
  for (const { 0: source, groups = {} } of text.matchAll(TOKEN)) {
    const { number, words, command, word, letter, sign, space } = groups
    if (space === undefined) tokens.push(...tokensOf(source, { number, words, command, word, letter, sign }, isApart))
    isApart = space !== undefined
  }
  return tokens
}

function tokensOf(source: string, found: Readonly<Record<string, string | undefined>>, isApart: boolean): Token[] {
  if (found.number !== undefined) return [{ kind: 'number', text: source, isApart }]
  if (found.words !== undefined)
    return found.words.trim() === '' ? [] : [{ kind: 'words', text: found.words.trim().toLowerCase(), isApart }]
  if (found.command !== undefined) return [{ kind: 'command', text: source.slice(1), isApart }]
  if (found.word !== undefined) {
    const word = source.toLowerCase()
    if (KNOWN_WORDS.has(word))
      return [
        word === 'or' || word === 'and' ? { kind: 'words', text: word, isApart } : { kind: 'command', text: SAME[word] ?? word, isApart },
      ]
    // xy is a product, a longer word is a word.
    return source.length > 2
      ? [{ kind: 'words', text: word, isApart }]
      : Array.from(source).map((text) => ({ kind: 'letter', text, isApart }))
  }
  if (found.letter !== undefined) return [{ kind: 'letter', text: source, isApart }]
  if (found.sign !== undefined) return [{ kind: 'sign', text: source, isApart }]
  if (source === '.') return []
  throw new Unreadable(`the sign ${source}`)
}

const SAME: Readonly<Record<string, string>> = { infinity: 'infty', inf: 'infty', oo: 'infty' }
