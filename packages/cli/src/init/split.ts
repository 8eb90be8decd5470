import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { questionKey, writeJsonLines, type DatasetReader, type GroupRecord } from '@plumbline/core'
import { createHash } from 'node:crypto'

/** At most so many questions are held out, and a tenth of them. */
const MOST_HELD_OUT = 500
const SHARE = 10

export interface Split {
  readonly train: string
  readonly test: string
  readonly heldOut: number
  readonly kept: number
}

/** A file that is to be split, and how it is read. */
export interface Whole {
  readonly path: string
  readonly reader: DatasetReader
  readonly columns?: Readonly<Record<string, string>>
  /** About how many records it has. */
  readonly records: number
}

/**
 * Writes the records of a file into two, `train.jsonl` and `test.jsonl`, in the format `groups`: every tenth question, at most 500, is held
 * out, with all records that ask it. Records that the format refuses are left out. The same file always gives the same two.
 */
export async function splitFile(whole: Whole, folder: string): Promise<Split> {
  await mkdir(folder, { recursive: true })
  const period = Math.max(2, Math.min(SHARE, whole.records), Math.ceil(whole.records / MOST_HELD_OUT))
  const counts = { train: 0, test: 0 }
  const part = async (name: 'train' | 'test'): Promise<string> => {
    const file = join(folder, `${name}.jsonl`)
    await writeJsonLines(
      file,
      halfOf(whole, period, name === 'test', () => counts[name]++),
    )
    return file
  }
  const [train, test] = [await part('train'), await part('test')]
  return { train, test, heldOut: counts.test, kept: counts.train }
}

async function* halfOf(
  { path, reader, columns }: Whole,
  period: number,
  isTest: boolean,
  counted: () => void,
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const places = new Map<string, number>()
  for await (const record of reader.read(path, { onRefused: () => undefined, ...(columns ? { columns } : {}) })) {
    const key = createHash('sha1').update(questionKey(record)).digest('base64')
    const place = places.get(key) ?? places.size
    places.set(key, place)
    if ((place % period === period - 1) !== isTest) continue
    counted()
    yield written(record)
  }
}

/** As the format `groups` reads it. */
function written({ chatTemplateKwargs, ...record }: GroupRecord): Readonly<Record<string, unknown>> {
  return { ...record, ...(chatTemplateKwargs === undefined ? {} : { chat_template_kwargs: chatTemplateKwargs }) }
}
