import type { Decimal } from 'decimal.js'
import type { Node } from './node'

type DecimalType = typeof Decimal
export type Value = Decimal

let numbers: DecimalType | undefined

/** decimal.js with 60 digits; loaded when the first answer is compared. */
async function loadNumbers(): Promise<DecimalType> {
  const { Decimal: Default } = await import('decimal.js')
  return Default.clone({ precision: 60, maxE: 1e6, minE: -1e6, rounding: 4 })
}

export async function ready(): Promise<void> {
  numbers ??= await loadNumbers()
}

function decimals(): DecimalType {
  if (numbers === undefined) throw new Error('ready() was not awaited')
  return numbers
}

/** Where unknowns are tried: within and beyond 1, none a root of anything an answer is made of. */
const POINTS = ['0.3178', '1.7321', '2.4142', '0.7391', '3.3027', '5.1926', '-0.6180', '-2.2361']

/** The values of an expression where its unknowns have the n-th values; undefined where it has none, or is no expression. */
export function valuesAt(node: Node): (Value | undefined)[] {
  return POINTS.map((_, point) => {
    const value = valueOf(node, (name) => unknownAt(name, point))
    return value?.isFinite() === true ? value : undefined
  })
}

function unknownAt(name: string, point: number): Value {
  const D = decimals()
  // Each unknown has values of its own, from its name.
  const seed = Array.from(name).reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 9973, 7)
  return new D(POINTS[point] ?? '1').mul(new D(seed).div(9973).add('0.5'))
}

/** Whether two values agree to 40 digits: only equal expressions do. */
export function agree(a: Value, b: Value): boolean {
  const D = decimals()
  const size = D.max(a.abs(), b.abs(), 1)
  return a.sub(b).abs().lte(size.mul('1e-40'))
}

export function quotient(a: Value, b: Value): Value {
  return a.div(b)
}

function valueOf(node: Node, unknown: (name: string) => Value): Value | undefined {
  const D = decimals()
  switch (node.kind) {
    case 'number':
      return new D(node.text)
    case 'symbol':
      if (node.name === 'pi') return D.acos(-1)
      if (node.name === 'e') return D.exp(1)
      return node.name === 'infty' ? undefined : unknown(node.name)
    case 'operation': {
      const [a, b] = [valueOf(node.left, unknown), valueOf(node.right, unknown)]
      return a && b && operated(node.operator, a, b)
    }
    case 'call': {
      const values = node.of.map((inner) => valueOf(inner, unknown))
      const [a, b] = values
      return a === undefined || (node.of.length > 1 && b === undefined) ? undefined : called(node.name, a, b)
    }
    default:
      return undefined
  }
}

function operated(operator: string, a: Value, b: Value): Value | undefined {
  switch (operator) {
    case '+':
      return a.add(b)
    case '-':
      return a.sub(b)
    case '*':
      return a.mul(b)
    case '/':
      return b.isZero() ? undefined : a.div(b)
    default:
      return b.abs().gt(10_000) ? undefined : defined(a.pow(b))
  }
}

function called(name: string, a: Value, b: Value | undefined): Value | undefined {
  const D = decimals()
  // Beyond this a series needs more digits of π than there are.
  const isLarge = a.abs().gt(10_000)
  switch (name) {
    case 'sqrt':
      return defined(a.sqrt())
    case 'root':
      return b === undefined || b.isZero() || !b.isInteger() ? undefined : rootOf(a, b)
    case 'abs':
      return a.abs()
    case 'floor':
      return a.floor()
    case 'ceil':
      return a.ceil()
    case 'factorial':
      return factorial(a)
    case 'binomial':
      return b && binomial(a, b)
    case 'exp':
      return isLarge ? undefined : a.exp()
    case 'ln':
      return defined(a.ln())
    case 'log':
      return defined(b === undefined ? a.log(10) : a.log(b))
    case 'sin':
    case 'cos':
    case 'tan':
      return isLarge ? undefined : defined(a[name]())
    case 'cot':
    case 'sec':
    case 'csc': {
      const below = isLarge ? undefined : a[name === 'cot' ? 'tan' : name === 'sec' ? 'cos' : 'sin']()
      return below === undefined || below.isZero() ? undefined : new D(1).div(below)
    }
    case 'arcsin':
      return defined(a.asin())
    case 'arccos':
      return defined(a.acos())
    case 'arctan':
      return defined(a.atan())
    default:
      return undefined
  }
}

function rootOf(a: Value, degree: Value): Value | undefined {
  const D = decimals()
  const isOdd = degree.mod(2).abs().eq(1)
  if (a.isNegative() && isOdd) return defined(a.neg().pow(new D(1).div(degree)))?.neg()
  return defined(a.pow(new D(1).div(degree)))
}

function factorial(n: Value): Value | undefined {
  const D = decimals()
  if (!n.isInteger() || n.isNegative() || n.gt(170)) return undefined
  let product = new D(1)
  for (let factor = 2; factor <= n.toNumber(); factor++) product = product.mul(factor)
  return product
}

function binomial(n: Value, k: Value): Value | undefined {
  const [top, a, b] = [factorial(n), factorial(k), factorial(n.sub(k))]
  return top && a && b && top.div(a.mul(b)).round()
}

function defined(value: Value): Value | undefined {
  return value.isNaN() ? undefined : value
}
