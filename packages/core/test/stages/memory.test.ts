import { runConfig, type MemoryNeeds, type MemoryUse, type RunEvent, type TrainingPlan } from '../../src'
import { world, type World } from '../support/world'

const GIB = 2 ** 30
const training = { batchSize: 4, learningRate: 0.05 }
const config = (sft: object = {}, align: object = {}) => ({
  sft: { ...training, steps: 1, ...sft },
  align: [{ ...training, name: 'control', steps: 1, losses: [{ loss: 'sft' }], ...align }],
  sample: { k: 2, maxNewTokens: 4 },
  evaluate: { maxNewTokens: 4 },
})
/** Gibibytes of a model of 1.07e9 parameters. */
const needs = { process: 0.5, weights: 4, gradients: 4, moments: 8, activations: 2, sampling: 1, snapshot: 4, available: 24 }

const inBytes = (figures: typeof needs) =>
  Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, value * GIB])) as unknown as MemoryNeeds

interface Asked {
  readonly plans: TrainingPlan[]
  readonly longest: (number | undefined)[]
  readonly sequences: (number | undefined)[]
}

/** A world whose backend says what it takes; plans it was asked about are noted. */
async function telling(made: World, figures: Partial<typeof needs> = {}): Promise<Asked> {
  const asked: Asked = { plans: [], longest: [], sequences: [] }
  Object.assign(made.backend, {
    memory: (_: unknown, { plan, maxNewTokens, longest }: MemoryUse) => {
      asked.plans.push(plan)
      asked.longest.push(maxNewTokens)
      asked.sequences.push(longest)
      const all = { ...needs, ...figures }
      const scaled = inBytes(all)
      return Promise.resolve(plan.moments === 'bfloat16' ? { ...scaled, moments: scaled.moments / 2 } : scaled)
    },
  })
  return Promise.resolve(asked)
}

async function noticesOf(made: World): Promise<string[]> {
  const events: RunEvent[] = []
  await runConfig({ ...made, last: 'sft', onEvent: (event) => events.push(event) })
  return events.flatMap((event) =>
    event.type === 'notice' && event.message.startsWith('memory:') ? [`${event.level} ${event.message}`] : [],
  )
}

