import { formOf, type Form } from './form'
import { Unreadable, type Node } from './node'
import { parseAnswer, type Reading } from './parse'
import { agree, quotient, valuesAt } from './value'

/** `unclear`: in one reading equal, in another not. `unread`: not mathematics as it is read here. */
export type Verdict = 'equal' | 'different' | 'unclear' | 'unread'

/** Whether two answers are the same mathematically. {@link ready} must have been awaited. */
export function compareAnswers(expected: string, given: string): Verdict {
  if (canonicalText(expected) === canonicalText(given)) return 'equal'
  const [a, b] = [words(expected), words(given)]
  if (a !== undefined && b !== undefined) return a === b ? 'equal' : 'different'
  try {
    return compareReadings(parseAnswer(expected), parseAnswer(given))
  } catch (error) {
    if (error instanceof Unreadable) return 'unread'
    throw error
  }
}

/** Without what LaTeX does not print. */
function canonicalText(text: string): string {
  return text
    .slice(0, 2_000)
    .replace(/\\left|\\right|\\[!,;:]|\$/g, '')
    .replace(/(?<!\d)\s+|\s+(?!\d)/g, '')
    .replace(/\\[dtc]frac/g, '\\frac')
    .replace(/\{(\w)\}/g, '$1')
    .replace(/\.$/, '')
}

/** An answer in words: `\text{Monday}`, `Monday`. */
function words(text: string): string | undefined {
  const plain = text.replace(/\\(?:text|textbf|textit|mathrm|mbox)\s?\{([^{}]*)\}/g, '$1').replace(/[$.]/g, ' ')
  const isWords = /^[\p{L}\s,'-]+$/u.test(plain) && (/\p{L}{3}/u.test(plain) || /^\s*no\s*$/i.test(plain))
  return isWords ? plain.toLowerCase().replace(/\s+/g, ' ').trim() : undefined
}

function compareReadings(expected: Reading, given: Reading): Verdict {
  const [a, b] = [formOf(expected.node), formOf(given.node)]
  const verdict = compareForms(a.form, b.form)
  // x = 5 and y = 5, 5 cm and 5 m: the same only if it does not matter what is said to be 5.
  const isOtherName = a.name !== undefined && b.name !== undefined && a.name !== b.name
  const isOtherUnit = expected.unit !== given.unit && expected.unit !== '' && given.unit !== ''
  if (isOtherName || isOtherUnit) return verdict === 'equal' ? 'unclear' : verdict
  if (verdict === 'different' && (expected.unit === '%') !== (given.unit === '%'))
    return arePerHundred(expected, given) ? 'unclear' : verdict
  return verdict
}

/** 50% and 0.5: equal, if the sign is no unit. */
function arePerHundred(expected: Reading, given: Reading): boolean {
  const [percent, plain] = expected.unit === '%' ? [expected, given] : [given, expected]
  const hundredth: Node = { kind: 'operation', operator: '/', left: percent.node, right: { kind: 'number', text: '100' } }
  return compareExpressions(hundredth, plain.node) === 'equal'
}

function compareForms(a: Form, b: Form): Verdict {
  if (a.kind === 'value' && b.kind === 'value') return compareExpressions(a.node, b.node)
  if (a.kind === 'values' && b.kind === 'values') return compareUnordered(a.items, b.items)
  if (a.kind === 'union' && b.kind === 'union') return compareUnordered(a.items, b.items)
  if (a.kind === 'tuple' && b.kind === 'tuple') return compareTuples(a, b)
  if (a.kind === 'matrix' && b.kind === 'matrix') return compareMatrices(a.rows, b.rows)
  if (a.kind === 'equation' && b.kind === 'equation') return compareEquations(a, b)
  if (a.kind === 'assignments' && b.kind === 'assignments') return compareAssignments(a.values, b.values)
  return compareKinds(a, b)
}

/** A point, a list and a column may stand for one another; a number and an interval do not. */
function compareKinds(a: Form, b: Form): Verdict {
  const kinds = new Set([a.kind, b.kind])
  if (kinds.has('equation') || kinds.has('assignments')) return 'unclear'
  if (kinds.has('tuple') && (kinds.has('values') || kinds.has('matrix'))) return 'unclear'
  const many = a.kind === 'values' ? a : b.kind === 'values' ? b : undefined
  if (many !== undefined && kinds.has('value') && many.items.length === 1) return 'unclear'
  // Several answers of which one is right: "2 or 3".
  if (b.kind === 'values' && b.items.some((item) => compareForms(a, item) === 'equal')) return 'unclear'
  if (kinds.has('union') && kinds.has('tuple')) return 'unclear'
  return 'different'
}

/** All of them equal; one that cannot be told leaves it open unless another differs. */
function all(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes('different')) return 'different'
  return verdicts.includes('unclear') ? 'unclear' : 'equal'
}

