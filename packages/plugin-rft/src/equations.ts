import { withinTolerance } from '@plumbline/core'
import { evaluateExpression, isExpression, MAX_TOKENS, tokenize, type Token } from './arithmetic'

export interface Equation {
  /** As written, spaces removed. */
  readonly text: string
  /** Whether both sides are arithmetic and agree to within 1e-3, as the public code of RFT asks. */
  readonly holds: boolean
}

const TOLERANCE = { numerator: 1n, denominator: 1000n }

/** The equations of a chain of thought in order: its calculator annotations `<<6*5=30>>`, or plain `6 * 5 = 30` where it has none. */
export function equationsOf(chain: string): Equation[] {
  const annotations = annotationsOf(chain)
  return annotations.length > 0 ? annotations.map(annotated) : plainEquations(tokenize(chain))
}

/** What stands between `<<` and the next `>`, where that is `>>`. */
function annotationsOf(chain: string): string[] {
  const found: string[] = []
  for (let start = chain.indexOf('<<'); start >= 0;) {
    const end = chain.indexOf('>', start)
    if (end < 0) break
    if (chain.startsWith('>>', end)) found.push(chain.slice(start + 2, end))
    start = chain.indexOf('<<', end)
  }
  return found
}

function annotated(inside: string): Equation {
  const sides = splitAtEquals(tokenize(inside))
  return { text: inside.replaceAll(' ', ''), holds: sides.length > 1 && sides.slice(1).every((side) => agree(sides[0]!, side)) }
}

/** Every `=` between arithmetic with at least one operation, and a value. */
function plainEquations(tokens: readonly Token[]): Equation[] {
  return tokens.flatMap(({ text }, at) => {
    if (text !== '=') return []
    const left = longest(runBefore(tokens, at), (run, n) => run.slice(run.length - n))
    const right = longest(runAfter(tokens, at), (run, n) => run.slice(0, n))
    if (!left || !right || !evaluateExpression(left) || !evaluateExpression(right)) return []
    if (left.filter(({ kind }) => kind === 'number').length < 2) return []
    if (lacksOperand(tokens, at - left.length)) return []
    return [{ text: [...left, tokens[at]!, ...right].map(({ source }) => source.replace(/\s/g, '')).join(''), holds: agree(left, right) }]
  })
}

const isArithmetic = (token: Token | undefined) => token !== undefined && token.kind !== 'other' && token.text !== '='

function runBefore(tokens: readonly Token[], end: number): readonly Token[] {
  let start = end
  while (end - start < MAX_TOKENS && isArithmetic(tokens[start - 1])) start--
  return tokens.slice(start, end)
}

function runAfter(tokens: readonly Token[], start: number): readonly Token[] {
  let end = start + 1
  while (end - start <= MAX_TOKENS && isArithmetic(tokens[end])) end++
  return tokens.slice(start + 1, end)
}

/** The longest part of a run that is an expression: what stands around it may be numbers of the sentence. Nothing is computed yet. */
function longest(run: readonly Token[], part: (run: readonly Token[], n: number) => readonly Token[]): readonly Token[] | undefined {
  for (let n = run.length; n > 0; n--) if (isExpression(part(run, n))) return part(run, n)
  return undefined
}

/** `2 bags * 3 + 4 = 10`: a word stands where the expression's first operand should. */
function lacksOperand(tokens: readonly Token[], start: number): boolean {
  const before = tokens[start - 1]
  if (before?.kind === 'operator' && '+-*/^'.includes(before.text)) return true
  if (before?.kind === 'number' && tokens[start]!.text === '(') return true // 2(3 + 4)
  return '+-'.includes(tokens[start]!.text) && before?.kind === 'other'
}

function splitAtEquals(tokens: readonly Token[]): Token[][] {
  const sides: Token[][] = [[]]
  for (const token of tokens) {
    if (token.text === '=') sides.push([])
    else sides.at(-1)!.push(token)
  }
  return sides
}

/** `75 / 100 = 75%` and `100% - 80% = 20` are ways of writing, so a percent sign may be read or not. */
function agree(left: readonly Token[], right: readonly Token[]): boolean {
  return equal(left, right) || equal(left.map(withoutPercent), right.map(withoutPercent))
}

function equal(left: readonly Token[], right: readonly Token[]): boolean {
  const [a, b] = [evaluateExpression(left), evaluateExpression(right)]
  return a !== undefined && b !== undefined && withinTolerance(a, b, TOLERANCE)
}

const withoutPercent = (token: Token): Token => ({ ...token, text: token.text.replace('%', '') })
