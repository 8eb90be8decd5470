import { randomStreams, type TokenGroup } from '@plumbline/core'
import { packedRows, planMicroBatches, selectGroups, splitLogProbs, spreadCotangents } from '../src'

const random = randomStreams(11)('groups')
const whole = (least: number, most: number) => least + Math.floor(random() * (most - least + 1))
const tokens = (n: number) => Array.from({ length: n }, () => whole(0, 99))
const groups: TokenGroup[] = Array.from({ length: 40 }, (_, g) => {
  const completions = Array.from({ length: whole(1, 6) }, () => tokens(whole(1, 30)))
  return { id: `g${g}`, prompt: tokens(whole(1, 40)), completions, needed: g % 3 ? completions.map((_, c) => c % 2 === 0) : undefined }
})
const model = { contextLength: 128, vocabularySize: 100 }

describe('planMicroBatches', () => {
  it.each([30, 60, 200, 10_000])('puts every needed completion into exactly one part of at most %d rows', (budget) => {
    const found = new Map<string, number>()
    const batches = planMicroBatches(selectGroups(groups, model), budget)
    for (const part of batches.flatMap(({ parts }) => parts)) {
      const rows = part.reduce((sum, group) => sum + packedRows(group), 0)
      const alone = part.length === 1 && part[0]!.completions.length === 1
      expect(alone || rows <= budget).toBe(true)
      for (const { group, selected, completions, prompt } of part) {
        expect(prompt).toBe(groups[group]!.prompt)
        for (const [i, c] of selected.entries()) {
          expect(completions[i]).toBe(groups[group]!.completions[c])
          found.set(`${group}/${c}`, (found.get(`${group}/${c}`) ?? 0) + 1)
        }
      }
    }
    const asked = groups.flatMap(({ completions, needed }, g) =>
      completions.flatMap((_, c) => (needed?.[c] === false ? [] : [`${g}/${c}`])),
    )
    expect(found).toEqual(new Map([...found.keys()].map((key) => [key, 1])))
    expect([...found.keys()].sort()).toEqual(asked.sort())
  })

  it('keeps a group within one micro-batch, because a loss compares its candidates', () => {
    for (const budget of [30, 60, 200]) {
      const home = new Map<number, number>()
      for (const [b, { parts }] of planMicroBatches(selectGroups(groups, model), budget).entries()) {
        for (const { group } of parts.flat()) {
          expect(home.get(group) ?? b).toBe(b)
          home.set(group, b)
        }
      }
    }
  })

  it('fills batches about evenly', () => {
    const rows = planMicroBatches(selectGroups(groups, model), 400).map(({ parts }) =>
      parts.flat().reduce((sum, group) => sum + packedRows(group), 0),
    )
    expect(Math.min(...rows) / Math.max(...rows)).toBeGreaterThan(0.5)
  })
})

describe('packed log-probs and cotangents', () => {
  it('go to the completions they are of, and come back', () => {
    const part = planMicroBatches(selectGroups(groups, model), 10_000)[0]!.parts[0]!
    const count = part.flatMap(({ completions }) => completions.flat()).length
    const packed = Float32Array.from({ length: count }, (_, i) => i)
    const results = groups.map(({ completions }): (Float32Array | undefined)[] => completions.map(() => undefined))
    splitLogProbs(part, packed, results)
    for (const [g, { completions, needed }] of groups.entries()) {
      expect(results[g]!.map((values) => values?.length)).toEqual(
        completions.map(({ length }, c) => (needed?.[c] === false ? undefined : length)),
      )
    }
    const cotangents = new Map(results.map((values, g) => [g, values.map((own) => own ?? 0)]))
    expect(spreadCotangents(part, cotangents)).toEqual(packed)
  })

  it('spread one number over all tokens of a completion, and refuse a wrong count', () => {
    const part = [{ group: 0, selected: [1], prompt: [1], completions: [[2, 3, 4]] }]
    expect(spreadCotangents(part, new Map([[0, [9, 0.5]]]))).toEqual(Float32Array.of(0.5, 0.5, 0.5))
    expect(() => spreadCotangents(part, new Map([[0, [9, Float32Array.of(1, 2)]]]))).toThrow('2 cotangents for a completion of 3 tokens')
  })
})
