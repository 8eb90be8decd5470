import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { claimsOf, CLAIMS, type Claim, type Comparison } from '../src/study/claims'
import { judgeClaim, keyOf, type SeedOutcome } from '../src/study/judge'
import { argumentsOf, UsageError } from '../src/study/main'
import { MODELS, parametersOf, type ModelName } from '../src/study/models'
import { repeatsItself, type Measured } from '../src/study/outcomes'
import { fractionThatHolds } from '../src/study/ranker'
import { FULL, SMOKE } from '../src/study/settings'
import { claimsTable, costTable, withTables } from '../src/study/summary'
import { markdownOf, tally, type ClaimResult } from '../src/study/tables'
import { vocabulary } from '../src/world/vocabulary'

describe('the claims', () => {
  it.each([FULL, SMOKE])('compare models that their cells have ($name)', (settings) => {
    const claims = claimsOf(settings)
    for (const name of CLAIMS) {
      const { cells, comparisons } = claims[name]
      expect(new Set(cells.map((cell) => cell.name)).size).toBe(cells.length)
      for (const { of, to, role } of comparisons) {
        for (const model of [of, ...(typeof to === 'number' ? [] : [to])]) {
          const cell = cells.find((each) => each.name === model.cell)
          const models = ['VFT', ...(cell?.variants ?? []).flatMap(({ name: own }) => [own, ...(cell?.rounds === 2 ? [`${own}+2`] : [])])]
          expect([name, model.cell, models.includes(model.model)]).toEqual([name, model.cell, true])
          expect(model.set === undefined).toBe(cell?.task !== 'all' && cell?.tests === 'usual')
        }
        expect(['claim', 'control']).toContain(role)
      }
      expect(comparisons.some(({ role }) => role === 'claim')).toBe(true)
    }
  })

  it('give one name to one variant', () => {
    const seen = new Map<string, string>()
    for (const { cells } of Object.values(claimsOf(FULL))) {
      for (const { variants } of cells) {
        for (const variant of variants) {
          const known = seen.get(variant.name) ?? JSON.stringify(variant)
          expect(known).toBe(JSON.stringify(variant))
          seen.set(variant.name, known)
        }
      }
    }
    expect(seen.has('margin')).toBe(true)
  })
})

describe('judging', () => {
  const comparison: Comparison = {
    title: 'x − y',
    figure: 'right',
    of: { cell: 'c', model: 'x' },
    to: { cell: 'c', model: 'y' },
    claimed: { direction: 'above', smallest: 0.02 },
    role: 'claim',
  }
  const claim: Claim = {
    name: 'b',
    title: 't',
    paper: 'p',
    cells: [],
    comparisons: [comparison, { ...comparison, figure: 'assessment', role: 'control' }],
  }
  /** x is right where y is not in `gain` of 100 questions. */
  const seed = (number: number, gain: number): SeedOutcome => {
    const set = (right: (q: number) => number) =>
      new Map(Array.from({ length: 100 }, (_, q): [string, Measured] => [`q${q}`, { right: right(q), degenerate: 0 }]))
    return {
      seed: number,
      sets: new Map([
        [keyOf(comparison.of), set((q) => Number(q < 50 + gain))],
        [keyOf({ cell: 'c', model: 'y' }), set((q) => Number(q < 50))],
      ]),
    }
  }

  it('pairs questions, corrects, and says what cannot be measured', () => {
    const { verdict, ofControls, comparisons } = judgeClaim(claim, [seed(1, 9), seed(2, 10), seed(3, 11)], 2000)
    const [first, second] = comparisons
    expect(verdict).toBe('reproduced')
    expect(ofControls).toBe('cannot tell')
    expect(first).toMatchObject({ questions: [100, 100, 100], changed: { onlyFirst: 30, onlySecond: 0 }, verdict: 'reproduced' })
    if (first === undefined || 'missing' in first) throw new Error('is not judged')
    expect(first.found.difference).toBeCloseTo(0.1, 12)
    // alone in its family
    expect(first.adjustedP).toBe(first.found.pValue)
    expect(second).toMatchObject({ missing: expect.stringContaining('assessment') as string })
    const page = markdownOf(
      {
        claim: 'b',
        title: 't',
        paper: 'p',
        model: '0.36m',
        parameters: 1,
        seeds: [1, 2, 3],
        settings: 's',
        command: 'c',
        judged: { verdict, ofControls, comparisons },
        runs: [],
      },
      claim,
    )
    expect(page).toContain('**Verdict: reproduced.** Of the comparisons that could explain it away: **cannot tell**.')
    expect(page).toContain('| +10.0 | +')
    expect(page).toContain('+9.0, +10.0, +11.0')
  })

  it('stands in the table of all claims, beside those that were not run', () => {
    const result: ClaimResult = {
      ...{ claim: 'b', title: 't', paper: 'p', model: '0.36m', parameters: 1, seeds: [1, 2, 3], settings: 's', command: 'c', runs: [] },
      judged: judgeClaim(claim, [seed(1, 9), seed(2, 10), seed(3, 11)], 2000),
    }
    const lines = claimsTable([result])
    expect(lines).toHaveLength(2 + CLAIMS.length)
    const own = lines.find((line) => line.startsWith('| (b)')) ?? ''
    expect(own).toMatch(
      /x − y, accuracy: \+10\.0 \(\+\d+\.\d to \+\d+\.\d\)<br>control: x − y, assessment accuracy: – \| \*\*reproduced\*\* \| cannot tell \| 0\.36m, 3 \|$/,
    )
    expect(lines.filter((line) => line.includes('| not run yet |'))).toHaveLength(CLAIMS.length - 1)
    expect(costTable('no-such-folder', [result])).toEqual(['Not measured yet.'])
  })

  it('says how many comparisons came to what, where they differ', () => {
    const three: Claim = {
      ...claim,
      comparisons: [comparison, { ...comparison, claimed: { ...comparison.claimed, direction: 'below' } }, ...claim.comparisons],
    }
    const judgedThree = judgeClaim(three, [seed(1, 9), seed(2, 10), seed(3, 11), seed(4, 10), seed(5, 10)], 2000)
    expect(tally(judgedThree, 'claim')).toBe(' (of 3 comparisons 2 reproduced, 1 opposite)')
    expect(tally(judgedThree, 'control')).toBe('')
  })

  it('is in docs/paper.md as the committed results have it', () => {
    const page = readFileSync(join(__dirname, '..', '..', '..', 'docs', 'paper.md'), 'utf8')
    expect(withTables(page, join(__dirname, '..'))).toBe(page)
  })

  it('tells nothing from one seed', () => {
    expect(judgeClaim(claim, [seed(1, 20)], 200).verdict).toBe('cannot tell')
  })
})

