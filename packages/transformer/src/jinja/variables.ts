import type { JinjaNode } from '../huggingface'

type Fields = Readonly<Record<string, unknown>>

/**
 * Names that a template reads before it gives them a value itself, in their order: what it can be told. The counterpart of Jinja's
 * `meta.find_undeclared_variables`. Names of filters, tests and attributes are none, nor is what only a loop or a macro binds.
 */
export function variablesOf(program: JinjaNode): readonly string[] {
  const reading = new Reading()
  reading.visit(program)
  return [...reading.found]
}

class Reading {
  readonly found = new Set<string>()
  private readonly bound = new Set(['loop'])

  visit(value: unknown): void {
    if (Array.isArray(value)) for (const item of value) this.visit(item)
    else if (value instanceof Map) this.visit([...(value as Map<unknown, unknown>)])
    else if (typeof value === 'object' && value !== null) this.node(value as Fields)
  }

  private node(node: Fields): void {
    switch (node.type) {
      case 'Identifier':
        if (typeof node.value === 'string' && !this.bound.has(node.value)) this.found.add(node.value)
        return
      case 'Set':
        this.visit([node.value, node.body])
        this.bind(node.assignee)
        return
      case 'For': {
        const { type, lhs, test } = node.iterable as Fields
        const isSelect = type === 'SelectExpression'
        this.visit(isSelect ? lhs : node.iterable)
        this.bind(node.loopvar)
        this.visit([isSelect ? test : undefined, node.body, node.defaultBlock])
        return
      }
      case 'Macro':
        this.bind(node.name)
        this.bind(node.args)
        this.visit(node.body)
        return
      case 'CallStatement':
        this.visit(node.call)
        this.bind(node.callerArgs)
        this.visit(node.body)
        return
      case 'MemberExpression':
        this.visit(node.computed === true ? [node.object, node.property] : node.object)
        return
      case 'KeywordArgumentExpression':
        this.visit(node.value)
        return
      case 'TestExpression':
        this.visit(node.operand)
        return
      case 'FilterExpression':
      case 'FilterStatement':
        // the name of a filter is none of a variable, its arguments may be
        this.visit([node.operand ?? node.body, (node.filter as Fields).args])
        return
      default:
        // operators are tokens that look like names: `in`, `and`
        for (const [key, inner] of Object.entries(node)) if (key !== 'type' && key !== 'operator') this.visit(inner)
    }
  }

  /** Of `{% set ns.x = … %}` nothing: `ns` is a variable that exists already. */
  private bind(target: unknown): void {
    if (Array.isArray(target)) for (const item of target) this.bind(item)
    else if (typeof target === 'object' && target !== null) {
      const { type, value, key } = target as Fields
      if (type === 'Identifier' && typeof value === 'string') this.bound.add(value)
      else if (type === 'TupleLiteral') this.bind(value)
      else if (type === 'KeywordArgumentExpression') {
        this.visit(value)
        this.bind(key)
      }
    }
  }
}
