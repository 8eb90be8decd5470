import { expNegative } from './exponential'

/**
 * The k-th largest of the values (all of them count when k exceeds their number), by a min-heap of k: one pass, no sort.
 * @param values [n]
 */
export function kthLargest(values: Float32Array, k: number): number {
  const size = Math.min(k, values.length)
  const heap = Float32Array.from(values.subarray(0, size)).sort() // ascending is a valid min-heap
  for (let i = size; i < values.length; i++) if (values[i]! > heap[0]!) replaceRoot(heap, values[i]!)
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

/** Tokens fall into buckets by their depth, how many nats they are below the likeliest one; the last bucket takes the rest. */
const BUCKETS_PER_NAT = 16
const BUCKETS = 45 * BUCKETS_PER_NAT

/**
 * The nucleus: the smallest set of tokens whose probability reaches p, at least one (Holtzman et al., arXiv:1904.09751; the same set
 * as the TopPLogitsWarper of `transformers`). Of equally likely tokens the lower id comes first.
 *
 * No sort: the probability is summed per bucket, and only the tokens of the bucket where it reaches p are sorted.
 *
 * @param smallest logits below it are not in the running
 * @param kept receives the ids of the nucleus, ascending
 * @returns how many they are
 */
export function nucleus(logits: Float32Array, largest: number, temperature: number, smallest: number, p: number, kept: Int32Array): number {
  const inverse = 1 / temperature
  const mass = new Float64Array(BUCKETS)
  let total = 0
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!
    if (logit < smallest) continue
    const depth = (largest - logit) * inverse
    const weight = expNegative(depth)
    mass[bucketOf(depth)]! += weight
    total += weight
  }
  const target = p * total
  let reached = 0
  let border = 0
  while (border < BUCKETS - 1 && reached + mass[border]! < target) reached += mass[border++]!

  const undecided: number[] = []
  for (let id = 0; id < logits.length; id++) {
    if (logits[id]! >= smallest && bucketOf((largest - logits[id]!) * inverse) === border) undecided.push(id)
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
  if (last < 0) last = logits.length
  let count = 0
  for (let id = 0; id < logits.length; id++) {
    if (logits[id]! > least || (logits[id] === least && id <= last)) kept[count++] = id
  }
  return count
}

function bucketOf(depth: number): number {
  return depth < BUCKETS / BUCKETS_PER_NAT ? (depth * BUCKETS_PER_NAT) | 0 : BUCKETS - 1
}
