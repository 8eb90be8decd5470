import { PlumbError } from '../errors'
import { Pieces, type Line, type Splitter } from './line'

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_LIST = 0x5b
const BACKSLASH = 0x5c
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const NEWLINE = 0x0a

const isBlank = (byte: number): boolean => byte === 0x20 || byte === NEWLINE || byte === 0x0d || byte === 0x09

function nextOf(chunk: Buffer, byte: number, from: number): number {
  const at = chunk.indexOf(byte, from)
  return at < 0 ? chunk.length : at
}

/**
 * The elements of a JSON array as texts, for `JSON.parse`. Only strings and the depth of brackets are followed: what is wrong
 * inside an element, `JSON.parse` says. A streaming parser (`stream-json`, `@streamparser/json`) would build every value from
 * its own tokens in place of `JSON.parse`, several times slower, and would lose the text that exact numbers are read from.
 */
export class ArraySplitter implements Splitter {
  private readonly pieces = new Pieces()
  private line = 1
  /** 0 before and behind the array, 1 between its elements. */
  private depth = 0
  private inString = false
  private escaped = false
  private state: 'before' | 'first' | 'value' | 'inside' | 'after' = 'before'
  private element = 0
  private elementLine = 1

  constructor(private readonly shown: string) {}

  *push(chunk: Buffer): Generator<Line> {
    // Where the current element's bytes start in this chunk.
    let start = 0
    // The next of each in this chunk, sought again only when passed: strings are leapt over, in time by their length.
    let quote = -1
    let backslash = -1
    for (let at = 0; at < chunk.length; at++) {
      if (this.inString) {
        if (this.escaped) {
          this.escaped = false
          continue
        }
        if (quote < at) quote = nextOf(chunk, QUOTE, at)
        if (backslash < at) backslash = nextOf(chunk, BACKSLASH, at)
        at = Math.min(quote, backslash)
        this.escaped = backslash < quote
        this.inString = this.escaped || quote === chunk.length
        continue
      }
      const byte = chunk[at] ?? 0
      if (byte === NEWLINE) this.line++
      if (this.state !== 'inside') {
        if (isBlank(byte)) continue
        if (this.state === 'before') {
          this.depth = 1
          this.state = 'first'
          continue
        }
        if (this.state === 'after') throw this.error('The JSON array has ended, but the file goes on')
        if (byte === CLOSE_LIST && this.state === 'first') {
          this.state = 'after'
          continue
        }
        if (byte === COMMA || byte === CLOSE_LIST) throw this.error('An element of the JSON array is missing at a comma')
        start = at
        this.state = 'inside'
        this.element++
        this.elementLine = this.line
      }
      if (byte === QUOTE) this.inString = true
      else if (byte === OPEN_LIST || byte === OPEN_OBJECT) this.depth++
      else if (byte === CLOSE_OBJECT && this.depth > 1) this.depth--
      else if (byte === CLOSE_LIST && this.depth > 1) this.depth--
      else if (this.depth === 1 && (byte === COMMA || byte === CLOSE_LIST)) {
        this.add(chunk.subarray(start, at))
        yield this.take()
        this.state = byte === COMMA ? 'value' : 'after'
      }
    }
    if (this.state === 'inside') this.add(chunk.subarray(start))
  }

  end(): Iterable<Line> {
    if (this.state !== 'after') throw this.error('The JSON array does not end; the file seems to be cut off')
    return []
  }

  private add(piece: Buffer): void {
    this.pieces.add(piece, `${this.shown}:${this.elementLine}`)
  }

  private take(): Line {
    return { number: this.elementLine, text: this.pieces.take(this.shown, this.elementLine), element: this.element }
  }

  private error(what: string): PlumbError {
    const message = `${what}; expected one JSON array of objects, or one JSON object per line.`
    return new PlumbError('PLUMB_DATA_JSON', message, `${this.shown}:${this.line}`)
  }
}
