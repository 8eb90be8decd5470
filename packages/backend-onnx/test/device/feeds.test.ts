import { packGroups } from '@plumbline/transformer'
import { scoredFeeds } from '../../src/device/feeds'

describe('what a device is fed', () => {
  const batch = packGroups([{ prompt: [1, 2, 3], completions: [[4, 5], [6]] }]) // prettier-ignore

  it('numbers the cells of scored tokens', () => {
    const { scored_cells: cells } = scoredFeeds(batch, 10)
    expect([...(cells!.data as Int32Array)]).toEqual(Array.from(batch.scoredRows, (row, i) => row * 10 + batch.scoredIds[i]!))
  })

  it('refuses a micro-batch whose cells int32 cannot number', () => {
    expect(() => scoredFeeds(batch, 2 ** 30)).toThrow(
      expect.objectContaining({ code: 'PLUMB_BATCH_TOO_LARGE', message: expect.stringContaining('backend.microBatchTokens') as string }),
    )
  })
})
