/**
 * What a loss treats as a constant, held at the values of one point while the loss is evaluated at others.
 *
 * A stop-gradient makes a loss's slope and its gradient differ on purpose; with the stopped values held, they agree again, and a
 * gradient can be checked against finite differences. Used by `@plumbline/conformance`.
 */
export interface HeldConstants {
  readonly values: readonly ArrayLike<number>[]
}

interface Hold {
  readonly replay?: HeldConstants
  readonly recorded: ArrayLike<number>[]
  at: number
}

// one for all copies of core in the process
const KEY = Symbol.for('plumbline:held-constants')
const slot = globalThis as unknown as Record<symbol, Hold | undefined>

/** Evaluates and notes every value that a gradient is stopped at, in order. */
export function recordConstants<T>(work: () => T): { readonly result: T; readonly constants: HeldConstants } {
  const recorded: ArrayLike<number>[] = []
  return { result: during({ recorded, at: 0 }, work), constants: { values: recorded } }
}

/** Evaluates with these values in the places where they were noted. */
export function withConstants<T>(replay: HeldConstants, work: () => T): T {
  return during({ replay, recorded: [], at: 0 }, work)
}

/** The values themselves, or those held in their place. */
export function held(values: ArrayLike<number>): ArrayLike<number> {
  const hold = slot[KEY]
  if (!hold) return values
  hold.recorded.push(Float64Array.from(values))
  return hold.replay?.values[hold.at++] ?? values
}

function during<T>(hold: Hold, work: () => T): T {
  const outer = slot[KEY]
  slot[KEY] = hold
  try {
    return work()
  } finally {
    slot[KEY] = outer
  }
}
