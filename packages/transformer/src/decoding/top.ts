import { expNegative } from './exponential'
import { BLOCK, BUCKETS, BUCKETS_PER_NAT, type WordWeights } from './weights'

/**
 * The k-th largest of the words' logits (all of them count when k exceeds their number), by a min-heap of k: one pass, no sort.
 * @param words how many of `weights.logits` are words; its `maxima` are read
 */
export function kthLargest({ logits, maxima }: WordWeights, words: number, k: number): number {
  const size = Math.min(k, words)
  const heap = logits.slice(0, size).sort() // ascending is a valid min-heap
  for (let id = size; id < words;) {
    const block = Math.floor(id / BLOCK)
    const end = Math.min(words, (block + 1) * BLOCK)
    if (maxima[block]! > heap[0]!) for (; id < end; id++) if (logits[id]! > heap[0]!) replaceRoot(heap, logits[id]!)
    id = end
  }
  return heap[0]!
}

function replaceRoot(heap: Float32Array, value: number): void {
  let i = 0
  for (;;) {
    let child = 2 * i + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++
    if (heap[child]! >= value) break
    heap[i] = heap[child]!
    i = child
  }
  heap[i] = value
}

/**
 * The nucleus: the smallest set of tokens whose probability reaches p, at least one (Holtzman et al., arXiv:1904.09751; the same set
 * as the TopPLogitsWarper of `transformers`). Of equally likely tokens the lower id comes first.
 *
 * No sort: the probability is summed per bucket, and only the tokens of the bucket where it reaches p are sorted.
 *
 * @param words how many of `weights.logits` are words; its `maxima` are read
 * @param smallest logits below it are not in the running
 * @param kept receives the ids of the nucleus, ascending
 * @returns how many they are
 */
export function nucleus(
  weights: WordWeights,
  words: number,
  largest: number,
  temperature: number,
  smallest: number,
  p: number,
  kept: Int32Array,
): number {
  const { logits, maxima, mass } = weights
  const inverse = 1 / temperature
  // All words that are deeper than this have less than 1 − p between them, so that the border is above it.
  const deepest = 1 + Math.log(words / (1 - p))
  const isBounded = smallest === -Infinity && deepest < BUCKETS / BUCKETS_PER_NAT
  const counted = weights.weighByDepth(largest, inverse, isBounded ? largest - deepest * temperature : smallest)
  const target = p * (isBounded ? weights.weigh(maxima.length, largest, inverse) : counted)
  let reached = 0
  let border = 0
  while (border < BUCKETS - 1 && reached + mass[border]! < target) reached += mass[border++]!

  // A little more than the border's bucket, so that rounding loses none of it: what is inside is looked at closely.
  const lowest = border < BUCKETS - 1 ? Math.max(smallest, largest - (temperature * (border + 1.01)) / BUCKETS_PER_NAT) : smallest
  const highest = largest - (temperature * (border - 0.01)) / BUCKETS_PER_NAT
  const undecided: number[] = []
  for (const [first, end] of blocksAbove(maxima, lowest, words)) {
    for (let id = first; id < end; id++) {
      const logit = logits[id]!
      if (logit >= lowest && logit <= highest && bucketOf((largest - logit) * inverse) === border) undecided.push(id)
    }
  }
  undecided.sort((a, b) => logits[b]! - logits[a]! || a - b)
  let last = -1 // the least likely token of the nucleus
  for (const id of undecided) {
    if (last >= 0 && reached >= target) break
    reached += expNegative((largest - logits[id]!) * inverse)
    last = id
  }
  // Without a border, p is so near 1 that rounding left nothing to decide: all are in.
  const least = last < 0 ? smallest : logits[last]!
  if (last < 0) last = words
  let count = 0
  for (const [first, end] of blocksAbove(maxima, least, words)) {
    for (let id = first; id < end; id++) if (logits[id]! > least || (logits[id] === least && id <= last)) kept[count++] = id
  }
  return count
}

/** [first word, end) of every block whose largest logit is not below `least`. */
export function* blocksAbove(maxima: Float32Array, least: number, words: number): Generator<readonly [number, number]> {
  for (const [block, most] of maxima.entries()) if (most >= least) yield [block * BLOCK, Math.min(words, (block + 1) * BLOCK)]
}

function bucketOf(depth: number): number {
  return depth < BUCKETS / BUCKETS_PER_NAT ? (depth * BUCKETS_PER_NAT) | 0 : BUCKETS - 1
}
