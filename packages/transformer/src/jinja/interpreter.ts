import { jinja, type JinjaEnvironment, type JinjaNode, type JinjaValue } from '../huggingface'
import { FILTERS, items, notIterable, pairs } from './filters'
import type { Budget } from './budget'
import { codePoints, STRING_METHODS } from './strings'
import * as v from './values'

interface Named extends JinjaNode {
  readonly value: string
}

interface Operation extends JinjaNode {
  readonly operator: { readonly value: string }
  readonly left: JinjaNode
  readonly right: JinjaNode
}

interface Member extends JinjaNode {
  readonly object: JinjaNode
  readonly property: JinjaNode
  readonly computed: boolean
}

interface Loop extends JinjaNode {
  readonly loopvar: JinjaNode
  readonly iterable: JinjaNode
  readonly body: readonly JinjaNode[]
  readonly defaultBlock: readonly JinjaNode[]
}

interface CallNode extends JinjaNode {
  readonly callee: JinjaNode
  readonly args: readonly JinjaNode[]
}

/** A node that holds a value already, so that a part of an expression is not evaluated twice. */
interface Ready extends JinjaNode {
  readonly type: 'Ready'
  readonly held: JinjaValue
}

/** `{% break %}` and `{% continue %}` on their way up to their loop, with what was written before them. */
class LoopControl extends Error {
  written = ''

  constructor(readonly kind: 'Break' | 'Continue') {
    super(`{% ${kind.toLowerCase()} %} outside of a loop`)
  }
}

/** Statements whose value is nothing to write; an expression of the same value writes `None`. */
const SILENT = ['Set', 'Macro', 'Comment']

/**
 * The package's interpreter where it differs in silence from Jinja 2, which is what `transformers` renders with: loop controls keep
 * what was written, every iteration has variables of its own, values are written and compared as Python does. Nothing runs or
 * grows without bound. What the package does not know at all stays an error.
 */
export class Interpreter extends jinja.Interpreter {
  constructor(
    environment: JinjaEnvironment,
    private readonly budget: Budget,
  ) {
    super(environment)
  }

  override evaluate(node: JinjaNode | undefined, environment: JinjaEnvironment): JinjaValue {
    this.budget.step()
    switch (node?.type) {
      case 'Ready':
        return (node as Ready).held
      case 'Break':
      case 'Continue':
        throw new LoopControl(node.type)
      default:
        return this.budget.checked(super.evaluate(node, environment))
    }
  }

  override evaluateBlock(statements: readonly JinjaNode[], environment: JinjaEnvironment): JinjaValue {
    let written = ''
    for (const statement of statements) {
      try {
        const value = this.evaluate(statement, environment)
        if (!SILENT.includes(statement.type)) written += v.text(value)
        this.budget.length(written.length)
      } catch (error) {
        if (error instanceof LoopControl) error.written = written + error.written
        throw error
      }
    }
    return v.string(written)
  }

  override evaluateFor(node: JinjaNode, environment: JinjaEnvironment): JinjaValue {
    const { iterable, loopvar, body, defaultBlock } = node as Loop
    const select = iterable.type === 'SelectExpression' ? (iterable as JinjaNode & { lhs: JinjaNode; test: JinjaNode }) : undefined
    const source = this.evaluate(select?.lhs ?? iterable, environment)
    const chosen = (items(source) ?? notIterable(source)).filter((item) => {
      this.budget.step()
      if (select === undefined) return true
      const scope = new jinja.Environment(environment)
      bind(loopvar, item, scope)
      return this.evaluate(select.test, scope).__bool__().value
    })
    let written = ''
    let isWhole = false // as in Jinja, whose `else` runs unless some iteration reached its end
    for (const [i, item] of chosen.entries()) {
      this.budget.step()
      const scope = new jinja.Environment(environment)
      scope.setVariable('loop', loopState(chosen, i))
      bind(loopvar, item, scope)
      try {
        written += v.text(this.evaluateBlock(body, scope))
        isWhole = true
      } catch (error) {
        if (!(error instanceof LoopControl)) throw error
        written += error.written
        if (error.kind === 'Break') break
      }
      this.budget.length(written.length)
    }
    return isWhole ? v.string(written) : v.string(written + v.text(this.evaluateBlock(defaultBlock, new jinja.Environment(environment))))
  }

