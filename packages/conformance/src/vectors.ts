import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { GroupNumbers, LossAndGradient } from '@plumbline/core'

/** A question of the reference vectors, with every loss's value and gradient in float64 (PyTorch autograd; `fixtures/make_vectors.py`, `make_more_vectors.py`). */
export interface ReferenceCase extends GroupNumbers {
  readonly referenceLogProbs: readonly number[]
  /** The boundary's margin, nats per token. */
  readonly beta: number
  readonly dpoBeta: number
  /** By name, e.g. `ca/binary/boundary`; `grad` is d loss / d logProbs. */
  readonly expected: Readonly<Record<string, ExpectedLoss>>
}

export interface ExpectedLoss {
  readonly loss: number
  readonly grad: readonly number[]
}

function fixture(name: string): unknown {
  return JSON.parse(readFileSync(join(__dirname, '../fixtures', name), 'utf8'))
}

export function referenceCases(): readonly ReferenceCase[] {
  const { cases } = fixture('losses.json') as { cases: Omit<ReferenceCase, 'k' | 'reference'>[] }
  const { expected: more } = fixture('more-losses.json') as { expected: ReferenceCase['expected'][] }
  return cases.map((group, n) => ({
    ...group,
    k: group.lengths.length,
    reference: group.lengths.map(() => false),
    expected: { ...group.expected, ...more[n] },
  }))
}

/**
 * The largest deviation of value and gradient from a reference, relative to the reference's size (a gradient's size is its
 * largest component). Where the reference is zero, any deviation counts in full.
 */
export function relativeError(actual: LossAndGradient, expected: ExpectedLoss): number {
  const scale = Math.max(...expected.grad.map(Math.abs)) || 1
  const gradientErrors = expected.grad.map((g, c) => Math.abs(actual.gradient[c]! - g) / scale)
  return Math.max(Math.abs(actual.loss - expected.loss) / (Math.abs(expected.loss) || 1), ...gradientErrors)
}