function compareTuples(a: Form & { kind: 'tuple' }, b: Form & { kind: 'tuple' }): Verdict {
  if (a.items.length !== b.items.length) return 'different'
  const inside = all(a.items.map((item, at) => compareForms(item, b.items[at] ?? item)))
  if (a.open === b.open && a.close === b.close) return inside
  // Of two numbers the brackets are the ends of an interval; of more, a way of writing.
  return a.items.length === 2 || inside === 'different' ? 'different' : 'unclear'
}

function compareMatrices(a: readonly (readonly Form[])[], b: readonly (readonly Form[])[]): Verdict {
  if (a.length !== b.length || a.some((row, at) => row.length !== b[at]?.length)) return 'different'
  return all(a.flatMap((row, r) => row.map((cell, c) => compareForms(cell, b[r]?.[c] ?? cell))))
}

function compareAssignments(a: ReadonlyMap<string, Form>, b: ReadonlyMap<string, Form>): Verdict {
  if (a.size !== b.size || [...a.keys()].some((name) => !b.has(name))) return 'different'
  return all([...a].map(([name, form]) => compareForms(form, b.get(name) ?? form)))
}

function compareUnordered(a: readonly Form[], b: readonly Form[]): Verdict {
  const [left, right] = [withoutRepeats(a), [...withoutRepeats(b)]]
  if (left.length !== right.length) return 'different'
  let isOpen = false
  for (const item of left) {
    const verdicts = right.map((other) => compareForms(item, other))
    const at = verdicts.indexOf('equal')
    if (at >= 0) right.splice(at, 1)
    else if (verdicts.includes('unclear')) isOpen = true
    else return 'different'
  }
  return isOpen ? 'unclear' : 'equal'
}

function withoutRepeats(items: readonly Form[]): readonly Form[] {
  return items.reduce<readonly Form[]>(
    (kept, item) => (kept.some((other) => compareForms(item, other) === 'equal') ? kept : [...kept, item]),
    [],
  )
}

/** Equal where all unknowns are tried with the same values, of which three at least must be allowed. */
function compareExpressions(a: Node, b: Node): Verdict {
  const [endless, other] = [infinity(a), infinity(b)]
  if (endless !== 0 || other !== 0) return endless === other ? 'equal' : 'different'
  const [left, right] = [valuesAt(a), valuesAt(b)]
  const pairs = left.map((value, at) => [value, right[at]] as const)
  const both = pairs.flatMap(([x, y]) => (x === undefined || y === undefined ? [] : [[x, y] as const]))
  if (both.some(([x, y]) => !agree(x, y))) return 'different'
  const isSameDomain = pairs.every(([x, y]) => (x === undefined) === (y === undefined))
  return both.length >= 3 && isSameDomain ? 'equal' : 'unclear'
}

function infinity(node: Node): -1 | 0 | 1 {
  if (node.kind === 'symbol') return node.name === 'infty' ? 1 : 0
  const isNegative = node.kind === 'operation' && node.operator === '-' && node.left.kind === 'number' && node.left.text === '0'
  return isNegative && infinity(node.right) === 1 ? -1 : 0
}

/** Equations with the same solutions by scale: (left − right) of the one is a constant times that of the other. */
function compareEquations(a: { readonly left: Node; readonly right: Node }, b: { readonly left: Node; readonly right: Node }): Verdict {
  const difference = ({ left, right }: typeof a): Node => ({ kind: 'operation', operator: '-', left, right })
  const [p, q] = [valuesAt(difference(a)), valuesAt(difference(b))]
  const ratios = p.flatMap((value, at) => {
    const other = q[at]
    return value === undefined || other === undefined || value.isZero() || other.isZero() ? [] : [quotient(value, other)]
  })
  const [first] = ratios
  if (first === undefined || ratios.length < 4) return 'unclear'
  // Other forms of one equation need not be multiples of each other.
  return ratios.every((ratio) => agree(ratio, first)) ? 'equal' : 'unclear'
}
