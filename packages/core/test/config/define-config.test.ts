import { defineConfig, parseConfig } from '../../src'

const data = { train: 'a.jsonl', test: { path: 'b.jsonl', format: 'qa', chainField: 'x' } }

it('gives back what it gets, which is valid', () => {
  const written = defineConfig({
    model: 'm',
    data: { ...data, questions: { a: 'c.jsonl', b: { path: 'd.jsonl', limit: 3 } }, validation: ['e.jsonl'] },
    sft: { epochs: 1, lora: {} },
    sample: { sampler: { name: 'own', anything: 1 } },
    label: 'answer',
    backend: { name: 'onnx', threads: 2 },
    align: [
      { loss: 'ca', constraint: 'boundary', steps: 1 },
      { name: 'both', losses: ['sft', { loss: 'dpo', weight: 2, dpoBeta: 0.2 }], epochs: 0.5 },
    ],
  })
  expect(parseConfig(written).config.align.map(({ name }) => name)).toEqual(['ca-boundary', 'both'])
})

it('is checked by the compiler', () => {
  const align = { loss: 'ca', steps: 1 }
  // @ts-expect-error a model is required
  defineConfig({ data, align })
  // @ts-expect-error no key of a configuration
  defineConfig({ model: 'm', data, align, sampel: {} })
  // @ts-expect-error no key of a training section
  defineConfig({ model: 'm', data, align, sft: { step: 1 } })
  // @ts-expect-error a number of steps
  defineConfig({ model: 'm', data, align: { loss: 'ca', steps: '1' } })
  // @ts-expect-error one of three
  defineConfig({ model: 'm', data, align: { losses: ['sft'], steps: 1, schedule: 'cosin' } })
  // @ts-expect-error a held-out file is required
  expect(defineConfig({ model: 'm', data: { train: 'a' }, align })).toBeDefined()
})
