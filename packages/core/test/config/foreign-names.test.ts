import { z } from 'zod'
import { configSchema, parseConfig } from '../../src'
import { FOREIGN_NAMES, foreignName } from '../../src/config/foreign-names'
import { failure } from '../support/files'

const config = (more: object) => ({
  model: 'm',
  data: { train: 'a', test: 'b' },
  sft: { steps: 1 },
  align: { loss: 'ca', steps: 1 },
  ...more,
})

describe('what other tools call otherwise is answered with its name here', () => {
  test.each([
    [{ lora: {} }, 'lora is not a configuration key. Here it is a section of sft and of each variant of align; {} takes its defaults.'],
    [{ bf16: true }, /^bf16 is not a configuration key\. That is not here: everything is computed in float32; .* lora /],
    [
      { report_to: 'wandb' },
      /^report_to is not a configuration key\. Here it is reporters, at the top level: reporters: \[tensorboard\] writes event files/,
    ],
    [{ learning_rate: 1 }, 'learning_rate is not a configuration key. Here it is learningRate, in sft and in each variant of align.'],
    [{ sft: { steps: 1, lr: 1 } }, 'sft.lr is not a configuration key. Here it is learningRate, in sft and in each variant of align.'],
    [
      { sft: { steps: 1, gradient_accumulation_steps: 4 } },
      /^sft\.gradient_accumulation_steps is not .*\. Here it is batchSize, .*micro-batches/,
    ],
    [{ per_device_train_batch_size: 4 }, /Here it is batchSize/],
    [{ max_length: 4 }, /Here it is lengths: \{ maxPromptTokens, maxCompletionTokens, onTooLong/],
    [{ max_prompt_length: 4 }, /Here it is lengths\.maxPromptTokens/],
    [{ sft: { steps: 1, warmup_ratio: 0.1 } }, /Here it is warmupSteps, .*: a number of steps/],
    [{ num_train_epochs: 4 }, /Here it is epochs/],
    [{ sft: { steps: 1, lora: { r: 8 } } }, /^sft\.lora\.r is not .*Here it is rank, in lora/],
    [{ sft: { steps: 1, lora: { lora_alpha: 8 } } }, /Here it is alpha, in lora/],
    [{ 'lora-r': 8 }, /Here it is rank, in lora/],
    [{ loraTargetModules: [] }, /Here it is targetModules, in lora/],
    [{ packing: true }, /Here it needs no key: batches hold no padding\.$/],
    [{ load_in_4bit: true }, /That is not here: weights are not quantised/],
  ])('%j', async (more, sentence) => {
    const { code, message } = await failure(() => parseConfig(config(more)))
    expect([code, message]).toEqual(['PLUMB_CONFIG_UNKNOWN_KEY', typeof sentence === 'string' ? sentence : expect.stringMatching(sentence)])
  })

  test.each([
    [{ sft: { steps: 1, batch_size: 4 } }, 'sft.batch_size is not a configuration key. Did you mean "batchSize"?'],
    [{ sft: { steps: 1, 'checkpoint-every': 4 } }, 'sft.checkpoint-every is not a configuration key. Did you mean "checkpointEvery"?'],
    [{ sample: { maxnewtokens: 4 } }, 'sample.maxnewtokens is not a configuration key. Did you mean "maxNewTokens"?'],
    [{ steps: 4 }, 'steps is not a configuration key. It is a key of sft and a variant of align.'],
    [{ sft: { steps: 1, temperature: 4 } }, 'sft.temperature is not a configuration key. It is a key of sample.'],
    [{ data: { train: 'a', test: 'b', seed: 1 } }, 'data.seed is not a configuration key. It is a key of the top level.'],
  ])('our own keys, written otherwise or in another section: %j', async (more, sentence) => {
    expect((await failure(() => parseConfig(config(more)))).message).toBe(sentence)
  })
})

it('is never said of a key that is ours, and names no key that is not', () => {
  for (const key of Object.keys(configSchema.shape)) expect([key, foreignName(key)]).toEqual([key, undefined])
  // Beside core's own: options of the engine and of DPO.
  const known = new Set([
    'activationMemory',
    'activationCheckpointing',
    'lossType',
    'dpoBeta',
    'labelSmoothing',
    ...allKeys(z.toJSONSchema(configSchema, { io: 'input' })),
  ])
  const named = [...FOREIGN_NAMES.values()].flatMap((sentence) => sentence.match(/\b[a-z]+[A-Z]\w*/g) ?? [])
  expect(named.length).toBeGreaterThan(20)
  expect([...new Set(named)].filter((name) => !known.has(name))).toEqual([])
})

function allKeys(schema: object): string[] {
  return Object.entries(schema).flatMap(([key, value]: [string, unknown]) => {
    if (typeof value !== 'object' || value === null) return []
    return [...(key === 'properties' ? Object.keys(value) : []), ...allKeys(value)]
  })
}
