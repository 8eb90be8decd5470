import type { ResolvedSource } from '../config/resolve'
import { drawsOf, Mixture, withId, type MixStrategy } from '../data/mixture'
import { originOf } from '../data/origin'
import { streamRecords } from '../data/read'
import { StoredRecords } from '../data/stored-records'
import { isPlumbError, PlumbError } from '../errors'
import type { SourceFigures } from '../seams/run-events'
import { RecordHash } from '../run/hash'
import type { Spools } from '../run/spool'
import type { GroupRecord } from '../seams/records'
import { KeyTable } from '../util/key-table'
import { randomStreams } from '../util/random'
import { valueAt, type Sequence } from '../util/sequence'
import { shownPath } from '../util/shown-path'

export interface DataSet {
  /** As messages show it: the key of the config that names the file. */
  readonly title: string
  /** On disk, and read when they are asked for. */
  readonly records: Sequence<GroupRecord>
  /** SHA-256 of the records: where they come from, and what else the file holds, does not matter. */
  readonly hash: string
}

/** What reading sources takes beside them. */
export interface Reading {
  readonly spools: Spools
  /** Of draws from sources with weights. */
  readonly seed: number
  readonly strategy: MixStrategy | undefined
  /** Gets what is known of each source once it is read. */
  readonly onSource: (figures: SourceFigures) => void
}

/** Reads the one source of a key, or all of them as one mixture. */
export async function readSources(
  title: string,
  sources: readonly ResolvedSource[],
  needsReference: boolean,
  reading: Reading,
): Promise<DataSet> {
  const [only] = sources
  if (only !== undefined && sources.length === 1) {
    const { set, figures } = await readSource(only, needsReference, reading.spools)
    reading.onSource({ ...figures, drawn: figures.records })
    return set
  }
  const mixture = new Mixture()
  const read = []
  for (const source of sources) read.push(await readSource(source, needsReference, reading.spools, `${source.name}/`))
  const sizes = read.map(({ set }) => set.records.length)
  const weights = sources.flatMap(({ weight }) => weight ?? [])
  const drawn = weights.length === sources.length ? drawsOf(sizes, weights, reading.strategy ?? 'under') : sizes
  const stream = randomStreams(reading.seed)
  for (const [s, { set, figures }] of read.entries()) {
    const count = valueAt(drawn, s)
    mixture.add(set.records, count, stream('mixture', valueAt(sources, s).name), set.title)
    reading.onSource({ ...figures, drawn: count, ...(weights.length > 0 ? { weight: valueAt(weights, s) } : {}) })
  }
  return { title, records: mixture, hash: hashOf(mixture) }
}

/** Sets behind each other as one, for what is asked of all of them. */
export function joinedSets(title: string, sets: readonly DataSet[]): DataSet {
  const records = new Mixture()
  // Whole, so that nothing is drawn.
  for (const set of sets) records.add(set.records, set.records.length, () => 0, set.title)
  return { title, records, hash: sets.map(({ hash }) => hash).join(' ') }
}

/** @throws PlumbError PLUMB_DATA_DUPLICATE_ID where a repeated record's id is another one's. */
function hashOf(records: Iterable<GroupRecord>): string {
  const hash = new RecordHash()
  const ids = new KeyTable()
  for (const record of records) {
    refuseTwice(ids, record)
    hash.add(record)
  }
  return hash.digest()
}

function refuseTwice(ids: KeyTable, record: GroupRecord, path?: string): void {
  if (ids.add(record.id) === undefined) return
  const where = originOf(record) ?? (path === undefined ? undefined : shownPath(path))
  throw new PlumbError('PLUMB_DATA_DUPLICATE_ID', `The id "${record.id}" occurs twice; ids must be unique.`, where)
}

/** One file. `prefix` stands before the ids, which several files may share. */
export async function readSource(
  { title, path, limit, columns, onInvalid, reader }: ResolvedSource,
  needsReference: boolean,
  spools: Spools,
  prefix = '',
): Promise<{ readonly set: DataSet; readonly figures: Omit<SourceFigures, 'drawn'> }> {
  const records = new StoredRecords(spools, shownPath(path))
  const hash = new RecordHash()
  const ids = new KeyTable()
  const leftOut: Record<string, number> = {}
  let first: Error | undefined
  const onRefused = (error: Error): void => {
    if (!isPlumbError(error)) throw error
    leftOut[error.code] = (leftOut[error.code] ?? 0) + 1
    first ??= error
  }
  const source = { path, limit, columns, ...(onInvalid === 'skip' ? { onRefused } : {}) }
  for await (const found of streamRecords(reader, source, { reference: needsReference })) {
    const record = prefix === '' ? found : withId(found, prefix + found.id)
    // Ids key the random streams and tie candidates to questions.
    refuseTwice(ids, record, path)
    hash.add(record)
    records.add(record)
  }
  if (records.length === 0) {
    if (first === undefined) throw new PlumbError('PLUMB_DATA_EMPTY', 'The file holds no record.', shownPath(path))
    const { message } = first
    throw new PlumbError('PLUMB_DATA_EMPTY', `Every record of the file is left out. The first: ${message}`, shownPath(path), {
      cause: first,
    })
  }
  return { set: { title, records, hash: hash.digest() }, figures: { source: title, records: records.length, leftOut } }
}
