import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import type { AdamWOptions, Generation, GenerationPrompt, Objective, OpenOptions, Policy, Sampling, TokenGroup } from '@plumbline/core'
import { readModelFolder, wordLevelTokenizerConfig, wordLevelTokenizerJson } from '@plumbline/transformer'
import { GpuBackend } from '../src'
import { describeDevices } from './support/devices'

const ARCHITECTURE = {
  model_type: 'llama',
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 24,
  // Large enough that the model is sure of something.
  initializer_range: 0.8,
}
const VOCABULARY = 12
const groups: readonly TokenGroup[] = [
  { id: 'a', prompt: [1, 4, 5], completions: [[6, 7, 2], [8], [6, 7, 9, 2]] },
  { id: 'b', prompt: [1, 10], completions: [[4, 4, 4, 4, 2]], needed: [true] },
  { id: 'c', prompt: [1, 11, 6, 5, 4], completions: [[2], [5, 2]], needed: [true, false] },
]
const adamW: AdamWOptions = { learningRate: 1e-2, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.1, maxGradNorm: 1 }

/** −Σ log p / 10: the same gradient however the groups are split. */
const likelihood: Objective = (batch) => {
  let loss = 0
  const cotangents = batch.map(({ tokenLogProbs }) =>
    tokenLogProbs.map((values) => {
      loss -= (values ?? new Float32Array()).reduce((sum, value) => sum + value, 0) / 10
      return -0.1
    }),
  )
  return { loss, cotangents, metrics: { groups: batch.length } }
}

const numbers = (results: readonly (readonly (Float32Array | undefined)[])[]) =>
  results.map((group) => group.map((values) => values && [...values]))

