import type { Tensor } from '../runtime/onnxruntime'
import { hideCached, MASKED, windowsOf, type Completion, type ModelConfig } from '@plumbline/transformer'
import { FEWEST_ROWS } from '../decode/batch'
import { maskInput } from '../decode/masks'
import type { HostTensor } from '../runtime/session'
import type { DeviceMemory, DeviceTensor } from './memory'
import type { DeviceSession } from './session'
import { int64 } from '../runtime/tensors'
import { tensorNamed } from '../runtime/tensor-named'

/** Slots are added in blocks, so that tensors keep their shape for many steps. */
export const BLOCK = 32

/** A completion under way. */
export interface Cell {
  readonly completion: Completion
}

/** A prompt of a wave and its completions under way; `undefined` where none is. */
export interface WavePrompt {
  readonly length: number
  readonly cells: (Cell | undefined)[]
}

/**
 * Completions that began together, G prompts × C cells, with their caches on the device. All have the same number of tokens of their
 * own. Cells of completions that have ended are computed along until the next block, where the wave closes ranks.
 */
export class Wave {
  private caches = new Map<string, DeviceTensor>()
  /** 0 … slots − 1 */
  private numbers: DeviceTensor | undefined
  private slots = 0
  private taken = 0

  constructor(
    private readonly config: ModelConfig,
    private readonly memory: DeviceMemory,
    private readonly relayout: DeviceSession,
    private prompts: readonly WavePrompt[],
    /** Positions of a prompt in its cache. */
    private readonly width: number,
  ) {}

  /** @param promptCaches `keys_l` and `values_l` of the prefill; they are the wave's to free from here on. */
  async begin(promptCaches: Readonly<Record<string, DeviceTensor>>): Promise<void> {
    const { layers, kvHeads, headDim } = this.config
    const rows = this.prompts.length * kvHeads * this.cells
    await this.takeSlots(BLOCK)
    for (let layer = 0; layer < layers; layer++) {
      for (const part of ['keys', 'values']) this.caches.set(`prompt_${part}_${layer}`, promptCaches[`${part}_${layer}`]!)
      this.caches.set(`own_keys_${layer}`, await this.memory.zeros([rows, headDim, BLOCK]))
      this.caches.set(`own_values_${layer}`, await this.memory.zeros([rows, BLOCK, headDim]))
    }
    if (this.alive > 0 && 2 * this.alive < this.prompts.length * this.cells) await this.closeRanks(0)
  }

  /** Cells per prompt. */
  get cells(): number {
    return widest(this.prompts.map(({ cells }) => cells.length))
  }

  /** Completions under way. */
  get alive(): number {
    return this.prompts.reduce((sum, { cells }) => sum + cells.filter(Boolean).length, 0)
  }

  /** Every completion under way with its row in the step's tensors. */
  rows(): { readonly row: number; readonly cell: Cell; readonly end: () => void }[] {
    const { cells: width } = this
    return this.prompts.flatMap(({ cells }, g) =>
      cells.flatMap((cell, c) => (cell ? [{ row: g * width + c, cell, end: () => (cells[c] = undefined) }] : [])),
    )
  }

  /** Rows of the step's tensors, those of cells without a completion among them. */
  get size(): number {
    return this.prompts.length * this.cells
  }

  /** Steps until the wave must make room. */
  get room(): number {
    return this.slots - this.taken
  }

  /** Tokens that every completion under way has, its first one of the prefill among them. */
  get tokens(): number {
    return this.taken + 1
  }

  /** The last token of every row that the host knows. [size] */
  lastTokens(): HostTensor {
    const ids = new Int32Array(this.size)
    for (const { row, cell } of this.rows()) ids[row] = cell.completion.tokens.at(-1)!
    return { data: ids, dims: [ids.length] }
  }

