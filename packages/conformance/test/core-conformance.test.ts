import { AnswerLabeler, answerOptions, createRegistry, PolicySampler } from '@plumbline/core'
import { BigramBackend } from '../../core/test/support/bigram-backend'
import { dicePolicy, testBackend, testLabeler, testReader, testSampler } from '../src'

const words = ['1', '2', '3', '4', '5', '6', '+', '=', 'apples', 'and']
const model = { kind: 'scratch', architecture: { words }, tokenizer: '', seed: 3 } as const

testLabeler({ name: 'the answer labeler', factory: () => new AnswerLabeler(answerOptions.parse({})) })

testSampler({ name: 'the policy sampler', factory: () => new PolicySampler(), policy: () => new BigramBackend().open(model) })

testBackend({ name: 'a bigram backend', factory: () => new BigramBackend(), model })

testSampler({ name: 'the policy sampler on dice', factory: () => new PolicySampler(), policy: async () => dicePolicy() })

const registry = createRegistry()
const context = registry.openRun({ folder: '.', configFolder: '.', seed: 0 })
afterAll(() => context.dispose())

/** A sound record of each format, told apart by a number, and one that the format refuses. */
const FORMATS: Readonly<Record<string, readonly [good: (n: number) => object, bad: object]>> = {
  groups: [(n) => ({ prompt: `${n} + 1`, candidates: [{ text: `${n + 1}` }] }), { prompt: 3 }],
  qa: [(n) => ({ question: `${n} + 1`, answer: `${n + 1}` }), { question: '' }],
  gsm8k: [(n) => ({ question: `${n} + 1`, answer: `#### ${n + 1}` }), { question: '1 + 1', answer: '2' }],
  preference: [(n) => ({ prompt: `${n} + 1`, chosen: `${n + 1}`, rejected: '0' }), { prompt: '1 + 1', chosen: '2' }],
  messages: [
    (n) => ({
      messages: [
        { role: 'user', content: `${n} + 1` },
        { role: 'assistant', content: `${n + 1}` },
      ],
    }),
    { messages: [] },
  ],
}

for (const [name, [good, bad]] of Object.entries(FORMATS)) {
  const { factory } = registry.find('dataset', name)
  const lines = (...records: object[]) => records.map((record) => `${JSON.stringify(record)}\n`).join('')
  testReader({
    name: `the format ${name}`,
    factory: () => factory.create(factory.options.parse({}), context),
    good: { name: 'good.jsonl', content: lines(good(1), good(2), good(3)), records: 3 },
    bad: { name: 'bad.jsonl', content: lines(good(1), bad, good(2)), line: 2 },
  })
}