it('knows a chain that repeats itself, and equations that hold', () => {
  expect(repeatsItself('1 + 1 = 2 ; 1 + 1 = 2 ; 2 + 1 = 3 #### 3')).toBe(false)
  expect(repeatsItself('1 + 1 = 2 ; 1 + 1 = 2 ; 1 + 1 = 2 ; 3 #### 3')).toBe(true)
  expect(fractionThatHolds('6 * 5 = 30 ; 32 + 30 = 60 #### 60')).toBe(0.5)
  expect(fractionThatHolds('8 / 2 = 4 ; 9 - 4 = 5 #### 5')).toBe(1)
  expect(fractionThatHolds('no equation')).toBe(0)
})

it('has models of about their names', () => {
  const words = vocabulary().length
  for (const [name, millions] of [
    ['0.36m', 0.36],
    ['1m', 1],
    ['3m', 3],
    ['10m', 10],
  ] as [ModelName, number][]) {
    expect(Math.abs(parametersOf(name, words) / 1e6 / millions - 1)).toBeLessThan(0.06)
    expect(MODELS[name].width % (2 * MODELS[name].heads)).toBe(0)
  }
})

describe('the command line', () => {
  it('takes a claim, several, or all, and counts seeds from one', () => {
    expect(argumentsOf(['--claim', 'd', '--seeds', '2'])).toMatchObject({ claims: ['d'], seeds: [1, 2], model: '0.36m', smoke: false })
    expect(argumentsOf(['--claim', 'b,d', '--first-seed', '4', '--model', '3m'])).toMatchObject({
      claims: ['b', 'd'],
      seeds: [4, 5, 6],
      model: '3m',
    })
    expect(argumentsOf(['--claim', 'all', '--smoke'])).toMatchObject({ claims: CLAIMS, model: 'tiny' })
    expect(argumentsOf(['--help'])).toBeUndefined()
  })

  it('says in one sentence what it does not take', () => {
    const refused = (...args: string[]) => {
      try {
        argumentsOf(args)
      } catch (error) {
        if (error instanceof UsageError) return error.message
      }
      return undefined
    }
    expect(refused()).toBe('--claim is missing: expected one of a, b, c, d, e, f, g, h, i, several with commas, or all.')
    expect(refused('--claim', 'z')).toBe('--claim z is not known; expected one of a, b, c, d, e, f, g, h, i, or all.')
    expect(refused('--claim', 'd', '--seeds', '0')).toBe('--seeds 0: expected a whole number of at least 1.')
    expect(refused('--claim', 'd', '--model', '7b')).toBe('--model 7b is not known; expected one of tiny, 0.36m, 1m, 3m, 10m.')
    expect(refused('--claims', 'd')).toContain("'--claims'")
  })
})
