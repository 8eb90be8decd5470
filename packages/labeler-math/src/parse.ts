import { Unreadable, type Node, type Relation } from './node'
import { tokenize, type Token } from './tokens'

export interface Reading {
  readonly node: Node
  /** What stands behind it as its unit: words, `%`. */
  readonly unit: string
}

const DEEPEST = 40
const RELATIONS: Readonly<Record<string, Relation>> = { '=': '=', '<': '<', '>': '>', '≤': '≤', '≥': '≥', '≠': '≠', '∈': '∈' }
const FUNCTIONS = new Set(['sin', 'cos', 'tan', 'cot', 'sec', 'csc', 'ln', 'log', 'exp', 'arcsin', 'arccos', 'arctan'])
const GREEK =
  /^(?:alpha|beta|gamma|delta|epsilon|varepsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|phi|varphi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Sigma|Phi|Psi|Omega|ell)$/

/**
 * Reads an answer: LaTeX or plain. Work is linear in its length.
 *
 * @throws Unreadable for what is no mathematics, or can be read in two ways (`1 2`, `2\frac{3}{2}`, `f(x)`).
 */
export function parseAnswer(written: string): Reading {
  const tokens = tokenize(written)
  const parser = new Parser(tokens)
  return parser.answer()
}

class Parser {
  private at = 0
  private depth = 0
  private unit = ''
  /** Inside parentheses and braces a comma separates. */
  private enclosed = 0

  constructor(private readonly tokens: readonly Token[]) {}

  answer(): Reading {
    if (this.tokens.length === 0) throw new Unreadable('nothing')
    const node = this.list()
    if (this.at < this.tokens.length) throw new Unreadable(`"${this.tokens[this.at]?.text ?? ''}" is left`)
    return { node, unit: this.unit }
  }

  private list(): Node {
    const items = [this.relation()]
    while (this.takesSeparator()) items.push(this.relation())
    const [only] = items
    return items.length === 1 && only !== undefined ? only : { kind: 'list', items }
  }

  private takesSeparator(): boolean {
    const isComma = this.takes(',') || this.takes(';')
    const token = this.tokens[this.at]
    if (token?.kind === 'words' && (token.text === 'and' || token.text === 'or')) {
      this.at++
      return true
    }
    return isComma
  }

  private relation(): Node {
    const sides = [this.union()]
    const operators: Relation[] = []
    for (let operator = this.relationSign(); operator !== undefined; operator = this.relationSign()) {
      operators.push(operator)
      sides.push(this.union())
    }
    const [only] = sides
    return operators.length === 0 && only !== undefined ? only : { kind: 'relation', operators, sides }
  }

  private relationSign(): Relation | undefined {
    const token = this.tokens[this.at]
    const operator = token?.kind === 'sign' ? RELATIONS[token.text] : undefined
    if (operator !== undefined) this.at++
    return operator
  }

  private union(): Node {
    const items = [this.sum()]
    while (this.takes('∪')) items.push(this.sum())
    const [only] = items
    return items.length === 1 && only !== undefined ? only : { kind: 'union', items }
  }

  private sum(): Node {
    this.depth++
    if (this.depth > DEEPEST) throw new Unreadable('too deep')
    let left = this.takes('±') ? plusMinus({ kind: 'number', text: '0' }, this.product()) : this.product()
    for (;;) {
      if (this.takes('+')) left = { kind: 'operation', operator: '+', left, right: this.product() }
      else if (this.takes('-')) left = { kind: 'operation', operator: '-', left, right: this.product() }
      else if (this.takes('±')) left = plusMinus(left, this.product())
      else break
    }
    this.depth--
    return left
  }

  private product(): Node {
    let left = this.signed()
    for (;;) {
      if (this.takes('*')) left = { kind: 'operation', operator: '*', left, right: this.signed() }
      else if (this.takes('/')) left = this.divided(left)
      else if (this.startsFactor()) left = this.besides(left)
      else break
    }
    return left
  }

  /** `1/2x` may be a half of x or one over 2x. */
  private divided(left: Node): Node {
    const right = this.signed()
    if (this.startsFactor() && !isUnit(this.tokens[this.at])) throw new Unreadable('a division and a product')
    return { kind: 'operation', operator: '/', left, right }
  }

  /** What is multiplied by standing beside: `2x`, `2\sqrt{3}`; a number and a fraction add up, as in `1\frac{1}{2}`. */
  private besides(left: Node): Node {
    const token = this.tokens[this.at]
    const right = this.power()
    if (right.kind === 'number') throw new Unreadable('two numbers side by side')
    const isMixed = left.kind === 'number' && token?.kind === 'command' && token.text.endsWith('frac')
    if (isMixed && right.kind === 'operation' && right.left.kind === 'number' && right.right.kind === 'number') {
      if (left.text.includes('.') || Number(right.left.text) >= Number(right.right.text))
        throw new Unreadable('a mixed number that is none')
      return { kind: 'operation', operator: '+', left, right }
    }
    return { kind: 'operation', operator: '*', left, right }
  }

