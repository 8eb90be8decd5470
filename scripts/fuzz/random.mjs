// A random stream per input: input n of a seed is the same whoever makes it, and may be made again alone.

export function randomOf(seed, index) {
  let state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35)) >>> 0
  const next = () => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (n) => Math.floor(next() * n)
  return {
    next,
    below,
    chance: (p) => next() < p,
    among: (list) => list[below(list.length)],
    /** As many small ones as large ones: 1 to `most`, by their logarithm. */
    size: (most) => Math.floor(Math.exp(next() * Math.log(most + 1))),
    times: (n, make) => Array.from({ length: n }, (_, at) => make(at)),
  }
}
