import { availableParallelism } from 'node:os'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Generation, Objective, Policy, TokenGroup } from '@plumbline/core'
import { readModelFolder } from '@plumbline/transformer'
import { OnnxBackend } from '../src'
import { TinyModel, tinyGroups, tokenGroups } from './support/tiny'

const adamW = { learningRate: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01, maxGradNorm: 1 } as const
const groups = tokenGroups(tinyGroups.slice(0, 4))
const likelihood: Objective = (batch) => ({
  loss: -batch.reduce((sum, { tokenLogProbs }) => sum + tokenLogProbs.reduce((s, v) => s + (v?.reduce((a, b) => a + b, 0) ?? 0), 0), 0),
  cotangents: batch.map(({ tokenLogProbs }) => tokenLogProbs.map(() => -1)),
  metrics: { groups: batch.length },
})

describe('OnnxPolicy', () => {
  const model = new TinyModel()
  let policy: Policy
  beforeAll(async () => (policy = await model.open()))
  afterAll(() => model.dispose())

  const step = async (one: Policy, objective = likelihood) => {
    const report = await one.forwardBackward(groups, objective)
    return { ...report, ...(await one.optimStep(adamW)) }
  }

  it('says what it is', () => {
    expect(policy.info).toMatchObject({ engine: 'onnx (CPU, 1 thread)', architecture: 'llama', parameters: 156_480, vocabularySize: 512 })
  })

  it('reports what it computed, and computes prompts once', async () => {
    const report = await policy.forwardBackward(groups, likelihood)
    const completionTokens = groups.flatMap(({ completions }) => completions).reduce((n, c) => n + c.length, 0)
    const computed = groups.reduce((n, { prompt, completions }) => n + prompt.length + completions.reduce((m, c) => m + c.length - 1, 0), 0)
    expect(report).toMatchObject({ completionTokens, computedTokens: computed, microBatches: 1, metrics: { groups: 4 } })
    await policy.optimStep({ ...adamW, learningRate: 0, weightDecay: 0 })
  })

  it('tells who watches a completion all its tokens so far, and samples what it samples unwatched', async () => {
    const requests = groups.slice(0, 2).map(({ id, prompt }) => ({ id, prompt, candidates: [0, 1] }))
    const sampling = { seed: 3, temperature: 1, maxNewTokens: 7 }
    const sampled = async (onTokens?: (partial: Pick<Generation, 'id' | 'candidate' | 'tokens'>) => void) => {
      const found = new Map<string, Generation>()
      for await (const one of policy.generate(requests, sampling, { onTokens })) found.set(`${one.id}/${one.candidate}`, one)
      return found
    }
    const told = new Map<string, number[][]>()
    const watched = await sampled(({ id, candidate, tokens }) => {
      told.set(`${id}/${candidate}`, [...(told.get(`${id}/${candidate}`) ?? []), [...tokens]])
    })
    expect(watched.size).toBe(4)
    for (const [key, { tokens }] of watched) expect(told.get(key) ?? []).toEqual(tokens.slice(1).map((_, t) => tokens.slice(0, t + 1)))
    const unwatched = await sampled()
    for (const [key, one] of watched) expect(unwatched.get(key)).toEqual(one)
  })

  it('leaves out what is not needed', async () => {
    const needed = groups[0]!.completions.map((_, i) => i === 1)
    const [scored, all] = [await policy.logProbs([{ ...groups[0]!, needed }]), await policy.logProbs([groups[0]!])]
    expect(scored[0]!.map((values) => values !== undefined)).toEqual(needed)
    for (const [i, value] of scored[0]![1]!.entries()) expect(Math.abs(value - all[0]![1]![i]!)).toBeLessThan(1e-5)
  })

  it('takes the same step with small micro-batches, recomputed activations, and in a second process of the same kind', async () => {
    const reference = await model.open()
    await step(reference)
    const expected = await reference.logProbs(groups)
    for (const options of [{ microBatchTokens: 20 }, { activationMemory: 'recompute' }, {}] as const) {
      const other = await model.open(options)
      const { microBatches } = await step(other)
      expect(microBatches).toBe('microBatchTokens' in options ? 4 : 1)
      const found = await other.logProbs(groups)
      for (const [g, completions] of expected.entries()) {
        for (const [c, values] of completions.entries()) {
          for (const [t, value] of values!.entries()) expect(Math.abs(found[g]![c]![t]! - value)).toBeLessThan(2e-4)
        }
      }
      if (Object.keys(options).length === 0) expect(found).toEqual(expected)
    }
  })

  it('continues from a saved state bit for bit', async () => {
    const first = await model.open()
    await step(first)
    const folder = join(model.folder, 'state')
    await first.saveState(folder)
    await step(first)
    const second = await model.open()
    await second.loadState(folder)
    await step(second)
    expect(await second.logProbs(groups)).toEqual(await first.logProbs(groups))
    await first.saveState(folder)
    expect(existsSync(`${folder}.tmp`) || existsSync(`${folder}.old`)).toBe(false)
  })

  it('leaves what is frozen as it is, bit for bit, and goes on from a saved state with it', async () => {
    const freeze = ['model.embed_tokens.*', 'model.layers.{0..0}.*']
    const isFrozen = (name: string) => /^model\.(embed_tokens|layers\.0)\./.test(name)
    const decaying = { ...adamW, weightDecay: 0.1 }
    const trainee = async () => {
      const one = await model.open()
      await one.prepareTraining!({ freeze })
      return one
    }
    const stepOf = async (one: Policy) => {
      await one.forwardBackward(groups, likelihood)
      return one.optimStep(decaying)
    }
    const first = await trainee()
    await stepOf(first)
    const [state, saved] = [join(model.folder, 'frozen-state'), join(model.folder, 'frozen-model')]
    await first.saveState(state)
    await stepOf(first)
    await first.saveWeights(saved)
    const [before, after] = [(await readModelFolder(model.path)).weights, (await readModelFolder(saved)).weights]
    expect([...after.keys()].some(isFrozen)).toBe(true)
    for (const [name, { data }] of after)
      expect([name, Buffer.compare(bytes(data), bytes(before.get(name)!.data)) === 0]).toEqual([name, isFrozen(name)])

    const second = await trainee()
    await second.loadState(state)
    await stepOf(second)
    expect(await second.logProbs(groups)).toEqual(await first.logProbs(groups))
    // moments of what is frozen here, or none of what is trained here
    await expect((await model.open()).loadState(state)).rejects.toMatchObject({ code: 'PLUMB_STATE_MODEL_DIFFERS' })
    const free = await model.open()
    await free.saveState(state)
    await expect((await trainee()).loadState(state)).rejects.toMatchObject({ code: 'PLUMB_STATE_MODEL_DIFFERS' })
  })

  it('refuses states that are not there or not its own, and folders that are something else', async () => {
    await expect(policy.loadState(join(model.folder, 'nowhere'))).rejects.toMatchObject({ code: 'PLUMB_STATE_NOT_FOUND' })
    const bad = join(model.folder, 'bad')
    mkdirSync(bad)
    writeFileSync(join(bad, 'notes.txt'), 'mine')
    await expect(policy.saveState(bad)).rejects.toMatchObject({ code: 'PLUMB_STATE_FOLDER_TAKEN' })
  })

  it('saves weights as a model folder', async () => {
    const one = await model.open()
    await step(one)
    const folder = join(model.folder, 'saved')
    await one.saveWeights(folder)
    const other = await new OnnxBackend({ threads: 1 }).open({ kind: 'folder', path: folder })
    expect(await other.logProbs(groups)).toEqual(await one.logProbs(groups))
    await other.dispose()
    expect((await readModelFolder(folder)).config.hiddenSize).toBe(64)
  })

  it('keeps a snapshot while training goes on', async () => {
    const one = await model.open()
    const before = await one.logProbs(groups)
    const frozen = await one.snapshot()
    await step(one)
    expect(await frozen.logProbs(groups)).toEqual(before)
    expect(await one.logProbs(groups)).not.toEqual(before)
    await frozen.dispose()
  })

  it('stops between micro-batches when aborted and drops the gradients', async () => {
    const one = await model.open({ microBatchTokens: 20 })
    const controller = new AbortController()
    let calls = 0
    const abortAfterOne: Objective = (batch) => {
      if (++calls === 1) controller.abort(new Error('enough'))
      return likelihood(batch)
    }
    await expect(one.forwardBackward(groups, abortAfterOne, { signal: controller.signal })).rejects.toThrow('enough')
    expect(calls).toBe(1)
    expect((await one.optimStep(adamW)).gradNorm).toBe(0)
  })

  it('names the group of a loss that is not finite and drops the gradients', async () => {
    const broken: Objective = (batch) => {
      const result = likelihood(batch)
      return { ...result, cotangents: result.cotangents.map((own, i) => (i === 2 ? own.map(() => NaN) : own)) }
    }
    const failure = { code: 'PLUMB_NON_FINITE_LOSS', where: `group ${groups[2]!.id}` }
    await expect(policy.forwardBackward(groups, broken)).rejects.toMatchObject(failure)
    expect((await policy.optimStep({ ...adamW, learningRate: 0, weightDecay: 0 })).gradNorm).toBe(0)
  })

  it.each<[string, TokenGroup]>([
    ['PLUMB_EMPTY_PROMPT', { id: 'g', prompt: [], completions: [[1]] }],
    ['PLUMB_EMPTY_COMPLETION', { id: 'g', prompt: [1], completions: [[1], []] }],
    ['PLUMB_CONTEXT_EXCEEDED', { id: 'g', prompt: new Array<number>(250).fill(1), completions: [new Array<number>(7).fill(1)] }],
    ['PLUMB_TOKEN_OUT_OF_RANGE', { id: 'g', prompt: [512], completions: [[1]] }],
  ])('refuses bad input: %s', async (code, group) => {
    await expect(policy.logProbs([group])).rejects.toMatchObject({ code })
  })

  it('refuses a device it does not have', async () => {
    await expect(model.open({ device: 'tpu' })).rejects.toMatchObject({ code: 'PLUMB_DEVICE_UNSUPPORTED' })
    expect(await new OnnxBackend({ device: 'tpu' }).probe()).toMatchObject({ usable: false })
    expect(await new OnnxBackend({ threads: 1 }).probe()).toMatchObject({ usable: true, device: 'CPU, 1 thread' })
    const cores = availableParallelism()
    const many = await new OnnxBackend({ threads: cores + 1 }).probe()
    expect(many.device).toBe(`CPU, ${cores + 1} threads on ${cores} ${cores === 1 ? 'core' : 'cores'}`)
  })

  it('lets the process end, disposed or not', () => {
    const entry = JSON.stringify(join(__dirname, '../dist/index.js'))
    const path = JSON.stringify(model.path)
    for (const last of ['policy.dispose()', 'null']) {
      const script = `const { OnnxBackend } = require(${entry}); (async () => { const policy = await new OnnxBackend({ threads: 1 }).open({ kind: 'folder', path: ${path} }); await policy.logProbs([{ id: 'a', prompt: [1], completions: [[2, 3]] }]); await ${last}; console.log('done') })()`
      const run = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', timeout: 50_000 })
      expect({ status: run.status, stdout: run.stdout, stderr: run.stderr }).toEqual({ status: 0, stdout: 'done\n', stderr: '' })
    }
  })
})

const bytes = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength)
