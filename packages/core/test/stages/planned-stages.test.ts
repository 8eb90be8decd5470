import type { ResolvedVariant } from '../../src/config/resolve'
import type { TestSet } from '../../src/stages/data'
import { plannedStages } from '../../src/stages/planned-stages'

const variants = ['boundary', 'control'].map((name) => ({ name }) as ResolvedVariant)
const test = [{}] as TestSet[]
const named = (rounds: number, last: Parameters<typeof plannedStages>[0] = 'evaluate') =>
  plannedStages(last, variants, rounds, test).map(({ stage, variant }) => (variant === undefined ? stage : `${stage} ${variant}`))

it('are those of one round, in their order', () => {
  expect(named(1)).toEqual([
    ...['sft', 'sample', 'label', 'align boundary', 'align control'],
    ...['evaluate candidates', 'evaluate VFT', 'evaluate boundary', 'evaluate control'],
  ])
})

it('are a sample, a label and an align more for each variant in each further round', () => {
  expect(named(2, 'align')).toEqual([
    ...['sft', 'sample', 'label'],
    ...['align boundary', 'sample boundary+2', 'label boundary+2', 'align boundary+2'],
    ...['align control', 'sample control+2', 'label control+2', 'align control+2'],
  ])
  expect(named(2).slice(-6)).toEqual(
    ['candidates', 'VFT', 'boundary', 'control', 'boundary+2', 'control+2'].map((name) => `evaluate ${name}`),
  )
})
