import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { createRegistry } from '../../src/plugins/registry'
import type { DatasetReader } from '../../src/seams/dataset'
import type { GroupRecord } from '../../src/seams/records'
import { failure, folderWith } from '../support/files'

const registry = createRegistry()
const context = registry.openRun({ folder: '/', configFolder: '/', seed: 0 })

export function reader(format: string, options: object = {}): DatasetReader {
  const { factory } = registry.find('dataset', format)
  return factory.create(factory.options.parse(options), context)
}

/** A file with these bytes, or these rows one a line. */
export function dataFile(content: string | Buffer | readonly unknown[], name = 'data.jsonl'): string {
  const file = path.join(folderWith({}), name)
  writeFileSync(file, Array.isArray(content) ? jsonLines(...(content as unknown[])) : (content as string | Buffer))
  return file
}

export const jsonLines = (...rows: readonly unknown[]): string =>
  rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n') + '\n'

/** The records of a file with this content. */
export async function read(
  format: string,
  content: string | Buffer | readonly unknown[],
  options: object = {},
  name?: string,
): Promise<GroupRecord[]> {
  const records: GroupRecord[] = []
  for await (const record of reader(format, options).read(dataFile(content, name))) records.push(record)
  return records
}

/** The error of a file with this content. */
export function refusal(
  format: string,
  content: string | Buffer | readonly unknown[],
  options: object = {},
  name?: string,
): ReturnType<typeof failure> {
  return failure(() => read(format, content, options, name))
}
