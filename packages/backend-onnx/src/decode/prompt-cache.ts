import type { ModelConfig } from '@plumbline/transformer'
import type { HostTensor } from '../runtime/session'

/** Multiple that prompt lengths are padded to: whole vectors, so that padding does not regroup the sums of a softmax. */
export const PROMPT_BLOCK = 16

export const padded = (length: number): number => PROMPT_BLOCK * Math.ceil(length / PROMPT_BLOCK)

/** One prompt's keys and values as the prefill made them: per layer [kvHeads, headDim, stride] and [kvHeads, stride, headDim]. */
export interface PromptEntries {
  /** Positions in the tensors; at least the padded length. */
  readonly stride: number
  readonly keys: readonly Float32Array[]
  readonly values: readonly Float32Array[]
}

/** A prompt that may have a place in the cache. */
export interface CachedPrompt {
  /** Tokens. */
  readonly length: number
  /** Needed when the prompt gets a place; as long as it has one, the cache's own copy is enough. */
  readonly entries: PromptEntries | undefined
}

/** Where one prompt's keys or values stand in a tensor of several, and how many positions each has there. */
interface Slot {
  readonly data: Float32Array
  readonly place: number
  readonly width: number
}

/**
 * Keys and values of the prompts being completed: per layer [places · kvHeads, headDim, width] and [places · kvHeads, width, headDim],
 * each prompt in a place of its own, padded to the longest.
 */
export class PromptCache {
  private readonly keys: Float32Array[]
  private readonly values: Float32Array[]
  private places: readonly CachedPrompt[] = []
  /** Positions per prompt. */
  width = PROMPT_BLOCK

  constructor(private readonly config: Pick<ModelConfig, 'layers' | 'kvHeads' | 'headDim'>) {
    this.keys = Array.from({ length: config.layers }, () => new Float32Array(0))
    this.values = Array.from({ length: config.layers }, () => new Float32Array(0))
  }

  /** Forgets all prompts, but keeps the memory. */
  clear(): void {
    this.places = []
  }

  /**
   * Sets what stands in each place. A prompt that had a place keeps it or moves to an earlier one.
   *
   * @param most there will never be more prompts: buffers are made for so many, and take memory as they are used.
   */
  place(prompts: readonly CachedPrompt[], most: number): void {
    const before = this.width
    const needed = Math.max(PROMPT_BLOCK, ...prompts.map(({ length }) => padded(length)))
    // A narrower layout is worth its copy only when it saves a good part.
    if (needed > before || needed < 0.8 * before) this.width = needed
    const { kvHeads, headDim, layers } = this.config
    const size = most * kvHeads * headDim * this.width
    const stood = new Map(this.places.map((prompt, place) => [prompt, place]))
    // In a layout that is no wider everything moves towards the beginning: from first to last, nothing is overwritten before it has moved.
    const inPlace = this.width <= before || !prompts.some((prompt) => stood.has(prompt))
    const fits = size <= this.keys[0]!.length && inPlace
    for (let layer = 0; layer < layers; layer++) {
      const keys = fits ? this.keys[layer]! : new Float32Array(size)
      const values = fits ? this.values[layer]! : new Float32Array(size)
      for (const [place, prompt] of prompts.entries()) {
        const from = stood.get(prompt)
        if (fits && from === place && this.width === before) continue
        const [fromKeys, fromValues] = from === undefined ? entrySlots(prompt, layer) : this.slots(layer, from, before)
        this.copyKeys(fromKeys, { data: keys, place, width: this.width }, prompt.length)
        this.copyValues(fromValues, { data: values, place, width: this.width }, prompt.length)
      }
      this.keys[layer] = keys
      this.values[layer] = values
    }
    this.places = [...prompts]
  }

  feeds(): Record<string, HostTensor> {
    const { kvHeads, headDim } = this.config
    const { width } = this
    const size = this.places.length
    const total = size * kvHeads * headDim * width
    const feeds: Record<string, HostTensor> = {}
    for (const [layer, data] of this.keys.entries()) {
      feeds[`prompt_keys_${layer}`] = { data: data.subarray(0, total), dims: [size * kvHeads, headDim, width] }
    }
    for (const [layer, data] of this.values.entries()) {
      feeds[`prompt_values_${layer}`] = { data: data.subarray(0, total), dims: [size * kvHeads, width, headDim] }
    }
    return feeds
  }

  private slots(layer: number, place: number, width: number): [Slot, Slot] {
    return [
      { data: this.keys[layer]!, place, width },
      { data: this.values[layer]!, place, width },
    ]
  }

  private copyKeys(from: Slot, to: Slot, length: number): void {
    const rows = this.config.kvHeads * this.config.headDim
    for (let row = 0; row < rows; row++) {
      const start = (from.place * rows + row) * from.width
      to.data.set(from.data.subarray(start, start + length), (to.place * rows + row) * to.width)
    }
  }

  private copyValues(from: Slot, to: Slot, length: number): void {
    const { kvHeads, headDim } = this.config
    for (let head = 0; head < kvHeads; head++) {
      const start = (from.place * kvHeads + head) * from.width * headDim
      to.data.set(from.data.subarray(start, start + length * headDim), (to.place * kvHeads + head) * to.width * headDim)
    }
  }
}

function entrySlots({ entries }: CachedPrompt, layer: number): [Slot, Slot] {
  if (!entries) throw new Error('A prompt whose keys and values were given up needs a place in the cache')
  const { stride } = entries
  return [
    { data: entries.keys[layer]!, place: 0, width: stride },
    { data: entries.values[layer]!, place: 0, width: stride },
  ]
}
