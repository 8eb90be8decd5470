import { ropeTable, type ModelConfig, type Rope } from '@plumbline/transformer'
import { inHost, type Held } from './held'
import type { Feeds, HostTensor } from './session'

type RopeDimensions = Pick<ModelConfig, 'maxPositions' | 'ropes'>

/** Fewest positions that tables are built for: most texts fit. */
const FEWEST = 1024

/** Where tables are held: arrays stay as they are, a device has them in its memory. */
export type Hold = (tables: Readonly<Record<string, HostTensor>>) => Held | Promise<Held>

/**
 * The tables of a model's rotary embeddings, as a graph reads them. Built for the positions that are asked for: a config may allow a
 * million, of which a run sees a thousand.
 */
export class RopeTables {
  private built: { readonly positions: number; readonly held: Held } | undefined

  constructor(
    private readonly config: RopeDimensions,
    private readonly hold: Hold = inHost,
  ) {}

  /** Tables of at least so many positions, or of all that the model has. The same object until they grow. One call at a time. */
  async upTo(positions: number): Promise<Feeds> {
    const { maxPositions, ropes } = this.config
    const asked = Math.min(positions, maxPositions)
    if (!this.built || this.built.positions < asked) {
      // Twice as many as before, so that growing text does not mean new tables each time.
      const size = Math.min(maxPositions, Math.max(asked, 2 * (this.built?.positions ?? 0), FEWEST))
      this.release()
      this.built = { positions: size, held: await this.hold(ropeFeeds(ropes, size)) }
    }
    return this.built.held.feeds
  }

  release(): void {
    this.built?.held.release()
    this.built = undefined
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