  private signed(): Node {
    if (this.takes('+')) return this.signed()
    if (!this.takes('-')) return this.power()
    this.depth++
    if (this.depth > DEEPEST) throw new Unreadable('too deep')
    // A mixed number has its sign in front of both parts.
    let right = this.power()
    if (right.kind === 'number' && this.tokens[this.at]?.text.endsWith('frac') === true) right = this.besides(right)
    this.depth--
    return { kind: 'operation', operator: '-', left: { kind: 'number', text: '0' }, right }
  }

  private power(): Node {
    let base = this.atom()
    for (;;) {
      if (this.takes('!')) base = { kind: 'call', name: 'factorial', of: [base] }
      else if (this.takes('^')) base = { kind: 'operation', operator: '^', left: base, right: this.script() }
      else if (this.takes('°')) this.setUnit('°')
      else if (this.takes('%')) this.setUnit('%')
      else if (isUnit(this.tokens[this.at])) this.takeUnit()
      else return base
    }
  }

  private takeUnit(): void {
    const words = this.tokens[this.at]?.text ?? ''
    this.at++
    let power = ''
    if (this.takes('^')) {
      const exponent = this.script()
      power = exponent.kind === 'number' ? exponent.text : '?'
    }
    this.setUnit(`${words}${power}`)
  }

  /** A unit belongs to the whole answer: it stands at its end, or at the end of every item. */
  private setUnit(unit: string): void {
    if (this.unit !== '' && this.unit !== unit) throw new Unreadable('two units')
    this.unit = unit
  }

  /** One token, or what stands in braces. */
  private script(): Node {
    if (this.takes('{')) return this.closed('}')
    if (this.takes('-')) return { kind: 'operation', operator: '-', left: { kind: 'number', text: '0' }, right: this.atom() }
    if (this.takes('(')) return this.closed(')')
    return this.atom()
  }

  private closed(by: string): Node {
    const node = this.sum()
    if (!this.takes(by)) throw new Unreadable(`no ${by}`)
    return node
  }

  private atom(): Node {
    const token = this.tokens[this.at++]
    if (token === undefined) throw new Unreadable('the end')
    if (token.kind === 'number') return this.number(token)
    if (token.kind === 'letter') return this.symbol(token.text)
    if (token.kind === 'command') return this.command(token.text)
    if (token.text === '(' || token.text === '[') return this.bracketed(token.text)
    if (token.text === '{') return this.closed('}')
    if (token.text === '|') return { kind: 'call', name: 'abs', of: [this.closed('|')] }
    throw new Unreadable(`"${token.text}"`)
  }

  /** Commas and spaces in groups of three, outside of tuples; a base makes a number of a text. */
  private number({ text }: Token): Node {
    let whole = text
    for (;;) {
      const [first, second] = [this.tokens[this.at], this.tokens[this.at + 1]]
      const isGroup = (token: Token | undefined) => token?.kind === 'number' && /^\d{3}(?:\.\d+)?$/.test(token.text)
      const fits = /^\d{1,3}$/.test(whole) || whole.length > text.length
      if (whole.includes('.') || !fits || this.enclosed > 0) break
      if (first?.text === ',' && !first.isApart && isGroup(second) && second?.isApart === false) {
        whole += second.text
        this.at += 2
      } else if (isGroup(first) && first?.isApart === true) {
        whole += first.text
        this.at++
      } else break
    }
    if (!this.takes('_')) return { kind: 'number', text: whole }
    const base = this.script()
    if (base.kind !== 'number') throw new Unreadable('a base that is no number')
    return { kind: 'symbol', name: `${whole}_${base.text}` }
  }

  private symbol(name: string): Node {
    if (this.tokens[this.at]?.text === '(' && /^[fghFGHPpQq]$/.test(name)) throw new Unreadable('a function of unknown meaning')
    if (this.takes("'")) throw new Unreadable('a derivative')
    if (!this.takes('_')) return { kind: 'symbol', name }
    const index = this.script()
    if (index.kind !== 'number' && index.kind !== 'symbol') throw new Unreadable('an index')
    return { kind: 'symbol', name: `${name}_${index.kind === 'number' ? index.text : index.name}` }
  }

