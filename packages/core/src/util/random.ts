import { createHash } from 'node:crypto'
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus'

/** Uniform numbers in [0, 1) from a stream of its own per key: independent of the order in which streams are asked for. */
export type RandomStreams = (...key: readonly (string | number)[]) => () => number

/** Streams keyed by (seed, …key): the state of each is the SHA-256 of its key, so streams with different keys are unrelated. */
export function randomStreams(seed: number): RandomStreams {
  return (...key) => {
    const digest = createHash('sha256')
      .update(JSON.stringify([seed, ...key]))
      .digest()
    const state = [0, 4, 8, 12].map((offset) => digest.readInt32LE(offset))
    const generator = xoroshiro128plusFromState(state)
    return () => uniformFloat64(generator)
  }
}
