import { PolicySampler } from '@plumbline/core'
import { BigramBackend } from '../../core/test/support/bigram-backend'
import {
  backendChecks,
  LastLossReporter,
  LastNumberLabeler,
  labelerChecks,
  plantedBackends,
  barFiles,
  barReader,
  plantedLabelers,
  plantedReaders,
  plantedReporters,
  plantedSamplers,
  readerChecks,
  reporterChecks,
  runChecks,
  samplerChecks,
  stopPlantedReporters,
  testLabeler,
  testReader,
  testReporter,
} from '../src'
import type { Check } from '../src'

const model = {
  kind: 'scratch',
  architecture: { words: ['1', '2', '3', '4', '5', '6', '+', '=', 'apples', 'and'] },
  tokenizer: '',
  seed: 3,
} as const

/** Each planted subject fails its check, and every check has one. */
function describePlanted<Subject>(
  title: string,
  checks: readonly Check<Subject>[],
  planted: readonly { name: string; caughtBy: string; subject: Subject }[],
): void {
  describe(title, () => {
    it.each(planted.map((it) => [it.name, it] as const))('%s is caught by the check it is meant for', async (_, { caughtBy, subject }) => {
      const [result] = await runChecks(
        checks.filter(({ id }) => id === caughtBy),
        subject,
      )
      expect(result).toMatchObject({ outcome: 'failed', error: { name: 'ContractViolation', id: caughtBy } })
    })

    it('leave no check without one that it catches', () => {
      expect(new Set(planted.map(({ caughtBy }) => caughtBy))).toEqual(new Set(checks.map(({ id }) => id)))
    })
  })
}

describePlanted(
  'planted labelers',
  labelerChecks,
  plantedLabelers.map(({ factory, ...it }) => ({ ...it, subject: { factory } })),
)

describePlanted(
  'planted samplers',
  samplerChecks,
  plantedSamplers.map(({ around, ...it }) => ({
    ...it,
    subject: { factory: () => around(new PolicySampler()), policy: () => new BigramBackend().open(model) },
  })),
)

describePlanted(
  'planted readers',
  readerChecks,
  plantedReaders.map(({ factory, ...it }) => ({ ...it, subject: { factory, ...barFiles } })),
)

describePlanted(
  'planted backends',
  backendChecks,
  plantedBackends.map(({ around, ...it }) => ({ ...it, subject: { factory: () => around(new BigramBackend()), model } })),
)

testLabeler({ name: 'the labeler that defects are planted in', factory: () => new LastNumberLabeler() })
testReader({ name: 'the reader that defects are planted in', factory: () => barReader, ...barFiles })

it('skips what is asked of readers with options for one that takes none', async () => {
  const plain = { name: 'plain', read: (file: string) => barReader.read(file) }
  const results = await runChecks(readerChecks, { factory: () => plain, ...barFiles })
  expect(results.filter(({ outcome }) => outcome !== 'passed')).toEqual([
    { id: 'reader/passes-over-what-is-refused', outcome: 'skipped', reason: 'it takes no options (no `fields`)' },
    { id: 'reader/columns-are-read-or-refused', outcome: 'skipped', reason: 'it takes no options (no `fields`)' },
  ])
})

afterEach(stopPlantedReporters)

describePlanted(
  'planted reporters',
  reporterChecks,
  plantedReporters.map(({ factory, ...it }) => ({ ...it, subject: { factory, endMs: 50 } })),
)

testReporter({ name: 'the reporter that defects are planted in', factory: () => new LastLossReporter() })
