/** What an answer of mathematics is made of. */
export type Node =
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'symbol'; readonly name: string }
  | { readonly kind: 'operation'; readonly operator: '+' | '-' | '*' | '/' | '^'; readonly left: Node; readonly right: Node }
  | { readonly kind: 'call'; readonly name: string; readonly of: readonly Node[] }
  /** `a ± b`: two values. */
  | { readonly kind: 'plusMinus'; readonly left: Node; readonly right: Node }
  /** A point or an interval: `(1, 2]`. */
  | { readonly kind: 'tuple'; readonly open: '(' | '['; readonly close: ')' | ']'; readonly items: readonly Node[] }
  | { readonly kind: 'set'; readonly items: readonly Node[] }
  /** Several answers without an order: `1, 2`, `x = 1 or x = 2`. */
  | { readonly kind: 'list'; readonly items: readonly Node[] }
  | { readonly kind: 'union'; readonly items: readonly Node[] }
  | { readonly kind: 'matrix'; readonly rows: readonly (readonly Node[])[] }
  | { readonly kind: 'relation'; readonly operators: readonly Relation[]; readonly sides: readonly Node[] }

export type Relation = '=' | '<' | '>' | '≤' | '≥' | '≠' | '∈'

/** A text that is not read as mathematics, or not in one way only. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable'
}
