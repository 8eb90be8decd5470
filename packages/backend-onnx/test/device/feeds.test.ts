import { packGroups } from '@plumbline/transformer'
import { DeviceMemory } from '../../src/device/memory'
import { DevicePlace } from '../../src/device/device-place'
import { scoredFeeds } from '../../src/device/feeds'
import { smallLlama } from '../support/random-llama'

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

describe('attention on a device', () => {
  // Four heads of 16,000 queries and keys are 1.02e9 numbers, of 17,000 1.16e9: less and more than 2³⁰.
  const blocks = (length: number, candidates = 1) => {
    const completions = Array.from({ length: candidates }, () => new Array<number>(length).fill(1))
    return new DevicePlace(smallLlama(true), new DeviceMemory()).blocks(packGroups([{ prompt: [1], completions }]))
  }

  it('is one block, as long as its scores are a tensor that a GPU may read', () => {
    expect(blocks(16_000).completion[0]).toEqual([expect.objectContaining({ queries: 15_999, keys: 16_000 })])
  })

  it('refuses a longer candidate before anything is computed, and says what helps', () => {
    const refused = (length: number, sequences: string) =>
      expect.objectContaining({
        code: 'PLUMB_BATCH_TOO_LARGE',
        message: expect.stringMatching(
          new RegExp(
            `^Attention of ${length - 1} tokens to ${length}, in ${sequences} and 4 heads, is one tensor of 4\\.3 GiB; .+maxCompletionTokens.+device: cpu`,
          ),
        ) as string,
      }) as Error
    expect(() => blocks(17_000)).toThrow(refused(17_000, '1 sequence'))
    expect(() => blocks(8500, 4)).toThrow(refused(8500, '4 sequences'))
  })
})
