import path from 'node:path'
import { WindowJournal } from '../../src/run/window-journal'
import { folderWith } from '../support/files'

interface Item {
  readonly n: number
}

const windowOf = (first: number, size: number) => ({ n }: Item) => n >= first && n < first + size // prettier-ignore

async function opened<T>(file: string, use: (journal: WindowJournal<Item>) => Promise<T>): Promise<T> {
  const journal = await WindowJournal.open<Item>(file, () => undefined)
  try {
    return await use(journal)
  } finally {
    await journal.close()
  }
}

describe('the journal of a stage that works in windows', () => {
  it('gives each window what an earlier process left of it, in any order within', async () => {
    const file = path.join(folderWith({ 'journal.jsonl': [2, 0, 1, 4].map((n) => `{"n":${n}}\n`).join('') }), 'journal.jsonl')
    await opened(file, async (journal) => {
      expect(journal.length).toBe(4)
      expect(await journal.take(windowOf(0, 3))).toEqual([{ n: 2 }, { n: 0 }, { n: 1 }])
      expect(await journal.take(windowOf(3, 3))).toEqual([{ n: 4 }])
      await journal.append({ n: 5 })
      await journal.append({ n: 3 })
      // what was appended since is not what an earlier process left
      expect(await journal.take(windowOf(6, 3))).toEqual([])
    })
    await opened(file, async (journal) => {
      expect(await journal.take(windowOf(0, 3))).toHaveLength(3)
      expect(await journal.take(windowOf(3, 3))).toEqual([{ n: 4 }, { n: 5 }, { n: 3 }])
    })
  })

  it('gives nothing where a record of no window stands first, and so has it done again', async () => {
    const file = path.join(folderWith({ 'journal.jsonl': '{"n":9}\n{"n":0}\n' }), 'journal.jsonl')
    await opened(file, async (journal) => {
      expect(await journal.take(windowOf(0, 3))).toEqual([])
      expect(await journal.take(windowOf(3, 3))).toEqual([])
    })
  })
})