describeDevices('a policy', (device) => {
  const folder = mkdtempSync(join(tmpdir(), 'plumbline-gpu-'))
  const tokenizer = join(folder, 'tokenizer')
  const policies: Policy[] = []
  const open = async (options: OpenOptions = {}): Promise<Policy> => {
    const policy = await new GpuBackend({ device }).open({ kind: 'scratch', architecture: ARCHITECTURE, tokenizer, seed: 5 }, options)
    policies.push(policy)
    return policy
  }
  beforeAll(async () => {
    await mkdir(tokenizer)
    await writeFile(join(tokenizer, 'tokenizer.json'), JSON.stringify(wordLevelTokenizerJson(Array.from('abcdefgh'))))
    await writeFile(join(tokenizer, 'tokenizer_config.json'), JSON.stringify(wordLevelTokenizerConfig()))
  })
  afterEach(async () => {
    for (const policy of policies.splice(0)) await policy.dispose()
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const train = async (policy: Policy, steps: number) => {
    for (let step = 0; step < steps; step++) {
      await policy.forwardBackward(groups, likelihood)
      await policy.optimStep(adamW)
    }
  }

  it('says what it is', async () => {
    expect((await open()).info).toMatchObject({
      architecture: 'llama',
      contextLength: 24,
      vocabularySize: VOCABULARY,
      engine: expect.stringMatching(/^gpu \(/),
    })
  })

  it('scores what is needed and nothing else', async () => {
    const found = await (await open()).logProbs(groups)
    expect(found.map((group) => group.map((values) => values?.length))).toEqual([[3, 1, 4], [5], [1, undefined]])
  })

  it('gives log-probs that sum to one over the vocabulary', async () => {
    const policy = await open()
    const [all] = await policy.logProbs([{ id: 'x', prompt: [1, 4], completions: Array.from({ length: VOCABULARY }, (_, id) => [7, id]) }])
    expect(all!.reduce((sum, values) => sum + Math.exp(values![1]!), 0)).toBeCloseTo(1, 5)
  })

  it('takes the same step however the groups are split', async () => {
    const [whole, split] = [await open(), await open({ microBatchTokens: 6 })]
    const [one, many] = [await whole.forwardBackward(groups, likelihood), await split.forwardBackward(groups, likelihood)]
    expect(one.microBatches).toBe(1)
    expect(many.microBatches).toBeGreaterThan(1)
    expect(many.loss).toBeCloseTo(one.loss, 5)
    expect(many.metrics).toEqual(one.metrics)
    expect(many.completionTokens).toBe(14)
    const norms = [await whole.optimStep(adamW), await split.optimStep(adamW)].map(({ gradNorm }) => gradNorm)
    expect(norms[1]! / norms[0]!).toBeCloseTo(1, 5)
    const [a, b] = [numbers(await whole.logProbs(groups)), numbers(await split.logProbs(groups))]
    for (const [i, value] of a.flat(2).entries()) if (value !== undefined) expect(b.flat(2)[i]).toBeCloseTo(value, 4)
  })

  it('adds nothing for completions without a cotangent', async () => {
    const [all, some] = [await open(), await open()]
    const only: Objective = (batch) => ({
      loss: 0,
      cotangents: batch.map(({ tokenLogProbs }) => tokenLogProbs.map((_, c) => (c === 0 ? -1 : 0))),
    })
    await all.forwardBackward(groups, only)
    await some.forwardBackward(
      groups.map(({ id, prompt, completions }) => ({ id, prompt, completions: completions.slice(0, 1) })),
      only,
    )
    expect((await all.optimStep(adamW)).gradNorm).toBeCloseTo((await some.optimStep(adamW)).gradNorm, 4)
  })

  it('drops the step and names the group when the loss is not finite', async () => {
    const policy = await open()
    const before = numbers(await policy.logProbs(groups))
    await policy.forwardBackward(groups, likelihood)
    await expect(policy.forwardBackward(groups.slice(0, 1), () => ({ loss: NaN, cotangents: [[0, 0, 0]] }))).rejects.toMatchObject({
      code: 'PLUMB_NON_FINITE_LOSS',
      where: 'group a',
    })
    expect((await policy.optimStep({ ...adamW, weightDecay: 0 })).gradNorm).toBe(0)
    expect(numbers(await policy.logProbs(groups))).toEqual(before)
  })

  it('answers an abort and drops what was accumulated', async () => {
    const policy = await open()
    const abort = new AbortController()
    const aborting: Objective = (batch) => {
      abort.abort(new Error('enough'))
      return likelihood(batch)
    }
    await expect(policy.forwardBackward(groups, aborting, { signal: abort.signal })).rejects.toThrow('enough')
    expect((await policy.optimStep(adamW)).gradNorm).toBe(0)
  })

  it('keeps a snapshot as it was', async () => {
    const policy = await open()
    const before = numbers(await policy.logProbs(groups))
    const frozen = await policy.snapshot()
    await train(policy, 2)
    expect(numbers(await policy.logProbs(groups))).not.toEqual(before)
    expect(numbers(await frozen.logProbs(groups))).toEqual(before)
    await frozen.dispose()
  })

  it('continues from a saved state bit for bit', async () => {
    const policy = await open()
    await train(policy, 2)
    const state = join(folder, 'state')
    await policy.saveState(state)
    await train(policy, 2)
    const straight = numbers(await policy.logProbs(groups))
    const resumed = await open()
    await resumed.loadState(state)
    await train(resumed, 2)
    expect(numbers(await resumed.logProbs(groups))).toEqual(straight)
    await expect(resumed.loadState(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'PLUMB_STATE_NOT_FOUND' })
  })

  it('leaves what is frozen as it is, bit for bit, trains the rest as without freezing, and goes on from a saved state with it', async () => {
    const isFrozen = (name: string) => /^model\.(embed_tokens|layers\.0)\.|norm/.test(name)
    const trainee = async () => {
      const policy = await open()
      await policy.prepareTraining!({ freeze: ['model.embed_tokens.*', 'model.layers.{0..0}.*', '*norm*'] })
      return policy
    }
    const weightsOf = async (policy: Policy, name: string) => {
      await policy.saveWeights(join(folder, name))
      return (await readModelFolder(join(folder, name))).weights
    }
    const free = await open()
    const before = await weightsOf(free, 'frozen-before')
    // no clipping: its factor is the norm's, which differs; no second moment: a step is the gradient, or its sign
    const plain: AdamWOptions = { learningRate: 1e2, betas: [0, 0], epsilon: 1e4, weightDecay: 0 }
    const first = await trainee()
    for (const policy of [free, first]) {
      await policy.forwardBackward(groups, likelihood)
      await policy.optimStep(plain)
    }
    const [moved, held] = [await weightsOf(free, 'free-after'), await weightsOf(first, 'frozen-after')]
    for (const [name, { data }] of held) {
      expect([name, [...data]]).toEqual([name, [...(isFrozen(name) ? before : moved).get(name)!.data]])
      expect([name, [...moved.get(name)!.data]]).not.toEqual([name, [...before.get(name)!.data]])
    }

    await train(first, 2)
    const state = join(folder, 'frozen-state')
    await first.saveState(state)
    await train(first, 2)
    const second = await trainee()
    await second.loadState(state)
    await train(second, 2)
    expect(numbers(await second.logProbs(groups))).toEqual(numbers(await first.logProbs(groups)))
    for (const [name, { data }] of await weightsOf(second, 'frozen-end')) {
      if (isFrozen(name)) expect([name, [...data]]).toEqual([name, [...before.get(name)!.data]])
    }
    await expect(free.loadState(state)).rejects.toMatchObject({ code: 'PLUMB_STATE_MODEL_DIFFERS' })
  })

  it('saves a model folder that opens to the same scores', async () => {
    const policy = await open()
    await train(policy, 1)
    const path = join(folder, 'saved')
    await policy.saveWeights(path)
    const again = await new GpuBackend({ device }).open({ kind: 'folder', path })
    policies.push(again)
    expect(numbers(await again.logProbs(groups))).toEqual(numbers(await policy.logProbs(groups)))
  })

  const prompts: readonly GenerationPrompt[] = [
    { id: 'p', prompt: [1, 4, 5], candidates: [0, 1, 2] },
    { id: 'q', prompt: [1, 6, 7, 8, 9, 10], candidates: [0, 2] },
  ]
  const sampling: Sampling = { seed: 3, temperature: 1, maxNewTokens: 8 }
  const collect = async (policy: Policy, asked: readonly GenerationPrompt[], how: Sampling) => {
    const found: Generation[] = []
    for await (const generation of policy.generate(asked, how)) found.push(generation)
    return found.sort((a, b) => a.id.localeCompare(b.id) || a.candidate - b.candidate)
  }

  it('decodes greedily what scoring finds likeliest at every position', async () => {
    const policy = await open()
    for (const { id, tokens } of await collect(policy, prompts, { ...sampling, temperature: 0, maxNewTokens: 5 })) {
      const { prompt } = prompts.find((asked) => asked.id === id)!
      const everyNext = (t: number) => Array.from({ length: VOCABULARY }, (_, next) => [...tokens.slice(0, t), next])
      const scores = await policy.logProbs(tokens.map((_, t) => ({ id, prompt, completions: everyNext(t) })))
      for (const [t, token] of tokens.entries()) {
        const last = scores[t]!.map((values) => values!.at(-1)!)
        expect(last[token]).toBeGreaterThanOrEqual(Math.max(...last) - 1e-5)
      }
    }
  })

  it('samples each candidate the same whatever is asked for beside it', async () => {
    const policy = await open()
    const together = await collect(policy, prompts, sampling)
    expect(together.map(({ id, candidate }) => `${id}${candidate}`)).toEqual(['p0', 'p1', 'p2', 'q0', 'q2'])
    expect(new Set(together.map(({ tokens }) => tokens.join())).size).toBeGreaterThan(1)
    const apart = await Promise.all(prompts.flatMap((p) => p.candidates.map((c) => collect(policy, [{ ...p, candidates: [c] }], sampling))))
    expect(apart.flat()).toEqual(together)
  })

  it('stops sampling when told to', async () => {
    const policy = await open()
    const abort = new AbortController()
    const run = async () => {
      for await (const { tokens } of policy.generate(prompts, { ...sampling, maxNewTokens: 18 }, { signal: abort.signal })) {
        abort.abort(new Error(`enough after ${tokens.length}`))
      }
    }
    await expect(run()).rejects.toThrow(/^enough after \d+$/)
  })

  it.each([
    [{ id: 'x', prompt: [], completions: [[4]] }, 'PLUMB_EMPTY_PROMPT'],
    [{ id: 'x', prompt: [1], completions: [[]] }, 'PLUMB_EMPTY_COMPLETION'],
    [{ id: 'x', prompt: [1], completions: [[VOCABULARY]] }, 'PLUMB_TOKEN_OUT_OF_RANGE'],
    [{ id: 'x', prompt: Array<number>(20).fill(4), completions: [[4, 4, 4, 4, 2]] }, 'PLUMB_CONTEXT_EXCEEDED'],
  ])('refuses %j', async (group, code) => {
    const policy = await open()
    await expect(policy.logProbs([group])).rejects.toMatchObject({ code, where: 'group x' })
  })

  it.each([
    ['leaves no room', Array<number>(24).fill(4), 'PLUMB_CONTEXT_EXCEEDED'],
    ['has no tokens', [], 'PLUMB_EMPTY_PROMPT'],
    ['has a token of another vocabulary', [1, VOCABULARY], 'PLUMB_TOKEN_OUT_OF_RANGE'],
  ])('refuses to continue a prompt that %s', async (_, prompt, code) => {
    const policy = await open()
    await expect(collect(policy, [{ id: 'x', prompt, candidates: [0] }], sampling)).rejects.toMatchObject({ code, where: 'prompt x' })
  })

  it('leaks no tensor, and leaves the backend that losses run on current', async () => {
    const before = tf.memory().numTensors
    const current = tf.getBackend()
    const policy = await open()
    await train(policy, 2)
    await collect(policy, prompts, sampling)
    await policy.generate(prompts, sampling)[Symbol.asyncIterator]().return?.()
    const left = policy.generate(prompts, sampling)[Symbol.asyncIterator]()
    await left.next()
    await left.return?.()
    await (await policy.snapshot()).dispose()
    await policies.pop()!.dispose()
    expect(tf.memory().numTensors).toBe(before)
    expect(tf.getBackend()).toBe(current)
  })
})
