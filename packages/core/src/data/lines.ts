import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { PlumbError } from '../errors'
import { shownPath } from '../util/shown-path'

export interface Line {
  /** From 1, as editors count. */
  readonly number: number
  readonly text: string
}

/**
 * The lines of a text file that are not blank, in UTF-8, one at a time. A byte order mark and Windows line ends are left out.
 * Only `\n` ends a line: JSON strings may hold the other separators of Unicode.
 *
 * @throws PlumbError PLUMB_DATA_NOT_FOUND, PLUMB_DATA_EMPTY (no line, or only blank ones).
 */
export async function* readLines(file: string): AsyncGenerator<Line> {
  await mustBeFile(file)
  let rest = ''
  let number = 0
  let found = false
  const line = (text: string): Line | undefined => {
    number++
    const plain = (number === 1 ? text.replace(/^\uFEFF/, '') : text).replace(/\r$/, '')
    return plain.trim() === '' ? undefined : { number, text: plain }
  }
  for await (const chunk of createReadStream(file, { encoding: 'utf8' })) {
    const parts = (rest + String(chunk)).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      const next = line(part)
      if (next === undefined) continue
      found = true
      yield next
    }
  }
  const last = line(rest)
  if (last !== undefined) yield last
  else if (!found) throw new PlumbError('PLUMB_DATA_EMPTY', 'The data file is empty.', shownPath(file))
}

async function mustBeFile(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined)
  if (found === undefined) throw new PlumbError('PLUMB_DATA_NOT_FOUND', 'There is no such data file.', shownPath(file))
  if (!found.isFile()) throw new PlumbError('PLUMB_DATA_NOT_FOUND', 'Expected a data file, but this is a folder.', shownPath(file))
}
