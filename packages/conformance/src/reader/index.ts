import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { isPlumbError, type DatasetReader, type GroupRecord, type ReadOptions } from '@plumbline/core'
import { contractCheck, describeThrown, type Check } from '../check'
import { declareSuite, type SuiteOptions } from '../runner'

/** What the suite is told about a reader of data files. */
export interface ReaderSubject {
  readonly factory: () => DatasetReader | Promise<DatasetReader>
  /** A sound file, and how many records it has; at least two. */
  readonly good: ReaderFile & { readonly records: number }
  /** A file with one record that the format refuses, and the line where that stands. */
  readonly bad: ReaderFile & { readonly line: number }
}

export interface ReaderFile {
  /** Its name, with the ending that such files have. */
  readonly name: string
  readonly content: string | Uint8Array
}

interface Bench {
  readonly reader: DatasetReader
  readonly good: string
  readonly bad: string
  readonly subject: ReaderSubject
}

/** The contract of a dataset reader. */
export const readerChecks: readonly Check<ReaderSubject>[] = [
  readerCheck('reader/reads-every-record', 'Every record of a sound file comes once, in file order.', async ({ reader, good, subject }) => {
    const records = await all(reader.read(good))
    if (records.length !== subject.good.records) return `Of ${subject.good.records} records it gave ${records.length}.`
    return subject.good.records < 2 ? 'The sound file must have at least 2 records, to tell their order and ids apart.' : undefined
  }),

  readerCheck(
    'reader/records-are-complete',
    'A record has an id and a prompt that say something, candidates that are texts, and an answer that is a text where it has one.',
    async ({ reader, good }) => {
      for (const record of await all(reader.read(good))) {
        const { id, prompt, answer, candidates } = record as Partial<GroupRecord>
        const isSound =
          isText(id) &&
          isText(prompt) &&
          (answer === undefined || isText(answer)) &&
          Array.isArray(candidates) &&
          candidates.every(({ text }: { readonly text?: unknown }) => typeof text === 'string')
        if (!isSound) return `It gave ${JSON.stringify(record)}.`
      }
      return undefined
    },
  ),

  readerCheck(
    'reader/ids-are-stable',
    'Ids are unique in a file and the same when it is read again, also from another folder: random streams and artifacts are keyed by them.',
    async ({ reader, good, subject }) => {
      const first = await all(reader.read(good))
      const ids = first.map(({ id }) => id)
      const twice = ids.find((id, n) => ids.indexOf(id) < n)
      if (twice !== undefined) return `Two records have the id ${JSON.stringify(twice)}.`
      if (!isDeepStrictEqual(first, await all(reader.read(good)))) return 'Read again, the same file gives other records.'
      return withFolder(async (folder) => {
        const copy = path.join(folder, subject.good.name)
        await writeFile(copy, subject.good.content)
        return isDeepStrictEqual(first, await all(reader.read(copy))) ? undefined : 'A copy in another folder gives other records.'
      })
    },
  ),

  readerCheck(
    'reader/refuses-with-a-place',
    'A record that the format refuses rejects with a PlumbError of a code PLUMB_DATA_…, whose place is file:line.',
    async ({ reader, bad, subject }) => {
      const error: unknown = await all(reader.read(bad)).then(
        (records) => `no error, but ${records.length} records`,
        (problem: unknown) => problem,
      )
      if (!isPlumbError(error) || !error.code.startsWith('PLUMB_DATA_')) return `It gave ${String(error)}.`
      const { where = '' } = error as { readonly where?: string }
      const place = `${subject.bad.name}:${subject.bad.line}`
      return where.includes(place) ? undefined : `It says the place ${JSON.stringify(where)}; one with ${place} was expected.`
    },
  ),

  readerCheck(
    'reader/passes-over-what-is-refused',
    'A reader that takes options (it has `fields`) hands over the error of each record that is refused where `onRefused` is given, and goes on.',
    async ({ reader, bad }) => {
      const refused: Error[] = []
      await all(reader.read(bad, { onRefused: (error) => refused.push(error) }))
      return refused.length === 1 && isPlumbError(refused[0]) ? undefined : `Of one such record it handed over ${refused.length} errors.`
    },
    withoutOptions,
  ),

  readerCheck(
    'reader/columns-are-read-or-refused',
    'Of a reader that takes options, a column that is named and not there is an error: names of columns are never ignored.',
    async ({ reader, good }) => {
      const options: ReadOptions = { columns: { [reader.fields?.[0] ?? '']: 'no such column' } }
      const error: unknown = await all(reader.read(good, options)).then(
        () => undefined,
        (problem: unknown) => problem,
      )
      return isPlumbError(error)
        ? undefined
        : `With columns ${JSON.stringify(options.columns)} it gave ${error === undefined ? 'records' : describeThrown(error)}.`
    },
    withoutOptions,
  ),

  readerCheck('reader/lets-a-file-be-left', 'Whoever has seen enough may stop: the file is then closed.', async ({ reader, good }) => {
    const iterator = reader.read(good)[Symbol.asyncIterator]()
    const first = await iterator.next()
    if (first.done === true) return 'There was no first record.'
    if (iterator.return === undefined) return 'Its iterator has no return().'
    await iterator.return()
    return (await iterator.next()).done === true ? undefined : 'After return() it gave another record.'
  }),
]

/** Declares the conformance tests of a dataset reader. */
export function testReader({ factory, good, bad, ...options }: ReaderSubject & SuiteOptions): void {
  declareSuite(options.name ?? 'reader', readerChecks, { factory, good, bad }, options)
}

/** Without `fields` core gives a reader no options. */
function withoutOptions({ fields }: DatasetReader): string | undefined {
  return fields === undefined ? 'it takes no options (no `fields`)' : undefined
}

function readerCheck(
  id: string,
  contract: string,
  problem: (bench: Bench) => Promise<string | undefined>,
  skip: (reader: DatasetReader) => string | undefined = () => undefined,
): Check<ReaderSubject> {
  const check = contractCheck<ReaderSubject>(id, contract, (subject) =>
    withFolder(async (folder) => {
      const [good, bad] = [subject.good, subject.bad].map(({ name }) => path.join(folder, name)) as [string, string]
      if (good === bad) throw new Error('The sound and the broken file must have different names.')
      await writeFile(good, subject.good.content)
      await writeFile(bad, subject.bad.content)
      const reader = await subject.factory()
      return skip(reader) === undefined ? problem({ reader, good, bad, subject }) : undefined
    }),
  )
  return { ...check, skip: async ({ factory }) => skip(await factory()) }
}

async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'plumbline-conformance-'))
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const isText = (value: unknown): boolean => typeof value === 'string' && value.trim() !== ''

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}
