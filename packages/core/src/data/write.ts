import { jsonOf } from '../run/json'
import { replaceFile } from '../util/atomic'

const FLUSH_AT = 1 << 16

/**
 * Writes one JSON object per line. The file appears whole or not at all: written beside its place, flushed to disk, then renamed.
 *
 * @returns the number of lines.
 * @throws PlumbError PLUMB_NON_FINITE where a record holds NaN or an infinity, which JSON would make null.
 */
export async function writeJsonLines(file: string, records: Iterable<object> | AsyncIterable<object>): Promise<number> {
  return replaceFile(file, async (handle) => {
    let count = 0
    let buffer = ''
    for await (const record of records) {
      buffer += `${jsonOf(record, file)}\n`
      count++
      if (buffer.length < FLUSH_AT) continue
      await handle.writeFile(buffer)
      buffer = ''
    }
    await handle.writeFile(buffer)
    return count
  })
}
