import type { Value } from './graph'

/** Adds one contribution to the cotangent of a value: from the sum so far, if there is one, to the new sum. */
export type Contribution = (sum: Value | undefined) => Value

/** From the cotangent of an operation's output to a contribution for each of its inputs. */
export type Rule = (cotangent: Value) => readonly Contribution[]

/** A contribution that knows nothing better than an addition. */
export function plus(term: Value): Contribution {
  return (sum) => (sum === undefined ? term : term.graph.node('Add', [sum, term]))
}

/**
 * Reverse-mode differentiation. Operations record how to get from the cotangent of their output to those of their inputs;
 * `gradients` runs these rules backwards and so appends the backward pass to the same graph. Rules refer to values of the
 * forward pass freely: `emit` decides what is kept and what is computed again.
 */
export class Tape {
  private readonly operations: { readonly output: Value; readonly inputs: readonly Value[]; readonly rule: Rule }[] = []

  record(output: Value, inputs: readonly Value[], rule: Rule): Value {
    this.operations.push({ output, inputs, rule })
    return output
  }

  /**
   * Gradients of Σ cotangent · output with respect to `sources`.
   *
   * @param initial running sums that the gradients of some sources are added to.
   */
  gradients(output: Value, cotangent: Value, sources: readonly Value[], initial: ReadonlyMap<Value, Value> = new Map()): Map<Value, Value> {
    const active = this.dependents(sources)
    const sums = new Map<Value, Value>([...initial].filter(([value]) => active.has(value)))
    sums.set(output, cotangent)
    for (const operation of [...this.operations].reverse()) {
      const incoming = sums.get(operation.output)
      if (incoming === undefined || !operation.inputs.some((input) => active.has(input))) continue
      const contributions = operation.rule(incoming)
      for (const [i, input] of operation.inputs.entries()) {
        if (active.has(input)) sums.set(input, contributions[i]!(sums.get(input)))
      }
    }
    const result = new Map<Value, Value>()
    for (const source of sources) {
      const gradient = sums.get(source)
      if (gradient !== undefined) result.set(source, gradient)
    }
    return result
  }

  /** The sources and everything computed from them. */
  private dependents(sources: readonly Value[]): Set<Value> {
    const active = new Set(sources)
    for (const { output, inputs } of this.operations) if (inputs.some((input) => active.has(input))) active.add(output)
    return active
  }
}
