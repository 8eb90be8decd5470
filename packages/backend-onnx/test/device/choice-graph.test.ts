/** @jest-environment ./packages/backend-onnx/test/support/onnx-environment.cjs */
import { TokenChooser } from '@plumbline/transformer'
import { choiceGraph, type ChoiceKind } from '../../src/device/choice-graph'
import { Session } from '../../src/runtime/session'
import { Lcg } from '../support/random-llama'

/** The graph that chooses on a GPU, here by the CPU's kernels; `backend.test.ts` has it run where it belongs. */
describe('choiceGraph', () => {
  const temperature = 0.7
  const topP = 0.9

  const normals = (numbers: Lcg) => () => Math.sqrt(-2 * Math.log(1 - numbers.next())) * Math.cos(2 * Math.PI * numbers.next())

  async function choose(
    vocabulary: number,
    kind: ChoiceKind,
    logits: readonly Float32Array[],
    rows: readonly number[],
    drawn: readonly number[],
  ) {
    const session = await Session.create(choiceGraph(vocabulary, kind), { threads: 1 })
    const all = new Float32Array(logits.length * vocabulary)
    for (const [row, values] of logits.entries()) all.set(values, row * vocabulary)
    const { tokens, totals } = await session.run({
      logits: { data: all, dims: [logits.length, vocabulary] },
      rows: { data: Int32Array.from(rows), dims: [rows.length] },
      numbers: { data: Float32Array.from(rows.keys()), dims: [rows.length, 1] },
      uniforms: { data: Float32Array.from(drawn), dims: [rows.length, 1] },
      inverse_temperature: { data: Float32Array.of(1 / temperature), dims: [1] },
      top_p: { data: Float32Array.of(topP), dims: [1] },
    })
    await session.release()
    return { tokens: [...(tokens!.data as Float32Array)], totals: [...(totals!.data as Float32Array)] }
  }

  const kinds: readonly (readonly [string, ChoiceKind])[] = [
    ['the likeliest', { random: false, nucleus: false }],
    ['any', { random: true, nucleus: false }],
    ['of the best 40', { random: true, topK: 40, nucleus: false }],
    ['of the best 100,000', { random: true, topK: 100_000, nucleus: false }],
    ['of the nucleus', { random: true, nucleus: true }],
    ['of the nucleus of the best 300', { random: true, topK: 300, nucleus: true }],
  ]

  // One block of 256 not full, exactly full, and several with a part of one.
  describe.each([5, 256, 1000, 4099])('with %i tokens', (vocabulary) => {
    it.each(kinds)('takes %s as the CPU’s chooser does', async (_, kind) => {
      const numbers = new Lcg(vocabulary)
      const normal = normals(numbers)
      const logits = Array.from({ length: 12 }, (__, row) =>
        Float32Array.from({ length: vocabulary }, () => [0.1, 1, 4, 15][row % 4]! * normal()),
      )
      const rows = Array.from({ length: 60 }, (__, i) => (7 * i) % 12)
      const drawn = rows.map((__, i) => [0, 1 - 2 ** -24][i] ?? Math.fround(numbers.next() * 0.999999))
      const chooser = new TokenChooser(vocabulary, {
        temperature: kind.random ? temperature : 0,
        topK: kind.topK,
        topP: kind.nucleus ? topP : 1,
      })
      const { tokens, totals } = await choose(vocabulary, kind, logits, rows, drawn)
      const expected = rows.map((row, i) => chooser.choose(logits[row]!, drawn[i]!))
      expect(tokens).toEqual(expected)
      for (const total of totals) expect(total).toBeGreaterThanOrEqual(1)
    })
  })

  it('takes the lowest id of equally likely ones', async () => {
    const logits = Float32Array.from({ length: 700 }, (_, id) => (id === 300 || id === 301 || id === 650 ? 2 : 1))
    expect((await choose(700, { random: false, nucleus: false }, [logits], [0], [0])).tokens).toEqual([300])
  })

  it('never takes a token without weight', async () => {
    const alone = [0, 255, 256, 599].map((id) => {
      const logits = new Float32Array(600).fill(-1e9)
      logits[id] = 3
      return logits
    })
    for (const drawn of [0, 0.5, 1 - 2 ** -24]) {
      const { tokens } = await choose(600, { random: true, nucleus: true }, alone, [0, 1, 2, 3], [drawn, drawn, drawn, drawn])
      expect(tokens).toEqual([0, 255, 256, 599])
    }
  })

  it.each([Number.NaN, Infinity])('shows by the total that a logit is %d', async (bad) => {
    const [broken, whole] = [new Float32Array(300).fill(1), new Float32Array(300).fill(1)]
    broken[280] = bad
    for (const [, kind] of kinds) {
      const { totals } = await choose(300, kind, [broken, whole], [0, 1], [0.5, 0.5])
      expect(totals[0]! >= 1 && totals[0]! < Infinity).toBe(false)
      expect(totals[1]).toBeCloseTo(300)
    }
  })
})
