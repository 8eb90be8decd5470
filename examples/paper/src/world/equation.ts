import { LARGEST } from './problem'

export type Operator = '+' | '-' | '*' | '/'

/** One line of a chain of thought. */
export interface Equation {
  readonly left: number
  readonly operator: Operator
  readonly right: number
  readonly result: number
}

export function equation(left: number, operator: Operator, right: number): Equation {
  const results = { '+': left + right, '-': left - right, '*': left * right, '/': left / right }
  return { left, operator, right, result: results[operator] }
}

/** `6 * 5 = 30` */
export function written({ left, operator, right, result }: Equation): string {
  return `${left} ${operator} ${right} = ${result}`
}

export function isInRange(amount: number): boolean {
  return Number.isInteger(amount) && amount >= 1 && amount <= LARGEST
}
