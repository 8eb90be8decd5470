import { ropeTable, type ModelConfig, type Rope } from '@plumbline/transformer'
import type { HostTensor } from './session'

type RopeDimensions = Pick<ModelConfig, 'maxPositions' | 'ropes'>

/** Fewest positions that tables are built for: most texts fit. */
const FEWEST = 1024

/**
 * The tables of a model's rotary embeddings, as a graph reads them. Built for the positions that are asked for: a config may allow a
 * million, of which a run sees a thousand.
 */
export class RopeTables {
  private built: { readonly positions: number; readonly feeds: Readonly<Record<string, HostTensor>> } | undefined

  constructor(private readonly config: RopeDimensions) {}

  /** Tables of at least so many positions, or of all that the model has. The same object until they grow. */
  upTo(positions: number): Readonly<Record<string, HostTensor>> {
    const { maxPositions, ropes } = this.config
    const asked = Math.min(positions, maxPositions)
    if (!this.built || this.built.positions < asked) {
      // Twice as many as before, so that growing text does not mean new tables each time.
      const size = Math.min(maxPositions, Math.max(asked, 2 * (this.built?.positions ?? 0), FEWEST))
      this.built = { positions: size, feeds: ropeFeeds(ropes, size) }
    }
    return this.built.feeds
  }
}

/** What `OnnxOps.rope` reads, for each rotary embedding under its name. */
export function ropeFeeds(ropes: Readonly<Record<string, Rope>>, positions: number): Record<string, HostTensor> {
  return Object.fromEntries(
    Object.entries(ropes).flatMap(([name, rope]) => {
      const { cosine, sine, half } = ropeTable(rope, positions)
      const dims = [positions, half]
      return [
        [`${name}_cosine`, { data: cosine, dims }],
        [`${name}_sine`, { data: sine, dims }],
        [`${name}_minus_sine`, { data: sine.map((s) => -s), dims }],
      ]
    }),
  )
}