describe('the memory that a run takes', () => {
  it('is said first, with where the bytes are, for the stage that takes most and the longest completion', async () => {
    const made = await world({ config: { ...config({}, { moments: 'bfloat16', betas: [0.9, 0.95] }), evaluate: { maxNewTokens: 9 } } })
    Object.assign(made.backend, { bfloat16Moments: true })
    const asked = await telling(made)
    expect(await noticesOf(made)).toEqual([
      "info memory: training takes up to 18.5 of this machine's 24.0 GiB (weights 4.0, gradients 4.0, moments 8.0, activations up to 2.0, " +
        'the process 0.5); sampling up to 5.5 (cache and logits 1.0), a frozen copy of the weights 4.0 more.',
    ])
    expect(asked.plans.map(({ moments }) => moments)).toEqual([undefined, 'bfloat16'])
    expect(asked.longest).toEqual([9, 9])
  })

  it.each([
    [{}, undefined],
    [{ maxPromptTokens: 30 }, undefined],
    [{ maxPromptTokens: 30, maxCompletionTokens: 20 }, 50],
    // Sampled answers are longer.
    [{ maxPromptTokens: 30, maxCompletionTokens: 3 }, 34],
  ])('is asked for with the longest text that %j let come', async (lengths, longest) => {
    const made = await world({ config: { ...config(), lengths } })
    const asked = await telling(made)
    await noticesOf(made)
    expect(new Set(asked.sequences)).toEqual(new Set([longest]))
  })

  it('names what helps against long texts, where they are what takes it', async () => {
    const made = await world({ config: config() })
    const byLayers = { above: 2730, tokens: 5460, activations: 0.5 * GIB }
    Object.assign(made.backend, { memory: () => Promise.resolve({ ...inBytes({ ...needs, available: 18 }), byLayers }) })
    const [notice] = await noticesOf(made)
    expect(notice).toContain('backend.activationCheckpointing: layers (saves about 1.5, which is enough)')
    expect(notice).toContain(
      'a smaller backend.microBatchTokens with lower lengths.maxPromptTokens and maxCompletionTokens (saves about 1.0, which is enough)',
    )
  })

  it.each([
    [
      { above: 2730, tokens: 5460, activations: 0.5 },
      'the process 0.5); more than 2730 tokens at once are computed layer by layer (5460 with activations of 0.5); sampling',
    ],
    [{ above: 0, tokens: 4096, activations: 2 }, 'the process 0.5), computed layer by layer; sampling'],
  ])('says what is computed layer by layer: %j', async (byLayers, sentence) => {
    const made = await world({ config: config() })
    const bytes = { ...byLayers, activations: byLayers.activations * GIB }
    Object.assign(made.backend, { memory: () => Promise.resolve({ ...inBytes(needs), byLayers: bytes }) })
    const [notice] = await noticesOf(made)
    expect(notice).toContain(sentence)
  })

  it('is asked for with the factors of each section, and not for one that trains nothing', async () => {
    const lora = { rank: 1, alpha: 2 }
    const made = await world({ config: config({ steps: 0 }, { lora }) })
    const asked = await telling(made, { available: 18 })
    const [notice] = await noticesOf(made)
    expect(asked.plans).toEqual([expect.objectContaining({ lora: expect.objectContaining(lora) as unknown })])
    expect(notice).toContain('What helps: ')
    for (const useless of ['lora: {}', 'freeze:']) expect(notice).not.toContain(useless)
  })

  it.each([true, undefined])('names lora among what helps where the backend can do it (%s)', async (can) => {
    const made = await world({ config: config() })
    Object.assign(made.backend, { lora: can })
    await telling(made, { available: 18 })
    const [notice] = await noticesOf(made)
    expect(notice!.includes('lora: {} (saves about 11.4, which is enough)')).toBe(can === true)
    expect(notice).toContain('freeze: for most parameters (saves about 10.8, which is enough)')
  })

  it('warns where only the largest micro-batches do not fit', async () => {
    const made = await world({ config: config() })
    await telling(made, { available: 18 })
    const [notice] = await noticesOf(made)
    expect(notice).toMatch(/^warning memory: .+ That may not fit\. What helps: moments: bfloat16 \(saves about 4\.0, which is enough\)/)
    expect(notice).toContain('a smaller backend.microBatchTokens (saves about 1.0, which is enough)')
  })

  it('is refused before anything is opened where nothing can make it fit, with what would', async () => {
    const made = await world({ config: config() })
    await telling(made, { available: 14 })
    await expect(runConfig(made)).rejects.toMatchObject({
      code: 'PLUMB_OUT_OF_MEMORY',
      message: expect.stringMatching(
        /That cannot fit\. What helps: moments: bfloat16 \(saves about 4\.0\); .+freeze: for most parameters \(saves about 10\.8, which is enough\)/,
      ) as unknown,
    })
    expect(made.backend.opened).toBe(0)
  })

  it('is not said of by a backend that does not know', async () => {
    expect(await noticesOf(await world({ config: config() }))).toEqual([])
  })
})

describe('moments in bfloat16', () => {
  it('are refused before the first stage where the backend has none', async () => {
    const made = await world({ config: config({}, { moments: 'bfloat16', betas: [0.9, 0.95] }) })
    await expect(runConfig(made)).rejects.toMatchObject({ code: 'PLUMB_MOMENTS_UNSUPPORTED', where: 'align "control": moments' })
    expect(made.backend.opened).toBe(0)
  })

  it('need a β₂ whose step a bfloat16 can hold', async () => {
    const made = await world({ config: config({ moments: 'bfloat16' }) })
    Object.assign(made.backend, { bfloat16Moments: true })
    await expect(runConfig(made)).rejects.toMatchObject({
      message: expect.stringContaining(
        'cannot shrink by 0.001 of itself a step; expected betas with a second number of at most 0.992',
      ) as unknown,
    })
    await runConfig({ ...made, config: { ...made.config, sft: { ...made.config.sft, betas: [0.9, 0.99] } }, last: 'sft' })
    expect(made.backend.opened).toBe(1)
  })
})

it('a finished run is looked at on a machine that could not make it', async () => {
  const made = await world({ config: config() })
  await runConfig(made)
  const { opened } = made.backend
  await telling(made, { available: 2 })
  await runConfig(made)
  expect(made.backend.opened).toBe(opened)
})
