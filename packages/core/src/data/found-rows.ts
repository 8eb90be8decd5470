import { csvRows, isCsvName } from './csv'
import type { FoundRow } from './found-row'
import { parseObject } from './json'
import { readJsonTexts } from './lines'
import { isParquet, parquetRows } from './parquet'
import { shownPath } from '../util/shown-path'

/**
 * The records of a file, one at a time: the rows of a Parquet file (told by its first bytes), those of a table of texts (told by its name,
 * `.csv` or `.tsv`, packed or not), else JSON objects, one a line or in one array.
 *
 * @throws PlumbError those of `readBytes`, `readJsonTexts`, `csvRows` and `parquetRows`.
 */
export async function* readRows(file: string): AsyncGenerator<FoundRow> {
  if (await isParquet(file)) yield* parquetRows(file)
  else if (isCsvName(file)) yield* csvRows(file)
  else yield* jsonRows(file)
}

async function* jsonRows(file: string): AsyncGenerator<FoundRow> {
  const shown = shownPath(file)
  for await (const { number, text, element } of readJsonTexts(file)) {
    // The elements of an array may share a line; their order is as stable as line numbers are.
    const [unit, place] = element === undefined ? (['line', number] as const) : (['element', element] as const)
    const where = `${shown}:${number}${element === undefined ? '' : `  element ${element}`}`
    yield { where, unit, place, parse: () => parseObject(text, where, unit) }
  }
}
