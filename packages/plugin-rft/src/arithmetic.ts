import {
  addFractions,
  decimalFraction,
  divideFractions,
  multiplyFractions,
  powerOfFraction,
  scaleFraction,
  subtractFractions,
  type Fraction,
} from '@plumbline/core'

export interface Token {
  readonly kind: 'number' | 'operator' | 'other'
  /** Operators as `+ - * / ^ ( ) =`, whatever they looked like. */
  readonly text: string
  /** The characters in the source. */
  readonly source: string
}

/** Longer expressions, and larger values, are not evaluated: no chain of thought needs them, and work and depth stay bounded. */
export const MAX_TOKENS = 100
const LIMIT = 1n << 1024n

/** Groups: a number, an operator, white space; what is none of them is taken in runs. Numbered, since named groups cost an object a match. */
const TOKEN =
  /(\$?\s?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?%?|\$?\.\d+%?)|(\*\*|\/\/|[-+*/=()^×÷−–]|[xX](?=\s{0,8}[\d$(.]))|(\s+)|[^\s\d$.xX+*/=()^×÷−–-]+|./gsu
const SAME_AS: Readonly<Record<string, string>> = { '**': '^', '//': '/', '×': '*', x: '*', X: '*', '÷': '/', '−': '-', '–': '-' }

/** Splits text into numbers (thousands commas, `$` and `%` included), operators and anything else; spaces vanish. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  for (const [source, number, operator, space] of text.matchAll(TOKEN)) {
    if (space !== undefined) continue
    if (number !== undefined) tokens.push({ kind: 'number', text: number.replace(/[$,\s]/g, ''), source })
    else tokens.push({ kind: operator === undefined ? 'other' : 'operator', text: SAME_AS[source] ?? source, source })
  }
  return tokens
}

/**
 * The exact value of an arithmetic expression: numbers, `+ - * / ^`, signs, parentheses, with the usual precedence.
 * Undefined when it is none, divides by zero, has an exponent that is not a whole number up to 64, more than {@link MAX_TOKENS}
 * tokens, or a value of more than 1024 bits above or below the line.
 */
export function evaluateExpression(tokens: readonly Token[]): Fraction | undefined {
  return parse<Fraction | undefined>(tokens, parseNumber, apply)
}

/** Whether tokens are an expression, whatever its value; nothing is computed. */
export function isExpression(tokens: readonly Token[]): boolean {
  return (
    parse<true | undefined>(
      tokens,
      () => true,
      (_, a, b) => a && b,
    ) === true
  )
}

function parse<T>(tokens: readonly Token[], number: (text: string) => T, operate: (operator: string, a: T, b: T) => T): T | undefined {
  if (tokens.length > MAX_TOKENS) return undefined
  let at = 0
  let isSound = true as boolean // parts below set it
  const takes = (operators: string) => {
    const token = tokens[at]
    if (token?.kind !== 'operator' || !operators.includes(token.text)) return undefined
    at++
    return token.text
  }

  function sum(): T {
    let value = product()
    for (let operator = takes('+-'); operator !== undefined; operator = takes('+-')) value = operate(operator, value, product())
    return value
  }
  function product(): T {
    let value = signed()
    for (let operator = takes('*/'); operator !== undefined; operator = takes('*/')) value = operate(operator, value, signed())
    return value
  }
  function signed(): T {
    const sign = takes('+-')
    if (sign === undefined) return power()
    return operate(sign, number('0'), signed())
  }
  function power(): T {
    const base = atom()
    return takes('^') === undefined ? base : operate('^', base, signed())
  }
  function atom(): T {
    if (takes('(') !== undefined) {
      const value = sum()
      if (takes(')') === undefined) isSound = false
      return value
    }
    const token = tokens[at]
    if (token?.kind === 'number') at++
    else isSound = false
    return number(token?.kind === 'number' ? token.text : '0')
  }

  const value = sum()
  return isSound && at === tokens.length ? value : undefined
}

/** `12`, `0.5`, `.5`, `20%`. */
function parseNumber(text: string): Fraction | undefined {
  const value = decimalFraction(text.replace('%', ''))
  return value && text.endsWith('%') ? scaleFraction(value, -2) : value
}

function apply(operator: string, a: Fraction | undefined, b: Fraction | undefined): Fraction | undefined {
  const value = a && b && operated(operator, a, b)
  const isBeyond = value !== undefined && (value.numerator >= LIMIT || value.numerator <= -LIMIT || value.denominator >= LIMIT)
  return isBeyond ? undefined : value
}

function operated(operator: string, a: Fraction, b: Fraction): Fraction | undefined {
  switch (operator) {
    case '+':
      return addFractions(a, b)
    case '-':
      return subtractFractions(a, b)
    case '*':
      return multiplyFractions(a, b)
    case '/':
      return divideFractions(a, b)
    default:
      return b.denominator !== 1n || b.numerator < 0n || b.numerator > 64n ? undefined : powerOfFraction(a, b.numerator)
  }
}
