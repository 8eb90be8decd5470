/** Alignment of the parts, in numbers: a cache line. */
const LINE = 16
/** A new stretch is this much longer than asked for: the next batch may be larger, and memory that is not written costs nothing. */
const ROOM = 1.5

/**
 * Memory that is used again for every batch: fresh memory costs a page fault every four kilobytes. One stretch at a time; who asks for
 * more before it is back gets another.
 */
export class Scratch {
  private free: Float32Array | undefined

  /** Arrays of these lengths, with any content, side by side; `give` takes them back. */
  take(lengths: readonly number[]): { readonly parts: Float32Array[]; readonly give: () => void } {
    const total = lengths.reduce((sum, length) => sum + aligned(length), 0)
    const memory = this.free && this.free.length >= total ? this.free : new Float32Array(Math.ceil(ROOM * total))
    this.free = undefined
    let offset = 0
    const parts = lengths.map((length) => {
      const part = memory.subarray(offset, offset + length)
      offset += aligned(length)
      return part
    })
    return { parts, give: () => void (this.free = memory) }
  }

  clear(): void {
    this.free = undefined
  }
}

const aligned = (length: number) => Math.ceil(length / LINE) * LINE
