import { KeyTable } from '../../src/util/key-table'

describe('a key table', () => {
  it('knows every text again, with its number, however often it has grown', () => {
    const table = new KeyTable()
    const count = 5000
    for (let n = 0; n < count; n++) expect(table.add(`id-${n}`, n)).toBeUndefined()
    expect(table.size).toBe(count)
    for (let n = 0; n < count; n++) expect(table.add(`id-${n}`, 7)).toBe(n)
    expect(table.size).toBe(count)
    for (let n = 0; n < count; n++) expect([table.has(`id-${n}`), table.has(`id-${n} `)]).toEqual([true, false])
  })

  it('takes any text, and the number 0', () => {
    const table = new KeyTable()
    expect(['', '__proto__', '\ud800', 'ä'].map((text) => table.add(text, 0))).toEqual([undefined, undefined, undefined, undefined])
    expect(['', '__proto__', 'ä'].map((text) => table.add(text, 1))).toEqual([0, 0, 0])
  })
})
