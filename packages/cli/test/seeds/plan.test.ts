import { isPlumbError } from '@plumbline/core'
import { parseSeeds, parseSweep } from '../../src/seeds/parse'
import { planRuns } from '../../src/seeds/plan'

/** Code, place and sentence of the error that `work` throws. */
function errorOf(work: () => unknown): readonly [string, string | undefined, string] {
  try {
    work()
  } catch (error) {
    if (isPlumbError(error)) return [error.code, error.where, error.message]
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('--seeds', () => {
  it.each([
    ['0..4', [0, 1, 2, 3, 4]],
    ['0,2,5', [0, 2, 5]],
    ['7', [7]],
    ['3..3', [3]],
    ['0..2, 7', [0, 1, 2, 7]],
  ])('%s', (text, seeds) => {
    expect(parseSeeds(text)).toEqual(seeds)
  })

  it.each([
    ['4..0', '"4..0" ends before it begins'],
    ['0..', '"0.." is neither a whole number nor a range'],
    ['-1', '"-1" is neither a whole number nor a range'],
    ['1.5', '"1.5" is neither a whole number nor a range'],
    ['', 'A seed is missing'],
    ['1,,2', 'A seed is missing'],
    ['1,0..2', 'Seed 1 stands twice, and a seed counts once'],
    ['0..1000000', '"0..1000000" is 1000001 seeds, and at most 1000 runs are made at once'],
    ['99999999999999999999', '"99999999999999999999" is too large'],
  ])('refuses "%s"', (text, why) => {
    expect(errorOf(() => parseSeeds(text))).toEqual(['PLUMB_SEEDS', `--seeds ${text}`, `${why}; expected seeds as in 0..4, or 0,2,5.`])
  })
})

describe('--sweep', () => {
  it.each([
    ['align.0.beta=0.05,0.15', ['0.05', '0.15']],
    ['sft.betas=[0.9, 0.99],[0.9, 0.999]', ['[0.9, 0.99]', '[0.9, 0.999]']],
    ['evaluate.stop=["a,b"],["c"]', ['["a,b"]', '["c"]']],
    ["prompt.system='a, b',c", ["'a, b'", 'c']],
    ['align.0={ loss: ca, beta: 0.1 },{ loss: dpo }', ['{ loss: ca, beta: 0.1 }', '{ loss: dpo }']],
    ['sft.steps=10', ['10']],
  ])('%s', (text, values) => {
    expect(parseSweep(text)).toEqual({ key: text.slice(0, text.indexOf('=')), values, text })
  })

  it.each([
    ['align.0.beta', 'There is no key with an equals sign behind it'],
    ['=1,2', 'There is no key with an equals sign behind it'],
    ['align.0.beta=', 'A value is missing'],
    ['align.0.beta=0.1,,0.2', 'A value is missing'],
    ['align.0.beta=0.1,0.10', 'The value 0.10 stands twice'],
    ['seed=1,2', 'Seeds are swept by --seeds, which gives means over them'],
    ['run=a,b', 'All runs of a sweep lie in one run folder, where they share their stages'],
  ])('refuses "%s"', (text, why) => {
    expect(errorOf(() => parseSweep(text))).toEqual([
      'PLUMB_SWEEP',
      `--sweep ${text}`,
      `${why}; expected a key and its values, as in align.0.beta=0.05,0.15.`,
    ])
  })

  it('refuses a key that is none', () => {
    expect(errorOf(() => parseSweep('align 0=1,2'))[0]).toBe('PLUMB_CONFIG_OVERRIDE')
  })
})

describe('all combinations', () => {
  it('are the product of sweeps, each with every seed, over what is set', () => {
    const { runs } = planRuns({ seeds: '0,1', sweep: ['align.0.beta=0.1,0.2', 'sft.steps=5'], set: ['sample.k=2'] })
    expect(runs.map(({ title }) => title)).toEqual([
      'align.0.beta=0.1, sft.steps=5, seed 0',
      'align.0.beta=0.1, sft.steps=5, seed 1',
      'align.0.beta=0.2, sft.steps=5, seed 0',
      'align.0.beta=0.2, sft.steps=5, seed 1',
    ])
    expect(runs[3]).toMatchObject({
      seed: 1,
      setting: { 'align.0.beta': '0.2', 'sft.steps': '5' },
      overrides: ['sample.k=2', 'align.0.beta=0.2', 'sft.steps=5', 'seed=1'],
    })
  })

  it("without --seeds take the configuration's own", () => {
    const { seeds, runs } = planRuns({ sweep: ['sft.steps=5,6'], set: [] })
    expect([seeds, runs.map(({ title, overrides }) => [title, overrides])]).toEqual([
      [],
      [
        ['sft.steps=5', ['sft.steps=5']],
        ['sft.steps=6', ['sft.steps=6']],
      ],
    ])
  })

  it('refuse what is said twice, and too many', () => {
    expect(errorOf(() => planRuns({ sweep: ['sft.steps=1,2', 'sft.steps=3'], set: [] }))).toEqual([
      'PLUMB_SWEEP',
      '--sweep sft.steps=3',
      'sft.steps is swept twice; give all its values at once.',
    ])
    expect(errorOf(() => planRuns({ sweep: ['sft.steps=1,2'], set: ['sft.steps=3'] }))).toEqual([
      'PLUMB_SWEEP',
      '--set sft.steps=3',
      'sft.steps is set and swept; leave one of them out.',
    ])
    expect(errorOf(() => planRuns({ seeds: '0,1', sweep: [], set: ['seed=3'] }))).toEqual([
      'PLUMB_SEEDS',
      '--set seed=3',
      '--seeds says which seeds there are; leave this one out.',
    ])
    expect(errorOf(() => planRuns({ seeds: '0..99', sweep: ['sft.steps=1,2,3,4,5,6,7,8,9,10,11'], set: [] }))).toEqual([
      'PLUMB_SWEEP',
      '--sweep',
      'These are 1100 runs, and at most 1000 are made at once.',
    ])
  })
})