  override evaluateBinaryExpression(node: JinjaNode, environment: JinjaEnvironment): JinjaValue {
    const { operator, left: leftNode, right: rightNode } = node as Operation
    if (operator.value === 'and' || operator.value === 'or') return super.evaluateBinaryExpression(node, environment)
    const left = this.evaluate(leftNode, environment)
    const right = this.evaluate(rightNode, environment)
    const own = operation(operator.value, left, right)
    if (own !== undefined) return own
    const operands: Operation = { ...(node as Operation), left: ready(left), right: ready(right) }
    return super.evaluateBinaryExpression(operands, environment)
  }

  override evaluateMemberExpression(node: JinjaNode, environment: JinjaEnvironment): JinjaValue {
    const { object: objectNode, property, computed } = node as Member
    const object = this.evaluate(objectNode, environment)
    if (v.isUndefined(object)) throw new Error(`${described(objectNode)} is undefined, and has no ${described(property)}`)
    // JavaScript's `length`, which the package lends to strings and lists
    if (!computed && (v.isString(object) || v.isList(object)) && (property as Named).value === 'length') return v.absent()
    if (v.isString(object) && property.type !== 'SliceExpression') {
      const key = computed ? this.evaluate(property, environment) : v.string((property as Named).value)
      const method = v.isString(key) ? STRING_METHODS[key.value] : undefined
      if (method !== undefined) return v.callable((args) => method(object.value, args))
      if (v.isNumber(key)) {
        const character = codePoints(object.value).at(key.value)
        return character === undefined ? v.absent() : v.string(character)
      }
    }
    if (v.isDict(object) && !object.value.has('items') && (property as Named).value === 'items')
      return v.callable(() => pairs(object.value))
    const member: Member = { ...(node as Member), object: ready(object) }
    return super.evaluateMemberExpression(member, environment)
  }

  override evaluateTestExpression(node: JinjaNode, environment: JinjaEnvironment): JinjaValue {
    const { operand, test, negate } = node as JinjaNode & { operand: JinjaNode; test: Named; negate: boolean }
    const value = this.evaluate(operand, environment)
    const own = TESTS[test.value]
    if (own !== undefined) return v.boolean(own(value) !== negate)
    return super.evaluateTestExpression({ ...node, operand: ready(value) } as JinjaNode, environment)
  }

  override applyFilter(operand: JinjaValue, filter: JinjaNode, environment: JinjaEnvironment): JinjaValue {
    const call = filter.type === 'CallExpression' ? (filter as CallNode) : undefined
    const name = ((call?.callee ?? filter) as Named).value
    const own = FILTERS[name]
    if (own !== undefined) {
      const [positional, keywords] = call ? this.evaluateArguments(call.args, environment) : [[], new Map<string, JinjaValue>()]
      const result = own(operand, { positional, keywords })
      if (result !== undefined) return this.budget.checked(result)
    }
    const [mapped] = name === 'map' && call ? call.args : []
    if (mapped?.type === 'StringLiteral' && call?.args.length === 1) {
      const each = { type: 'Identifier', value: (mapped as Named).value } as JinjaNode
      return v.list((items(operand) ?? notIterable(operand)).map((item) => this.applyFilter(item, each, environment)))
    }
    if (name === 'selectattr' || name === 'rejectattr')
      return this.byAttribute(operand, name === 'selectattr', call?.args ?? [], environment)
    return this.budget.checked(super.applyFilter(operand, filter, environment))
  }

  /** `selectattr` and `rejectattr`, for a test of truth, of presence or of equality. */
  private byAttribute(operand: JinjaValue, select: boolean, args: readonly JinjaNode[], environment: JinjaEnvironment): JinjaValue {
    const [positional, keywords] = this.evaluateArguments(args, environment)
    const [attribute, test, against] = positional
    if (attribute === undefined || keywords.size > 0)
      throw new Error('selectattr and rejectattr take an attribute, a test and its argument')
    const name = test === undefined ? '' : v.text(test)
    const holds = (value: JinjaValue): boolean => {
      if (test === undefined) return value.__bool__().value
      if (against === undefined) return this.evaluateTestExpression(testNode(value, name), environment).__bool__().value
      if (name === 'in') return operation('in', value, against)?.__bool__().value ?? false
      if (['equalto', 'eq', '=='].includes(name)) return v.equals(value, against)
      if (['ne', '!='].includes(name)) return !v.equals(value, against)
      throw new Error(`Unknown test: ${name}`)
    }
    const path = v.text(attribute).split('.')
    const all = items(operand) ?? notIterable(operand)
    return v.list(all.filter((item) => holds(path.reduce(attributeOf, item)) === select))
  }
}

