import type { Generation } from '@plumbline/core'
import { decode, type DecodingRows, type Turn } from '../../src'

/** Completions that have as many tokens as their number says, in so many rows; what happens is written down. */
class CountedRows implements DecodingRows {
  readonly log: string[] = []
  private rows: { readonly length: number; tokens: number }[] = []

  /** @param inWaves whether rows are filled again only when all are empty. */
  constructor(
    private readonly lengths: number[],
    private readonly most: number,
    private readonly inWaves: boolean,
  ) {}

  get alive(): number {
    return this.rows.length
  }

  begin(): Promise<Turn | undefined> {
    const room = this.inWaves ? (this.alive === 0 ? this.most : 0) : Math.min(1, this.most - this.alive)
    const begun = this.lengths.splice(0, room).map((length) => ({ length, tokens: 0 }))
    if (begun.length === 0) return Promise.resolve(undefined)
    this.log.push(`begin ${begun.map(({ length }) => length).join(' ')}`)
    return Promise.resolve(this.turn(begun, (kept) => void this.rows.push(...kept)))
  }

  pause(): Promise<void> {
    this.log.push('pause')
    return Promise.resolve()
  }

  step(): Promise<Turn> {
    this.log.push(`step ${this.rows.map(({ length }) => length).join(' ')}`)
    return Promise.resolve(this.turn(this.rows, (kept) => (this.rows = kept)))
  }

  private turn(rows: typeof this.rows, settle: (kept: typeof this.rows) => void): Turn {
    return {
      due: rows.length,
      next: (place) => {
        const row = rows[place]!
        row.tokens++
        return row.tokens === row.length ? generation(row.length) : undefined
      },
      settle: async (ended) => {
        await Promise.resolve()
        expect(ended).toEqual([...rows.keys()].filter((place) => rows[place]!.tokens === rows[place]!.length))
        settle(rows.filter((_, place) => !ended.includes(place)))
      },
    }
  }
}

const generation = (length: number): Generation => ({ id: `${length}`, candidate: 0, tokens: [], text: '', finish: 'length' })

async function lengthsOf(rows: DecodingRows): Promise<number[]> {
  const found: number[] = []
  for await (const { id } of decode(rows)) found.push(Number(id))
  return found
}

describe('decoding', () => {
  it('fills rows one by one, and a completion that ends gives its row to the next', async () => {
    const rows = new CountedRows([3, 1, 2, 4], 2, false)
    // The second ends with its first token, and never has a row.
    expect(await lengthsOf(rows)).toEqual([1, 2, 3, 4])
    expect(rows.log).toEqual([
      ...['begin 3', 'begin 1', 'begin 2', 'pause', 'step 3 2', 'begin 4', 'pause', 'step 3 4'],
      ...['pause', 'step 4', 'pause', 'step 4'],
    ])
  })

  it('fills them in waves where the engine does', async () => {
    const rows = new CountedRows([3, 1, 2, 4], 2, true)
    expect(await lengthsOf(rows)).toEqual([1, 3, 2, 4])
    expect(rows.log).toEqual([
      ...['begin 3 1', 'pause', 'step 3', 'pause', 'step 3'],
      ...['begin 2 4', 'pause', 'step 2 4', 'pause', 'step 4', 'pause', 'step 4'],
    ])
  })

  it('is over at once where nothing is asked for, or everything ends with its first token', async () => {
    expect(await lengthsOf(new CountedRows([], 2, true))).toEqual([])
    const rows = new CountedRows([1, 1, 1], 2, true)
    expect(await lengthsOf(rows)).toEqual([1, 1, 1])
    expect(rows.log).toEqual(['begin 1 1', 'begin 1'])
  })

  it('ends with what a pause throws, before another step', async () => {
    const rows = new CountedRows([3], 2, false)
    jest.spyOn(rows, 'pause').mockRejectedValueOnce(new Error('aborted'))
    await expect(lengthsOf(rows)).rejects.toThrow('aborted')
    expect(rows.log).toEqual(['begin 3'])
  })

  it('computes nothing further for who stops reading', async () => {
    const rows = new CountedRows([1, 5, 5], 1, false)
    for await (const { id } of decode(rows)) {
      expect(id).toBe('1')
      break
    }
    expect(rows.log).toEqual(['begin 1'])
  })
})
