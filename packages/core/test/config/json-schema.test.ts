import Ajv from 'ajv'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { configJsonSchema, createRegistry, definePlugin, type AlignmentLoss } from '../../src'

const plugin = definePlugin({
  name: 'own',
  apiVersion: 1,
  register: (registry) =>
    registry.loss('own', {
      options: z.strictObject({ strength: z.number().min(0).default(1).describe('How strong.'), needed: z.string() }),
      create: () => ({}) as AlignmentLoss,
    }),
})
const schema = configJsonSchema(createRegistry([plugin]))
const validate = new Ajv().compile(schema)

const data = { train: 'a.jsonl', test: { path: 'b.jsonl', format: 'qa', chainField: 'x' } }
const align = { loss: 'own', needed: 'x', steps: 1 }
const config = (more: object = {}) => ({ model: 'm', data, align, ...more })

it.each([
  ['the short forms', config()],
  [
    'variants in a list',
    config({ align: [align, { losses: ['sft', { loss: 'own', needed: 'x', weight: 2 }], epochs: 0.5 }, { loss: 'sft', steps: 2 }] }),
  ],
  ['a loss that is not known here', config({ align: { loss: 'elsewhere', anything: 1, steps: 1 } })],
  [
    'sources by their names',
    config({ data: { train: { a: 'a.jsonl', b: { path: 'b.jsonl', format: 'gsm8k', stripAnnotations: true } }, test: ['b.jsonl'] } }),
  ],
  [
    'sections with options',
    config({ label: { name: 'answer' }, sample: { sampler: { name: 'dataset' } }, backend: { name: 'auto', threads: 2 } }),
  ],
  ['an import', { $import: 'base.yaml', sft: { steps: 1 } }],
  ['an adapter', config({ model: { base: 'a', adapter: 'b' }, sft: { steps: 1, lora: {} } })],
])('takes %s', (_, value) => {
  validate(value)
  expect(validate.errors).toBeNull()
})

it.each([
  ['a key that nothing reads', config({ sft: { step: 1 } })],
  ['another type', config({ sample: { k: 'six' } })],
  ['too small a number', config({ sample: { k: 0 } })],
  ['an option of another type', config({ align: { ...align, strength: -1 } })],
  ['an option that the loss lacks', config({ align: { ...align, strenght: 1 } })],
  ['a missing option', config({ align: { loss: 'own', steps: 1 } })],
  ['an option of another format', config({ data: { train: { path: 'a', chainField: 'x' }, test: 'b' } })],
  ['no model', { data, align }],
  ['no test set', config({ data: { train: 'a' } })],
])('refuses %s', (_, value) => {
  expect(validate(value)).toBe(false)
})

it('describes every key, and says what holds where it is absent', () => {
  const text = JSON.stringify(schema)
  expect(text).toContain('The peak learning rate of AdamW.')
  expect(text).toContain('How strong.')
  expect(text).toContain("When absent: `data.train`, the paper's design.")
  expect(text).not.toContain('9007199254740991')
})

const EXAMPLES = path.resolve(__dirname, '../../../../examples')
const written = readdirSync(EXAMPLES, { recursive: true, encoding: 'utf8' }).filter((name) =>
  /\.config\.yaml$|^[^/]*\/[^/]*\.yaml$/.test(name),
)

it.each(written)('takes examples/%s', (name) => {
  validate(parse(readFileSync(path.join(EXAMPLES, name), 'utf8'), { merge: true }))
  expect(validate.errors).toBeNull()
})
