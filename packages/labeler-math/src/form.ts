import { Unreadable, type Node } from './node'

type Tuple = Extract<Node, { kind: 'tuple' }>

/** What is compared: an answer without the ways of writing that do not change it. */
export type Form =
  | { readonly kind: 'value'; readonly node: Node }
  /** Without an order: a list of solutions, or a set in braces. */
  | { readonly kind: 'values'; readonly items: readonly Form[] }
  /** A point or an interval; inequalities are intervals. */
  | { readonly kind: 'tuple'; readonly open: '(' | '['; readonly close: ')' | ']'; readonly items: readonly Form[] }
  | { readonly kind: 'union'; readonly items: readonly Form[] }
  | { readonly kind: 'matrix'; readonly rows: readonly (readonly Form[])[] }
  | { readonly kind: 'equation'; readonly left: Node; readonly right: Node }
  /** `x = 1, y = 2` */
  | { readonly kind: 'assignments'; readonly values: ReadonlyMap<string, Form> }

export interface Named {
  readonly form: Form
  /** The unknown that it is the value of: `x = 5`. */
  readonly name?: string
}

/** @throws Unreadable for relations that have no one meaning. */
export function formOf(node: Node): Named {
  switch (node.kind) {
    case 'relation':
      return related(node)
    case 'plusMinus':
      return { form: bothSigns(node.left, node.right) }
    case 'tuple':
      return { form: { ...node, items: node.items.map(innerForm) } }
    case 'set':
      return { form: { kind: 'values', items: node.items.flatMap((item) => spread(innerForm(item))) } }
    case 'union':
      return { form: { kind: 'union', items: node.items.map(innerForm) } }
    case 'matrix':
      return { form: { kind: 'matrix', rows: node.rows.map((row) => row.map(innerForm)) } }
    case 'list':
      return listed(node.items.map(formOf))
    default:
      return { form: { kind: 'value', node } }
  }
}

function innerForm(node: Node): Form {
  const { form, name } = formOf(node)
  if (name !== undefined) throw new Unreadable('an equation inside')
  return form
}

function bothSigns(left: Node, right: Node): Form {
  const value = (operator: '+' | '-'): Form => ({ kind: 'value', node: { kind: 'operation', operator, left, right } })
  return { kind: 'values', items: [value('+'), value('-')] }
}

function spread(form: Form): readonly Form[] {
  return form.kind === 'values' ? form.items : [form]
}

/** `1, 2`; `x = 1 or x = 2`; `x = 1, y = 2`; `x < 1 or x > 2`. */
function listed(items: readonly Named[]): Named {
  const names = new Set(items.map(({ name }) => name))
  const forms = items.map(({ form }) => form)
  const [name] = names
  if (forms.every(({ kind }) => kind === 'tuple') && names.size === 1 && name !== undefined)
    return { form: { kind: 'union', items: forms }, name }
  if (names.size === 1 || (names.size === 2 && items[0]?.name !== undefined && items.slice(1).every((item) => item.name === undefined))) {
    return { form: { kind: 'values', items: forms.flatMap(spread) }, ...(items[0]?.name !== undefined && { name: items[0].name }) }
  }
  if (names.size !== items.length || names.has(undefined)) throw new Unreadable('a list of different things')
  return { form: { kind: 'assignments', values: new Map(items.map((item) => [item.name ?? '', item.form])) } }
}

function related({ operators, sides }: Extract<Node, { kind: 'relation' }>): Named {
  const [left, right] = sides
  const last = sides.at(-1)
  if (left === undefined || right === undefined || last === undefined) throw new Unreadable('a side is missing')
  if (operators.every((operator) => operator === '=')) return equated(left, last, sides)
  if (operators.length === 1 && operators[0] === '∈' && left.kind === 'symbol') return { ...formOf(right), name: left.name }
  return bounded({ operators, sides })
}

function equated(left: Node, right: Node, sides: readonly Node[]): Named {
  if (left.kind === 'symbol' && !mentions(right, left.name)) return { ...formOf(right), name: left.name }
  if (right.kind === 'symbol' && sides.length === 2 && !mentions(left, right.name)) return { ...formOf(left), name: right.name }
  if (sides.length > 2) throw new Unreadable('a chain of equations')
  if (!hasUnknown(left) && !hasUnknown(right)) throw new Unreadable('a calculation')
  return { form: { kind: 'equation', left, right } }
}

const INFINITY: Node = { kind: 'symbol', name: 'infty' }
const MINUS_INFINITY: Node = { kind: 'operation', operator: '-', left: { kind: 'number', text: '0' }, right: INFINITY }

/** `x > 5`, `5 < x`, `1 ≤ x < 2`: the interval. */
function bounded({ operators, sides }: { readonly operators: readonly string[]; readonly sides: readonly Node[] }): Named {
  const isDown = operators.every((operator) => operator === '<' || operator === '≤')
  const isUp = operators.every((operator) => operator === '>' || operator === '≥')
  if (!isDown && !isUp) throw new Unreadable('relations of several kinds')
  const [ordered, signs] = isDown ? [sides, operators] : [sides.toReversed(), operators.toReversed()]
  const at = ordered.findIndex(({ kind }) => kind === 'symbol')
  const unknown = ordered[at]
  if (unknown?.kind !== 'symbol' || ordered.length > 3 || (ordered.length === 3 && at !== 1))
    throw new Unreadable('an inequality that is not solved')
  const [low, high] = [ordered[at - 1] ?? MINUS_INFINITY, ordered[at + 1] ?? INFINITY]
  if (mentions(low, unknown.name) || mentions(high, unknown.name)) throw new Unreadable('an inequality that is not solved')
  const isClosed = (sign: string | undefined) => sign === '≤' || sign === '≥'
  const tuple: Omit<Tuple, 'items'> = { kind: 'tuple', open: isClosed(signs[at - 1]) ? '[' : '(', close: isClosed(signs[at]) ? ']' : ')' }
  return { form: { ...tuple, items: [innerForm(low), innerForm(high)] }, name: unknown.name }
}

function mentions(node: Node, name: string): boolean {
  return hasUnknown(node, (found) => found === name)
}

function hasUnknown(node: Node, isMeant: (name: string) => boolean = () => true): boolean {
  const mentions = (inner: Node) => hasUnknown(inner, isMeant)
  switch (node.kind) {
    case 'symbol':
      return isMeant(node.name)
    case 'operation':
    case 'plusMinus':
      return mentions(node.left) || mentions(node.right)
    case 'call':
      return node.of.some(mentions)
    case 'tuple':
    case 'set':
    case 'list':
    case 'union':
      return node.items.some(mentions)
    default:
      return false
  }
}
