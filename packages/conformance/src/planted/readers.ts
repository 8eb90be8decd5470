import { PlumbError, shownPath, type DatasetReader, type GroupRecord, type ReadOptions } from '@plumbline/core'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { ReaderSubject } from '../reader'

/** A reader with one thing wrong, and the check that must say so. */
export interface PlantedReader {
  readonly name: string
  readonly caughtBy: string
  readonly factory: () => DatasetReader
}

/** Files of lines `question | answer` for {@link barReader}. */
export const barFiles: Pick<ReaderSubject, 'good' | 'bad'> = {
  good: { name: 'sums.txt', content: '2 + 3 | 5\n4 + 4 | 8\n1 + 6 | 7\n', records: 3 },
  bad: { name: 'broken.txt', content: '2 + 3 | 5\n4 + 4\n1 + 6 | 7\n', line: 2 },
}

/** A sound reader, as small as it gets. */
export const barReader: DatasetReader = {
  name: 'bar',
  fields: ['prompt', 'answer'],
  async *read(file, options = {}) {
    if (options.columns) throw new PlumbError('PLUMB_DATA_FIELD', 'The format has no columns.', shownPath(file))
    const lines = (await readFile(file, 'utf8')).split('\n')
    for (const [n, line] of lines.entries()) {
      if (line === '') continue
      const [prompt = '', answer] = line.split(' | ')
      if (answer !== undefined) {
        yield { id: `${path.basename(file)}-${n + 1}`, prompt, answer, candidates: [{ text: answer, reference: true }] }
        continue
      }
      const error = new PlumbError('PLUMB_DATA_FIELD', 'The line has no bar.', `${shownPath(file)}:${n + 1}`)
      if (options.onRefused === undefined) throw error
      options.onRefused(error)
    }
  },
}

type Read = (file: string, options: ReadOptions) => AsyncIterable<GroupRecord>

function planted(name: string, caughtBy: string, read: Read): PlantedReader {
  return { name, caughtBy, factory: () => ({ name, fields: barReader.fields, read: (file, options = {}) => read(file, options) }) }
}

function changing(change: (record: GroupRecord, n: number, file: string) => GroupRecord | undefined): Read {
  return async function* (file, options) {
    let n = 0
    for await (const record of barReader.read(file, options)) {
      const changed = change(record, n++, file)
      if (changed) yield changed
    }
  }
}

export const plantedReaders: readonly PlantedReader[] = [
  planted(
    'skips-the-header-that-is-not-there',
    'reader/reads-every-record',
    changing((record, n) => (n === 0 ? undefined : record)),
  ),
  planted(
    'empty-prompts',
    'reader/records-are-complete',
    changing((record) => ({ ...record, prompt: '' })),
  ),
  planted(
    'ids-from-the-path',
    'reader/ids-are-stable',
    changing((record, n, file) => ({ ...record, id: `${file}-${n}` })),
  ),
  planted('throws-plain-errors', 'reader/refuses-with-a-place', async function* (file, options) {
    try {
      yield* barReader.read(file, options)
    } catch (error) {
      throw options.columns ? error : new Error('bad line')
    }
  }),
  planted('drops-in-silence', 'reader/passes-over-what-is-refused', (file, options) =>
    barReader.read(file, options.onRefused ? { onRefused: () => undefined } : options),
  ),
  planted('ignores-columns', 'reader/columns-are-read-or-refused', (file, { onRefused }) => barReader.read(file, { onRefused })),
  planted('cannot-be-left', 'reader/lets-a-file-be-left', (file, options) => {
    const iterator = barReader.read(file, options)[Symbol.asyncIterator]()
    return { [Symbol.asyncIterator]: () => ({ next: () => iterator.next() }) }
  }),
]
