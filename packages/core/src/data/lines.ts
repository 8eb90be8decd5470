import { PlumbError } from '../errors'
import { shownPath } from '../util/shown-path'
import { readBytes } from './bytes'
import { ArraySplitter } from './json-array'
import { Pieces, type Line, type Splitter } from './line'

/**
 * The lines of a text file that are not blank, in UTF-8, one at a time. A byte order mark and Windows line ends are left out.
 * Only `\n` ends a line: JSON strings may hold the other separators of Unicode. The file may be packed with gzip.
 *
 * @throws PlumbError PLUMB_DATA_NOT_FOUND, PLUMB_DATA_EMPTY (no line, or only blank ones), PLUMB_DATA_FORMAT and
 *   PLUMB_DATA_DAMAGED (see `readBytes`), PLUMB_DATA_ENCODING (bytes that are not UTF-8), PLUMB_DATA_TOO_LONG.
 */
export function readLines(file: string): AsyncGenerator<Line> {
  return records(file, (shown) => new LineSplitter(shown))
}

/**
 * The same of a file that holds JSON texts: one a line, or the elements of one array.
 * @throws also PLUMB_DATA_JSON for an array that does not end, or goes on behind its end.
 */
export function readJsonTexts(file: string): AsyncGenerator<Line> {
  return records(file, (shown, first) => (first === 0x5b ? new ArraySplitter(shown) : new LineSplitter(shown)))
}

async function* records(file: string, splitterFor: (shown: string, first: number) => Splitter): AsyncGenerator<Line> {
  const shown = shownPath(file)
  const blank: Buffer[] = []
  let splitter: Splitter | undefined
  let found = false
  for await (const chunk of readBytes(file)) {
    if (splitter === undefined) {
      blank.push(chunk)
      const first = chunk.find((byte) => byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d)
      if (first === undefined) continue
      splitter = splitterFor(shown, first)
    }
    for (const piece of blank.length > 0 ? blank.splice(0) : [chunk]) {
      for (const line of splitter.push(piece)) {
        found = true
        yield line
      }
    }
  }
  for (const line of splitter?.end() ?? []) {
    found = true
    yield line
  }
  if (!found) throw new PlumbError('PLUMB_DATA_EMPTY', 'The data file is empty.', shown)
}

class LineSplitter implements Splitter {
  private readonly pieces = new Pieces()
  private number = 1

  constructor(private readonly shown: string) {}

  *push(chunk: Buffer): Generator<Line> {
    let start = 0
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      this.pieces.add(chunk.subarray(start, end), this.where())
      yield* this.end()
      this.number++
      start = end + 1
    }
    if (start < chunk.length) this.pieces.add(chunk.subarray(start), this.where())
  }

  *end(): Generator<Line> {
    const { number } = this
    const text = this.pieces.take(this.shown, number).replace(/\r$/, '')
    if (text.trim() !== '') yield { number, text }
  }

  private where(): string {
    return `${this.shown}:${this.number}`
  }
}