  /**
   * Inputs of the next step but for weights and tables.
   * @param ids the last token of every row, here or on the device
   */
  feeds(ids: HostTensor | Tensor): Record<string, HostTensor | Tensor> {
    const { kvHeads, headDim, heads } = this.config
    const { cells, width, slots, taken } = this
    const size = this.prompts.length
    const rep = heads / kvHeads
    const positions = new BigInt64Array(size * cells)
    for (const [g, { length }] of this.prompts.entries()) {
      // Completions that have ended are computed along, also past the end of the context: the tables end there.
      positions.fill(BigInt(Math.min(length + taken, this.config.maxPositions - 1)), g * cells, (g + 1) * cells)
    }
    const feeds: Record<string, HostTensor | Tensor> = {
      ids,
      positions: { data: positions, dims: [positions.length, 1] },
      ...this.maskFeeds(),
      slots: this.numbers!.native,
      slot: { data: Float32Array.of(taken), dims: [1] },
      parts: int64([width, slots]),
      cell_shape: int64([size, cells, kvHeads, headDim]),
      query_shape: int64([size, cells, kvHeads, rep, headDim]),
      prompt_rows: int64([size, kvHeads, cells * rep, -1]),
      own_rows: int64([size * kvHeads * cells, rep, -1]),
      prompt_part: int64([size, kvHeads, cells, rep, width]),
      own_part: int64([size, kvHeads, cells, rep, slots]),
      attended: int64([size, kvHeads, cells, rep, headDim]),
    }
    for (const [name, { native }] of this.caches) feeds[name] = native
    return feeds
  }

  private maskFeeds(): Record<string, HostTensor> {
    const { width, slots, taken } = this
    const size = this.prompts.length
    const dims = [size, 1, 1, 1, width + slots]
    const masks = windowsOf(this.config.attention).map((window): [string, HostTensor] => {
      const data = new Float32Array(size * (width + slots))
      for (const [g, { length }] of this.prompts.entries()) {
        const start = g * (width + slots)
        hideCached(data, start, { promptLength: length, width }, length + taken, window)
        data.fill(MASKED, start + width + taken + 1, start + width + slots)
      }
      return [maskInput('mask', window), { data, dims }]
    })
    return Object.fromEntries(masks)
  }

  /** Takes the caches that the step has written. */
  took(resident: Readonly<Record<string, Tensor>>): void {
    for (let layer = 0; layer < this.config.layers; layer++) {
      for (const part of ['keys', 'values']) this.replace(`own_${part}_${layer}`, tensorNamed(resident, `new_${part}_${layer}`))
    }
    this.taken++
  }

  /** Between steps: more slots where none is free, and at that time no more rows than needed. */
  async makeRoom(): Promise<void> {
    if (this.taken === this.slots && this.alive > 0) await this.closeRanks(BLOCK)
  }

  release(): void {
    for (const tensor of this.caches.values()) tensor.release()
    this.caches.clear()
    this.numbers?.release()
    this.numbers = undefined
  }

  private async takeSlots(more: number): Promise<void> {
    this.slots += more
    this.numbers?.release()
    this.numbers = undefined
    this.numbers = await this.memory.upload({ data: Float32Array.from({ length: this.slots }, (_, slot) => slot), dims: [this.slots] })
  }

  private async closeRanks(moreSlots: number): Promise<void> {
    const { kvHeads } = this.config
    const before = this.cells
    const left = this.prompts.flatMap((prompt, g) => {
      const from = prompt.cells.flatMap((cell, c) => (cell ? [c] : []))
      return from.length > 0 ? [{ prompt, g, from }] : []
    })
    const cells = widest(left.map(({ from }) => from.length))
    const rows = left.flatMap(({ g, from }) =>
      Array.from({ length: kvHeads }, (_, head) =>
        Array.from({ length: cells }, (_, c) => (g * kvHeads + head) * before + (from[c] ?? from[0]!)),
      ).flat(),
    )
    const { resident } = await this.relayout.run({
      ...Object.fromEntries([...this.caches].map(([name, { native }]) => [name, native])),
      rows: { data: Int32Array.from(rows), dims: [rows.length] },
      prompts: { data: Int32Array.from(left, ({ g }) => g), dims: [left.length] },
      keys_padding: int64([0, 0, 0, 0, 0, moreSlots]),
      values_padding: int64([0, 0, 0, 0, moreSlots, 0]),
    })
    for (const name of [...this.caches.keys()]) this.replace(name, tensorNamed(resident, `new_${name}`))
    if (moreSlots > 0) await this.takeSlots(moreSlots)
    this.prompts = left.map(({ prompt, from }) => ({
      length: prompt.length,
      cells: Array.from({ length: cells }, (_, c) => (from[c] === undefined ? undefined : prompt.cells[from[c]])),
    }))
  }

  private replace(name: string, tensor: Tensor): void {
    this.caches.get(name)?.release()
    this.caches.set(name, this.memory.hold(tensor))
  }
}

/** Cells per prompt. A single row would be multiplied by other kernels, whose last bits differ: there are always two. */
function widest(counts: readonly number[]): number {
  return Math.max(counts.length > 1 ? 1 : FEWEST_ROWS, ...counts)
}
