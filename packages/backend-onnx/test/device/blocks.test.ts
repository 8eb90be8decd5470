import { packGroups, type PackedGroup } from '@plumbline/transformer'
import { JOINED, PLAIN } from '../../src/graph/attention-layout'
import { deviceBlocks } from '../../src/training/attention-blocks'

const tokens = (length: number) => Array.from({ length }, (_, i) => i)
const question = (prompt: number, completions: readonly number[]): PackedGroup => ({
  prompt: tokens(prompt),
  completions: completions.map(tokens),
})
/** Scores of the blocks, per head. */
const sizeOf = ({ prompt, completion }: ReturnType<typeof deviceBlocks>) =>
  [...prompt, ...completion.flat()].reduce((sum, { sequences, queries, keys }) => sum + sequences * queries * keys, 0)

describe('blocks of attention on a GPU', () => {
  it('put prompts among completions of about their length', () => {
    const batch = packGroups([question(90, [100, 80, 120]), question(40, [60, 110])])
    const blocks = deviceBlocks(batch, 9)
    expect(blocks.layout).toBe(JOINED)
    expect(blocks.prompt).toEqual([])
    const [[only]] = blocks.completion as [[(typeof blocks.completion)[0][0]]]
    // Five completions and two prompts; the longest has 120 tokens, of which the last is predicted and not read.
    expect([only.sequences, only.queries, only.keys]).toEqual([7, 119, 90 + 119])
    expect([...only.groups]).toEqual([0, 0, 0, 1, 1, 0, 1])
    expect([blocks.joinedTail!.sequences, blocks.joinedTail!.queries]).toEqual([7, 119])
    expect(blocks.joinedTail!.queryRows.filter((row) => row >= 0).length).toBe(batch.tailRows)
  })

  it('leave long prompts by themselves, whose padding would be more than the rest', () => {
    const batch = packGroups([question(1500, [20, 30, 25, 10]), question(1400, [20, 10])])
    const blocks = deviceBlocks(batch, 9)
    expect(blocks.layout).toBe(PLAIN)
    expect(sizeOf(blocks)).toBeLessThan(2 * 1500 ** 2 + 6 * 30 * 1530 + 1)
  })

  it('have one block for completions of one token, which have no rows', () => {
    const blocks = deviceBlocks(packGroups([question(5, [1, 1])]), 2)
    expect(blocks.layout).toBe(JOINED)
    expect(blocks.completion[0]![0]!.queries).toBe(5)
  })
})
