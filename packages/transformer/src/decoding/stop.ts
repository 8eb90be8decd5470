import type { Tokenizer } from '@plumbline/core/base'

/**
 * Watches a completion grow and says when its decoded text contains a stop string, which may span tokens.
 *
 * Only the tail is decoded for each token: the text of a token can depend on the tokens before it (a leading space, the bytes of
 * one character), so the tail starts at the previous token whose text was complete.
 */
export class StopWatcher {
  private readonly ids: number[] = []
  private readonly reach: number
  private prefix = 0
  private read = 0
  /** The end of the text so far, as long as a stop string can reach back. */
  private recent = ''

  constructor(
    private readonly tokenizer: Pick<Tokenizer, 'decode'>,
    private readonly stops: readonly string[],
  ) {
    this.reach = Math.max(0, ...stops.map((stop) => stop.length - 1))
  }

  /** Adds a token; true once the completion contains a stop string. */
  push(id: number): boolean {
    this.ids.push(id)
    if (this.stops.length === 0) return false
    const known = this.tokenizer.decode(this.ids.slice(this.prefix, this.read))
    const text = this.tokenizer.decode(this.ids.slice(this.prefix))
    if (text.length <= known.length || text.endsWith('\ufffd')) return false // an incomplete character, or a special token
    this.prefix = this.read
    this.read = this.ids.length
    const seen = this.recent + text.slice(known.length)
    this.recent = this.reach > 0 ? seen.slice(-this.reach) : ''
    // The whole text has the last word: some decoders clean up what they join.
    return contains(seen, this.stops) && contains(this.tokenizer.decode(this.ids), this.stops)
  }
}

function contains(text: string, stops: readonly string[]): boolean {
  return stops.some((stop) => text.includes(stop))
}

/** The text before the first stop string, and whether there was one. */
export function cutAtStop(text: string, stops: readonly string[]): { readonly text: string; readonly stopped: boolean } {
  const starts = stops.map((stop) => text.indexOf(stop)).filter((start) => start >= 0)
  return starts.length > 0 ? { text: text.slice(0, Math.min(...starts)), stopped: true } : { text, stopped: false }
}