const ready = (held: JinjaValue): Ready => ({ type: 'Ready', held })

const testNode = (value: JinjaValue, name: string) =>
  ({ type: 'TestExpression', operand: ready(value), test: { type: 'Identifier', value: name }, negate: false }) as JinjaNode

function attributeOf(value: JinjaValue, name: string): JinjaValue {
  if (v.isDict(value)) return value.value.get(name) ?? v.absent()
  if (v.isList(value) && /^\d+$/.test(name)) return value.value[Number(name)] ?? v.absent()
  return v.absent()
}

/** Python's tests where the package's answer differs. */
const TESTS: Readonly<Record<string, (value: JinjaValue) => boolean>> = {
  iterable: (value) => items(value) !== undefined,
  sequence: (value) => items(value) !== undefined,
  number: (value) => v.isNumber(value) || v.isBoolean(value),
  float: (value) => value.type === 'FloatValue',
  lower: (value) => v.text(value) === v.text(value).toLowerCase() && /\p{Cased}/u.test(v.text(value)),
  upper: (value) => v.text(value) === v.text(value).toUpperCase() && /\p{Cased}/u.test(v.text(value)),
}

/** What an operator gives where the package computes otherwise; undefined where it is right. */
function operation(operator: string, left: JinjaValue, right: JinjaValue): JinjaValue | undefined {
  switch (operator) {
    case '~':
      return v.string(v.text(left) + v.text(right))
    case '==':
      return v.boolean(v.equals(left, right))
    case '!=':
      return v.boolean(!v.equals(left, right))
    case 'in':
    case 'not in': {
      const isMember = contains(right, left)
      return isMember === undefined ? undefined : v.boolean(isMember === (operator === 'in'))
    }
    case '+':
      if (v.isString(left) !== v.isString(right)) throw new Error(`a ${left.type} and a ${right.type} cannot be added; use ~`)
      return undefined
    case '/':
    case '//':
    case '%':
      if (v.isNumber(right) && right.value === 0) throw new Error('division by zero')
      return operator === '%' && v.isNumber(left) && v.isNumber(right) ? modulo(left, right) : undefined
    default:
      return undefined
  }
}

/** Of the sign of the divisor, as in Python. */
function modulo(left: JinjaValue & { value: number }, right: JinjaValue & { value: number }): JinjaValue {
  const rest = left.value % right.value
  const result = rest !== 0 && rest < 0 !== right.value < 0 ? rest + right.value : rest
  return left.type === 'FloatValue' || right.type === 'FloatValue' ? v.float(result) : v.integer(result + 0)
}

function contains(container: JinjaValue, value: JinjaValue): boolean | undefined {
  if (v.isList(container)) return container.value.some((item) => v.equals(item, value))
  if (v.isDict(container)) return v.isString(value) && container.value.has(value.value)
  if (v.isString(container) && !v.isString(value)) throw new Error(`a ${value.type} cannot be looked for in a string`)
  return undefined
}

function bind(target: JinjaNode, item: JinjaValue, scope: JinjaEnvironment): void {
  if (target.type === 'Identifier') {
    scope.setVariable((target as Named).value, item)
    return
  }
  const names = (target as JinjaNode & { value: readonly Named[] }).value
  const values = items(item) ?? notIterable(item)
  if (names.length !== values.length) throw new Error(`${values.length} values cannot be unpacked to ${names.length} names`)
  for (const [i, { type, value }] of names.entries()) {
    if (type !== 'Identifier') throw new Error(`a loop cannot assign to a ${type}`)
    scope.setVariable(value, values[i] ?? v.absent())
  }
}

function loopState(all: readonly JinjaValue[], i: number): JinjaValue {
  const { length } = all
  return v.dict(
    new Map([
      ['index', v.integer(i + 1)],
      ['index0', v.integer(i)],
      ['revindex', v.integer(length - i)],
      ['revindex0', v.integer(length - i - 1)],
      ['first', v.boolean(i === 0)],
      ['last', v.boolean(i === length - 1)],
      ['length', v.integer(length)],
      ['depth', v.integer(1)],
      ['depth0', v.integer(0)],
      ['previtem', all[i - 1] ?? v.absent()],
      ['nextitem', all[i + 1] ?? v.absent()],
      ['cycle', v.callable((args) => args[i % args.length] ?? v.absent())],
    ]),
  )
}

const described = (node: JinjaNode) => ('value' in node && typeof node.value === 'string' ? `"${node.value}"` : 'a part of an expression')
