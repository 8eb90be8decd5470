import { AnswerLabeler, answerOptions } from '../../src/labelers/answer'
import { createRegistry } from '../../src/plugins/registry'
import type { GroupRecord } from '../../src/seams/records'
import { describeWith, sharedFile } from '../support/shared-data'

const registry = createRegistry()
const context = registry.openRun({ folder: '/', configFolder: '/', seed: 0 })

/** format, file, records, reference chains */
const FILES = [
  ['gsm8k', 'gsm8k/train.jsonl', 7473, 7473],
  ['gsm8k', 'gsm8k/test.jsonl', 1319, 1319],
  ['aqua', 'aqua/test.json', 254, 254],
  ['aqua', 'aqua/train.flan.tsv', 2728, 2728],
  // 486 questions of the training file have no explanation.
  ['ecqa', 'ecqa/ecqa_train.jsonl', 7598, 7112],
  ['ecqa', 'ecqa/ecqa_test.jsonl', 2194, 2194],
  ['ranked', 'ranked/ecqa_explanations_ranked.jsonl', 241, 0],
] as const

for (const [format, file, questions, chains] of FILES) {
  describeWith(file)(`${file} (skipped where the file is absent)`, () => {
    test('is read whole, and the labeler finds every reference chain right', async () => {
      const { factory } = registry.find('dataset', format)
      const labeler = new AnswerLabeler(answerOptions.parse({}))
      const records: GroupRecord[] = []
      for await (const record of factory.create(factory.options.parse({}), context).read(sharedFile(file))) records.push(record)
      expect(records).toHaveLength(questions)
      const statuses: string[] = []
      for (const record of records) {
        const references = record.candidates.filter(({ reference }) => reference)
        if (references.length === 0) continue
        const [label] = await labeler.label(
          record,
          references.map(({ text }) => ({ text, complete: true })),
        )
        statuses.push(label!.status)
      }
      expect(statuses).toHaveLength(chains)
      expect(statuses.filter((status) => status !== 'right')).toEqual([])
    })
  })
}
