import { readdirSync } from 'node:fs'
import { originOf, noteOrigin } from '../../src/data/origin'
import { StoredRecords } from '../../src/data/stored-records'
import { Spools } from '../../src/run/spool'
import { failure, folderWith } from '../support/files'

describe('a spool', () => {
  const folder = folderWith({})
  const spools = new Spools(folder)
  afterAll(() => spools.close())

  it('gives back what was added, by number and in order, while more is added', () => {
    const spool = spools.create<{ n: number; text: string }>('test')
    const value = (n: number) => ({ n, text: `ä\n\ud800${'x'.repeat((n * 977) % 5000)}` })
    for (let n = 0; n < 300; n++) {
      spool.add(value(n))
      if (n % 50 === 0) expect([spool.at(n), spool.at(n >> 1), spool.at(n + 1)]).toEqual([value(n), value(n >> 1), undefined])
    }
    expect(spool.length).toBe(300)
    expect([...spool]).toEqual(Array.from({ length: 300 }, (_, n) => value(n)))
    // two iterations at once
    const [first, second] = [spool[Symbol.iterator](), spool[Symbol.iterator]()]
    first.next()
    expect([first.next().value, second.next().value]).toEqual([value(1), value(0)])
  })

  it('may hold values longer than what is read at once, and none', () => {
    const spool = spools.create<{ text: string }>('test')
    expect([[...spool], spool.at(0)]).toEqual([[], undefined])
    const values = [3, 600_000, 2, 300_000, 1].map((length) => ({ text: 'y'.repeat(length) }))
    for (const value of values) spool.add(value)
    expect([...spool]).toEqual(values)
  })

  it('leaves no name behind', () => {
    spools.create('test').add({})
    expect(readdirSync(folder)).toEqual([])
  })

  it('refuses what JSON would change', async () => {
    const { code, message } = await failure(() => spools.create('data.jsonl').add({ reward: NaN }))
    expect([code, message]).toEqual(['PLUMB_NON_FINITE', 'reward is NaN and not a finite number; it is not written.'])
  })

  it('keeps the place of a record in its data file', () => {
    const records = new StoredRecords(spools, 'data.jsonl')
    const [placed, bare] = ['a', 'b'].map((id) => ({ id, prompt: 'q', candidates: [] }))
    noteOrigin(placed!, 'data.jsonl:1')
    for (const record of [placed!, bare!]) records.add(record)
    expect([...records]).toEqual([placed, bare])
    expect([records.at(0), records.at(1)].map((record) => originOf(record!))).toEqual(['data.jsonl:1', undefined])
  })
})
