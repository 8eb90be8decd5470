import type { ModelConfig, PackedBatch } from '@plumbline/transformer'
import type { HostTensor } from './session'

type RopeDimensions = Pick<ModelConfig, 'maxPositions' | 'headDim' | 'ropeTheta'>

/** Fewest positions that tables are built for: most texts fit. */
const FEWEST = 1024

/**
 * cos and sin of positions for half a head, as Hugging Face computes them: angles in float32. Built for the positions that are asked
 * for: a config may allow a million, of which a run sees a thousand.
 */
export class RopeTables {
  private built: { readonly positions: number; readonly feeds: Readonly<Record<string, HostTensor>> } | undefined

  constructor(private readonly config: RopeDimensions) {}

  /** Tables of at least so many positions, or of all that the model has. The same object until they grow. */
  upTo(positions: number): Readonly<Record<string, HostTensor>> {
    const { maxPositions, headDim, ropeTheta } = this.config
    const asked = Math.min(positions, maxPositions)
    if (!this.built || this.built.positions < asked) {
      // Twice as many as before, so that growing text does not mean new tables each time.
      const size = Math.min(maxPositions, Math.max(asked, 2 * (this.built?.positions ?? 0), FEWEST))
      this.built = { positions: size, feeds: ropeTables(size, headDim, ropeTheta) }
    }
    return this.built.feeds
  }
}

/** Positions that a batch needs: one more than its last. */
export function positionsOf({ positions }: Pick<PackedBatch, 'positions'>): number {
  return positions.reduce((most, position) => Math.max(most, position), 0) + 1
}

export function ropeTables(positions: number, headDim: number, theta: number): Record<string, HostTensor> {
  const half = headDim / 2
  const cosine = new Float32Array(positions * half)
  const sine = new Float32Array(positions * half)
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(1 / Math.fround(theta ** Math.fround((2 * i) / headDim)))
    for (let position = 0; position < positions; position++) {
      const angle = Math.fround(position * frequency)
      cosine[position * half + i] = Math.cos(angle)
      sine[position * half + i] = Math.sin(angle)
    }
  }
  const dims = [positions, half]
  return {
    rope_cosine: { data: cosine, dims },
    rope_sine: { data: sine, dims },
    rope_minus_sine: { data: sine.map((s) => -s), dims },
  }
}