  private command(name: string): Node {
    if (name === 'pi' || name === 'infty') return { kind: 'symbol', name }
    if (GREEK.test(name)) return this.symbol(`\\${name}`)
    if (/^[cdt]?frac$/.test(name)) return { kind: 'operation', operator: '/', left: this.argument(), right: this.argument() }
    if (/^[dt]?binom$/.test(name)) return { kind: 'call', name: 'binomial', of: [this.argument(), this.argument()] }
    if (name === 'sqrt') return this.root()
    if (FUNCTIONS.has(name)) return this.call(name)
    if (name === '{') return this.set()
    if (name === 'emptyset' || name === 'varnothing') return { kind: 'set', items: [] }
    if (name === 'lfloor') return this.between('floor', 'rfloor')
    if (name === 'lceil') return this.between('ceil', 'rceil')
    if (name === 'begin') return this.matrix()
    throw new Unreadable(`\\${name}`)
  }

  /** `{…}`, or one digit or letter: `\frac12`. */
  private argument(): Node {
    if (this.takes('{')) return this.closed('}')
    const token = this.tokens[this.at]
    if (token?.kind !== 'number' || token.text.length === 1) return this.atom()
    // \frac12 holds two arguments in one run of digits.
    const [first = '', ...rest] = token.text
    const tokens = this.tokens as Token[]
    tokens.splice(this.at, 1, { ...token, text: rest.join('') })
    return { kind: 'number', text: first }
  }

  private root(): Node {
    if (!this.takes('[')) return { kind: 'call', name: 'sqrt', of: [this.argument()] }
    const degree = this.closed(']')
    return { kind: 'call', name: 'root', of: [this.argument(), degree] }
  }

  private call(name: string): Node {
    const base = name === 'log' && this.takes('_') ? [this.script()] : []
    const exponent = this.takes('^') ? this.script() : undefined
    const argument = this.takes('(') ? this.closed(')') : this.power()
    if (exponent?.kind === 'operation') throw new Unreadable('an inverse or a power')
    const call: Node = { kind: 'call', name, of: [argument, ...base] }
    return exponent === undefined ? call : { kind: 'operation', operator: '^', left: call, right: exponent }
  }

  private between(name: string, end: string): Node {
    const node = this.sum()
    if (this.tokens[this.at++]?.text !== end) throw new Unreadable(`no \\${end}`)
    return { kind: 'call', name, of: [node] }
  }

  private bracketed(open: '(' | '['): Node {
    this.enclosed++
    const items = [this.relation()]
    while (this.takes(',') || this.takes(';')) items.push(this.relation())
    this.enclosed--
    const close = this.takes(')') ? ')' : this.takes(']') ? ']' : undefined
    if (close === undefined) throw new Unreadable('a bracket that does not close')
    const [only] = items
    if (items.length === 1 && only !== undefined && open === '(' && close === ')') return only
    return { kind: 'tuple', open, close, items }
  }

  private set(): Node {
    this.enclosed++
    const items: Node[] = []
    if (this.tokens[this.at]?.text !== '}') {
      items.push(this.relation())
      while (this.takes(',') || this.takes(';')) items.push(this.relation())
    }
    this.enclosed--
    const end = this.tokens[this.at++]
    if (end?.kind !== 'command' || end.text !== '}') throw new Unreadable('a set that does not close')
    return { kind: 'set', items }
  }

  private matrix(): Node {
    this.enclosed++
    const name = this.environment()
    if (!/^[pbBv]?matrix$/.test(name)) throw new Unreadable(`\\begin{${name}}`)
    const rows: Node[][] = [[]]
    for (;;) {
      const token = this.tokens[this.at]
      if (token?.kind === 'command' && token.text === 'end') break
      if (token?.kind === 'command' && token.text === '\\') {
        this.at++
        rows.push([])
      } else if (!this.takes('&')) rows.at(-1)?.push(this.relation())
    }
    this.at++
    if (this.environment() !== name) throw new Unreadable('another environment ends')
    this.enclosed--
    return { kind: 'matrix', rows: rows.filter((row) => row.length > 0) }
  }

  /** `{pmatrix}` */
  private environment(): string {
    if (!this.takes('{')) throw new Unreadable('no environment')
    const name = this.tokens[this.at++]?.text ?? ''
    if (!this.takes('}')) throw new Unreadable('no environment')
    return name
  }

  private startsFactor(): boolean {
    const token = this.tokens[this.at]
    if (token === undefined || token.kind === 'words') return false
    if (token.kind === 'number' || token.kind === 'letter') return true
    if (token.kind === 'command') return !['}', 'rfloor', 'rceil', 'end', '\\'].includes(token.text)
    return token.text === '(' || token.text === '{'
  }

  private takes(sign: string): boolean {
    const token = this.tokens[this.at]
    if (token?.kind !== 'sign' || token.text !== sign) return false
    this.at++
    return true
  }
}

function plusMinus(left: Node, right: Node): Node {
  return { kind: 'plusMinus', left, right }
}

function isUnit(token: Token | undefined): boolean {
  return token?.kind === 'words' && token.text !== 'and' && token.text !== 'or'
}
