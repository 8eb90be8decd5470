import { mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PlumbError, ReferenceLikelihood, trainingSchema, type AlignmentLoss, type Policy } from '../../src'
import { train } from '../../src/train/loop'
import { trainingStep, type TrainingGroup } from '../../src/train/step'
import { BigramBackend } from '../support/bigram-backend'
import { WORDS } from '../support/world'

const scratch = { kind: 'scratch', architecture: { words: WORDS }, tokenizer: '', seed: 1 } as const
const config = trainingSchema.parse({
  steps: 6,
  batchSize: 2,
  learningRate: 0.1,
  schedule: 'constant',
  checkpointEvery: 2,
  maxGradNorm: null,
})
const sft = [{ name: 'sft', loss: new ReferenceLikelihood(), weight: 1 }]

/** One token after the prompt, so that the loss is −log p(token | prompt). */
const single = (id: string, prompt: number, token: number): TrainingGroup => ({
  id,
  prompt: [prompt],
  completions: [[token]],
  k: 1,
  lengths: [1],
  positive: [true],
  rewards: [1],
  reference: [true],
})

const newFolder = () => mkdtemp(path.join(tmpdir(), 'plumbline-train-'))
const open = () => new BigramBackend().open(scratch)

describe('train', () => {
  it('takes AdamW steps: the first moves the logits of the token seen by the learning rate', async () => {
    const policy = await open()
    const group = single('a', 5, 7)
    const logOdds = async () => {
      const [scored] = (await policy.logProbs([{ ...group, completions: [[7], [8]] }])) as Float32Array[][]
      return scored![0]![0]! - scored![1]![0]!
    }
    const before = await logOdds()
    await train({ policy, config, totalSteps: 1, folder: await newFolder(), title: 'sft', step: () => trainingStep(sft, [group]) })
    // Adam's first step is lr · sign(g): up for the token, down for every other
    expect((await logOdds()) - before).toBeCloseTo(0.2, 5)
  })

  it('stops at a loss that is not finite with step, group and last checkpoint, and keeps the weights', async () => {
    const policy = await open()
    const folder = await newFolder()
    const poisoned = Object.assign(new ReferenceLikelihood(), { lossAndGradient: () => ({ loss: NaN, gradient: [0] }) })
    const step = (n: number) => trainingStep(n === 3 ? [{ ...sft[0]!, loss: poisoned }] : sft, [single(`q${n}`, 5, 7)])
    await expect(train({ policy, config, totalSteps: 6, folder, title: 'align "x"', step })).rejects.toMatchObject({
      code: 'PLUMB_NON_FINITE_LOSS',
      where: 'align "x", q3',
      message: expect.stringMatching(
        /step 4 of 6; the weights are those of step 3\. The last good checkpoint is that of step 2\./,
      ) as string,
    })
    expect(await readdir(path.join(folder, 'checkpoints'))).toEqual(['step-2'])
  })

  it('does not call weights those of a step that were found not to be finite', async () => {
    const policy = await open()
    policy.optimStep = async () => Promise.reject(new PlumbError('PLUMB_NON_FINITE_WEIGHTS', 'The step overflowed.'))
    const run = train({
      policy,
      config,
      totalSteps: 6,
      folder: await newFolder(),
      title: 'sft',
      step: () => trainingStep(sft, [single('q', 5, 7)]),
    })
    await expect(run).rejects.toMatchObject({
      code: 'PLUMB_NON_FINITE_WEIGHTS',
      message: 'The step overflowed. Training stopped at step 1 of 6. There is no checkpoint yet.',
    })
  })

  it('stops at a gradient norm that is not finite', async () => {
    const policy = await open()
    const huge = { ...sft[0]!, weight: 1e200 }
    const groups = Array.from({ length: 4 }, (_, n) => ({ ...single(`q${n}`, 5, 7), completions: [[7, 7, 7]], lengths: [3] }))
    const run = train({ policy, config, totalSteps: 6, folder: await newFolder(), title: 'sft', step: () => trainingStep([huge], groups) })
    await expect(run).rejects.toMatchObject({
      code: 'PLUMB_NON_FINITE_GRADIENT',
      message: expect.stringContaining('no checkpoint yet') as string,
    })
  })

  it('answers an abort in the middle of a step: saves the steps done and drops the rest', async () => {
    const whole = await open()
    const input = { config, totalSteps: 6, title: 'sft' }
    const groups = Array.from({ length: 9 }, (_, n) => single(`q${n}`, 3 + n, 5 + n))
    const step = () => trainingStep(sft, groups) // three micro-batches
    const expected = await train({ ...input, policy: whole, folder: await newFolder(), step })

    const controller = new AbortController()
    const folder = await newFolder()
    let scored = 0
    const cutting = (n: number) => {
      const { groups: tokens, objective } = step()
      return {
        groups: tokens,
        objective: (batch: Parameters<typeof objective>[0]) => {
          if (n === 3 && ++scored === 2) controller.abort()
          return objective(batch)
        },
      }
    }
    const policy = await open()
    await expect(train({ ...input, policy, folder, step: cutting, signal: controller.signal })).rejects.toMatchObject({
      code: 'PLUMB_INTERRUPTED',
      message: expect.stringContaining('step 3 of 6') as string,
    })
    expect(scored).toBe(2)
    expect(await readdir(path.join(folder, 'checkpoints'))).toEqual(['step-2', 'step-3'])
    const continued = await open()
    const actual = await train({ ...input, policy: continued, folder, step })
    expect(actual).toEqual(expected)
    expect(await weights(continued)).toEqual(await weights(whole))
  })

  it('gives the same loss and weights whatever the micro-batches', async () => {
    const groups = Array.from({ length: 7 }, (_, n) => single(`q${n}`, 3 + n, 5 + n))
    const run = async (microBatch: number) => {
      const policy = await new BigramBackend({ microBatch }).open(scratch)
      return train({ policy, config, totalSteps: 3, folder: await newFolder(), title: 'sft', step: () => trainingStep(sft, groups) })
    }
    const [one, all] = [await run(1), await run(7)]
    one.metrics.forEach((line, i) => expect(line.loss).toBeCloseTo(all.metrics[i]!.loss, 12))
  })

  it('leaves the weights alone in a step in which nothing is read', async () => {
    const nothing: AlignmentLoss = {
      manifest: sft[0]!.loss.manifest,
      loss: ({ scores }) => scores.sum(),
      needed: ({ lengths }) => lengths.map(() => false),
    }
    const policy = await open()
    const before = await weights(policy)
    const folder = await newFolder()
    const decaying = { ...config, weightDecay: 0.5 }
    const step = () => trainingStep([{ name: 'nothing', loss: nothing, weight: 1 }], [single('a', 5, 7)])
    const { metrics } = await train({ policy, config: decaying, totalSteps: 2, folder, title: 'align', step })
    expect(metrics.map(({ loss, gradNorm }) => [loss, gradNorm])).toEqual([
      [0, 0],
      [0, 0],
    ])
    expect(await weights(policy)).toEqual(before)
  })

  it('passes over groups of which no loss reads a candidate, and still counts them', () => {
    const picky: AlignmentLoss = {
      manifest: { ...sft[0]!.loss.manifest, name: 'picky', unit: 'question' },
      loss: ({ scores }) => scores.sum(),
      needed: ({ lengths }) => lengths.map((n) => n > 1),
    }
    const groups = [single('a', 5, 7), { ...single('b', 5, 7), completions: [[7, 8]], lengths: [2] }]
    const { groups: scored, objective } = trainingStep([{ name: 'picky', loss: picky, weight: 1 }], groups)
    expect(scored.map(({ id }) => id)).toEqual(['b'])
    expect(objective([{ index: 0, tokenLogProbs: [Float32Array.of(-3, -1)] }])).toMatchObject({ loss: -1, cotangents: [[0.25]] })
  })
})

async function weights(policy: Policy): Promise<TokensOf> {
  const prompts = Array.from({ length: policy.info.vocabularySize }, (_, id) => ({
    id: String(id),
    prompt: [id],
    completions: [[3], [7], [12]],
  }))
  return policy.logProbs(prompts)
}
type TokensOf = Awaited<ReturnType<Policy['logProbs']>>
