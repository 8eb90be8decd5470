import { PlumbError } from '../errors'
import { decode } from './utf8'

/** The text of one record of a file. */
export interface Line {
  /** From 1, as editors count; of an element of a JSON array, the line that it starts on. */
  readonly number: number
  readonly text: string
  /** The place of an element in a JSON array, from 1. */
  readonly element?: number
}

/** Cuts a stream of bytes into records. Both methods work while they are iterated over, so that nothing behind the last one asked for is looked at. */
export interface Splitter {
  push(chunk: Buffer): Iterable<Line>
  end(): Iterable<Line>
}

/** Bytes of one record. JavaScript's longest string has 512 MiB; no record is nearly as long. */
export const LONGEST = 256 * 2 ** 20

/** The pieces of a record, joined once at its end: joining at every chunk would take time by the square of its length. */
export class Pieces {
  private pieces: Buffer[] = []
  private size = 0

  /** @throws PlumbError PLUMB_DATA_TOO_LONG */
  add(piece: Buffer, where: string): void {
    this.pieces.push(piece)
    this.size += piece.length
    if (this.size <= LONGEST) return
    throw new PlumbError(
      'PLUMB_DATA_TOO_LONG',
      `This record is longer than ${LONGEST / 2 ** 20} MiB; expected one JSON object per line, or a JSON array of them.`,
      where,
    )
  }

  /** The text so far; the next one starts empty. @throws PlumbError PLUMB_DATA_ENCODING */
  take(shown: string, line: number): string {
    const { pieces } = this
    const [only = Buffer.alloc(0)] = pieces
    this.pieces = []
    this.size = 0
    return decode(pieces.length > 1 ? Buffer.concat(pieces) : only, (linesBefore) => `${shown}:${line + linesBefore}`)
  }
}
