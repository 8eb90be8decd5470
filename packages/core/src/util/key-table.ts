import { hash } from 'node:crypto'

/** 32-bit words of a key's hash that are kept: 96 bits, of which a million keys share one with a probability of 6e-18. */
const WORDS = 3
const FULL = 0.75

/**
 * Texts with a number each, known again without being kept: 16 bytes a slot, which is 21 to 43 bytes a text, however long the texts are.
 */
export class KeyTable {
  private slots = 1 << 10
  private keys = new Uint32Array(WORDS * this.slots)
  /** One more than the number; 0 where the slot is free. */
  private values = new Uint32Array(this.slots)
  private count = 0

  get size(): number {
    return this.count
  }

  /**
   * Adds a text, where it is not there yet.
   * @param value a whole number from 0 to 2³² − 2
   * @returns the number of the same text added before
   */
  add(text: string, value = 0): number | undefined {
    const key = keyOf(text)
    const slot = this.slotOf(key)
    const found = this.values[slot]
    if (found) return found - 1
    this.put(slot, key, value + 1)
    if (++this.count > FULL * this.slots) this.grow()
    return undefined
  }

  has(text: string): boolean {
    return this.values[this.slotOf(keyOf(text))] !== 0
  }

  /** Where the key stands, or the free slot where it would. */
  private slotOf(key: Uint32Array): number {
    let slot = (key[0] ?? 0) & (this.slots - 1)
    while (this.values[slot] !== 0 && !key.every((word, w) => this.keys[WORDS * slot + w] === word)) slot = (slot + 1) & (this.slots - 1)
    return slot
  }

  private put(slot: number, key: Uint32Array, value: number): void {
    this.keys.set(key, WORDS * slot)
    this.values[slot] = value
  }

  private grow(): void {
    const { keys, values } = this
    this.slots *= 2
    this.keys = new Uint32Array(WORDS * this.slots)
    this.values = new Uint32Array(this.slots)
    values.forEach((value, slot) => {
      if (value === 0) return
      const key = keys.subarray(WORDS * slot, WORDS * (slot + 1))
      this.put(this.slotOf(key), key, value)
    })
  }
}

function keyOf(text: string): Uint32Array {
  const digest = hash('sha256', text, 'buffer')
  return Uint32Array.from({ length: WORDS }, (_, w) => digest.readUInt32LE(4 * w))
}
