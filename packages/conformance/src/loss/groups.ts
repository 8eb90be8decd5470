import { randomStreams, type AlignmentLoss, type GroupNumbers } from '@plumbline/core'

/** One candidate in plain numbers. */
export interface Candidate {
  readonly logProb: number
  readonly referenceLogProb: number
  readonly length: number
  readonly positive: boolean
  readonly reward: number
  readonly reference: boolean
}

/** The policy's from its reference, nats; of a loss that does not ask for it, it is withheld like the reference. */
const DIVERGENCE = 0.4

/** What core would hand over for these candidates. */
export function group(candidates: readonly Candidate[]): GroupNumbers {
  return {
    k: candidates.length,
    logProbs: candidates.map((c) => c.logProb),
    referenceLogProbs: candidates.map((c) => c.referenceLogProb),
    divergence: DIVERGENCE,
    lengths: candidates.map((c) => c.length),
    positive: candidates.map((c) => c.positive),
    rewards: candidates.map((c) => c.reward),
    reference: candidates.map((c) => c.reference),
  }
}

export function candidatesOf(numbers: GroupNumbers): Candidate[] {
  return numbers.lengths.map((length, c) => ({
    logProb: numbers.logProbs[c]!,
    referenceLogProb: numbers.referenceLogProbs?.[c] ?? 0,
    length,
    positive: numbers.positive[c]!,
    reward: numbers.rewards[c]!,
    reference: numbers.reference[c]!,
  }))
}

/**
 * Groups of two to six candidates for a loss's kind of feedback, always the same ones: score scales of 0.1 to 3 nats per token,
 * lengths of 1 to 60 tokens, right and wrong mixed, or rewards with and without ties. Every group has something to compare.
 */
export function typicalGroups({ manifest }: AlignmentLoss): GroupNumbers[] {
  const kinds = manifest.feedback === 'either' ? (['binary', 'ranked'] as const) : [manifest.feedback]
  return kinds.flatMap((kind) => [0, 2, 3, 4].map((n) => randomGroup(kind, n)))
}

function randomGroup(kind: 'binary' | 'ranked', n: number): GroupNumbers {
  const random = randomStreams(20260)('conformance', kind, n)
  const between = (low: number, high: number) => low + (high - low) * random()
  const k = 2 + (n % 5)
  const scale = [0.1, 0.5, 1, 3][n % 4]!
  const distinct = Array.from({ length: k }, (_, c) => c - 1.5)
  const levels =
    kind === 'binary' ? distinct.map((_, c) => Number(c % 2 === 0)) : n % 2 === 0 ? distinct : distinct.map((r) => Math.floor(r / 2))
  const order = levels.map((_, c) => c).sort(() => random() - 0.5)
  return group(
    order.map((at, c) => {
      const length = 1 + Math.floor(between(0, 60))
      const logProb = -between(0.02, 1) * scale * length
      const positive = kind === 'binary' && levels[at]! === 1
      return { logProb, referenceLogProb: logProb + between(-2, 2), length, positive, reward: levels[at]!, reference: positive && c === 0 }
    }),
  )
}

/** The same group with its candidates in another order. */
export function reordered(numbers: GroupNumbers, order: readonly number[]): GroupNumbers {
  const candidates = candidatesOf(numbers)
  return group(order.map((c) => candidates[c]!))
}

/** The same group with one candidate changed. */
export function changed(numbers: GroupNumbers, at: number, change: (candidate: Candidate) => Partial<Candidate>): GroupNumbers {
  return group(candidatesOf(numbers).map((candidate, c) => (c === at ? { ...candidate, ...change(candidate) } : candidate)))
}

/** The same group with all candidates changed. */
export function mapped(numbers: GroupNumbers, change: (candidate: Candidate, c: number) => Partial<Candidate>): GroupNumbers {
  return group(candidatesOf(numbers).map((candidate, c) => ({ ...candidate, ...change(candidate, c) })))
}

/** Leaves out candidates as long as `problem` still finds one. */
export function smallest(numbers: GroupNumbers, problem: (numbers: GroupNumbers) => string | undefined): GroupNumbers {
  for (let c = 0; c < numbers.k; c++) {
    const fewer = reordered(
      numbers,
      [...numbers.lengths.keys()].filter((at) => at !== c),
    )
    if (fewer.k > 0 && problem(fewer) !== undefined) return smallest(fewer, problem)
  }
  return numbers
}

/** The group as a table, one candidate per line. */
export function showGroup(numbers: GroupNumbers): string {
  const columns = [
    ['candidate', ...numbers.lengths.map((_, c) => String(c))],
    ['score', ...numbers.lengths.map((n, c) => number(numbers.logProbs[c]! / n))],
    ['logProb', ...numbers.logProbs.map(number)],
    ['length', ...numbers.lengths.map(String)],
    ['positive', ...numbers.positive.map(String)],
    ['reward', ...numbers.rewards.map(number)],
    ['reference', ...numbers.reference.map(String)],
    ...(numbers.referenceLogProbs ? [['referenceLogProb', ...numbers.referenceLogProbs.map(number)]] : []),
  ]
  const widths = columns.map((column) => Math.max(...column.map((cell) => cell.length)))
  return columns[0]!.map((_, row) => '  ' + columns.map((column, c) => column[row]!.padStart(widths[c]!)).join('  ')).join('\n')
}

const number = (value: number) => String(Number(value.toPrecision(6)))
