import { PlumbError, type Generation, type Policy } from '@plumbline/core'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readModelFolder, writeSafetensors } from '@plumbline/transformer'
import { OnnxBackend, onnxOptions } from '../src'
import { EngineClient } from '../src/worker/client'
import { explainedError, restoreError, serializeError } from '../src/worker/errors'
import type { Response } from '../src/worker/rpc'
import { EngineTeam } from '../src/worker/team'
import { TinyModel } from './support/tiny'

const sampling = { maxNewTokens: 4, temperature: 1, topP: 1, topK: 0, seed: 1, stop: [] } as const
const prompt = (id: string, ...tokens: number[]) => ({ id, prompt: tokens, candidates: [0, 1] })
const read = async (generations: AsyncIterable<Generation>) => {
  const all: Generation[] = []
  for await (const one of generations) all.push(one)
  return all
}

describe('an error that crosses from an engine', () => {
  const crossed = (error: unknown) => restoreError(structuredClone(serializeError(error)))

  it('keeps what the operating system said', () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
      code: 'ENOSPC', errno: -28, syscall: 'write', path: '/runs/a/model.safetensors', dest: '/runs/b', irrelevant: () => 0,
    }) // prettier-ignore
    const error = crossed(full)
    expect(error).toBeInstanceOf(Error)
    expect(Object.assign({}, error, { message: error.message, name: error.name, stack: error.stack })).toEqual({
      code: 'ENOSPC', errno: -28, syscall: 'write', path: '/runs/a/model.safetensors', dest: '/runs/b',
      message: full.message, name: 'Error', stack: full.stack,
    }) // prettier-ignore
  })

  it('stays a PlumbError with its place and its causes', () => {
    const root = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES', path: '/m/config.json' })
    const error = crossed(new PlumbError('PLUMB_MODEL_CONFIG', 'It cannot be read.', '/m/config.json', { cause: root }))
    expect(error).toBeInstanceOf(PlumbError)
    expect(error).toMatchObject({ code: 'PLUMB_MODEL_CONFIG', message: 'It cannot be read.', where: '/m/config.json' })
    expect(error.cause).toMatchObject({ code: 'EACCES', path: '/m/config.json', message: 'EACCES: permission denied' })
  })

  it('does not follow causes in a circle, and makes an error of what is none', () => {
    const circle = new Error('a')
    circle.cause = circle
    expect(crossed(circle).message).toBe('a')
    expect(crossed('text')).toMatchObject({ name: 'Error', message: 'text' })
  })
})

describe('what the system refuses', () => {
  it.each([
    ['WebAssembly.Memory(): could not allocate memory', RangeError, 'PLUMB_OUT_OF_MEMORY'],
    ['Array buffer allocation failed', RangeError, 'PLUMB_OUT_OF_MEMORY'],
    ['std::bad_alloc', Error, 'PLUMB_OUT_OF_MEMORY'],
    ['Failed to allocate memory for requested buffer of size 4096', Error, 'PLUMB_OUT_OF_MEMORY'],
    ['pthread_create failed, error code: 11 error msg: Resource temporarily unavailable', Error, 'PLUMB_SYSTEM'],
    ['Worker initialization failure: EAGAIN', Error, 'PLUMB_SYSTEM'],
  ])('%s', (message, Kind, code) => {
    const cause = new Kind(message)
    const error = explainedError(cause, { threads: 3, parameters: 1234 }) as PlumbError
    expect(error).toMatchObject({ code, cause })
    expect(error.message).toContain(code === 'PLUMB_SYSTEM' ? 'an engine of 3' : '1234 parameters')
  })

  it('leaves other errors as they are', () => {
    for (const error of [new Error('The graph’s input x was not fed'), new PlumbError('PLUMB_X', 'bad_alloc')]) {
      expect(explainedError(error, { threads: 1 })).toBe(error)
    }
  })

  it('threads and engines beyond every machine are refused before one is started', async () => {
    expect(onnxOptions.safeParse({ threads: 100_000 }).success).toBe(false)
    const scratch = { kind: 'folder', path: model.path } as const
    await expect(new OnnxBackend().open(scratch, { threads: 100_000 })).rejects.toMatchObject({
      code: 'PLUMB_TOO_MANY_THREADS',
      where: 'backend.threads',
      message: expect.stringContaining('at most 256') as unknown,
    })
    const constrained = jest.spyOn(process, 'constrainedMemory').mockReturnValue(2 ** 30)
    await expect(new OnnxBackend({ threads: 100, engines: 100 }).open(scratch)).rejects.toMatchObject({
      code: 'PLUMB_OUT_OF_MEMORY',
      where: 'backend.engines',
      message: expect.stringMatching(
        /^100 engines with 156480 parameters each need 3\.4 GiB in training; this machine has 1\.0\./,
      ) as unknown,
    })
    constrained.mockRestore()
  })
})

const model = new TinyModel(new OnnxBackend({ threads: 2, engines: 2 }))
afterAll(() => model.dispose())

describe('two engines', () => {
  let policy: Policy
  beforeAll(async () => {
    // Token 9 has a row that is not a number: only what reads it fails.
    const { weights } = await readModelFolder(model.path)
    const table = weights.get('model.embed_tokens.weight')!
    const broken = table.data.slice()
    broken.fill(NaN, 9 * table.shape[1]!, 10 * table.shape[1]!)
    await writeSafetensors(
      join(model.path, 'model.safetensors'),
      new Map([...weights, ['model.embed_tokens.weight', { ...table, data: broken }]]),
    )
    policy = await model.open()
  })

  it.each([
    ['first', [prompt('bad', 1, 9), prompt('good', 1, 5)]],
    ['second', [prompt('good', 1, 5), prompt('bad', 1, 9)]],
  ])('an error of the %s is told, not that the other was stopped', async (_, prompts) => {
    for (let i = 0; i < 3; i++) {
      await expect(read(policy.generate(prompts, { ...sampling, maxNewTokens: 60 }))).rejects.toMatchObject({
        code: 'PLUMB_NON_FINITE_LOGITS',
        where: expect.stringContaining('bad') as unknown,
      })
    }
    expect(await read(policy.generate([prompt('good', 1, 5)], sampling))).toHaveLength(2)
  })

  it('a score that is not finite names its group and completion, and training such a model is refused by the tensor', async () => {
    const groups = [
      { id: 'good', prompt: [1, 5], completions: [[6, 2]] },
      { id: 'bad', prompt: [1, 5], completions: [[6, 2], [9, 9, 2]] },
    ] // prettier-ignore
    await expect(policy.logProbs(groups)).rejects.toMatchObject({
      code: 'PLUMB_NON_FINITE_LOGITS',
      where: 'group bad',
      message: "A log-probability of completion 1 is not finite; expected finite numbers from the model's logits.",
    })
    const snapshot = await policy.snapshot()
    await expect(snapshot.logProbs(groups)).rejects.toMatchObject({ code: 'PLUMB_NON_FINITE_LOGITS', where: 'group bad' })
    const [[scored]] = (await policy.logProbs([{ ...groups[1]!, needed: [true, false] }])) as [[Float32Array]]
    expect(scored.every(Number.isFinite)).toBe(true)
    await expect(policy.prepareTraining?.({})).rejects.toMatchObject({
      code: 'PLUMB_NON_FINITE_WEIGHTS',
      message: 'Tensor model.embed_tokens.weight holds numbers that are not finite; training would spread them.',
    })
  })

  it('the first error in time is told, whatever the order of the engines', async () => {
    const clients = [0, 1].map(
      () => new EngineClient({ listen: () => undefined, post: () => undefined, ref: () => undefined, unref: () => undefined }),
    )
    const team = new (EngineTeam as unknown as new (engines: readonly EngineClient[]) => EngineTeam)(clients)
    const late = team.share([1, 2], async (_, item) => {
      if (item === 2) throw new Error('the real one')
      await new Promise((resolve) => setTimeout(resolve, 20))
      throw new Error('its consequence')
    })
    await expect(late).rejects.toThrow('the real one')
  })
})

describe('a step that leaves numbers which are not finite', () => {
  it('is told, is not saved, and the checkpoint before it goes on', async () => {
    const sound = new TinyModel(new OnnxBackend({ threads: 2, engines: 2 }))
    const policy = await sound.open()
    const groups = [{ id: 'a', prompt: [1, 5], completions: [[6, 7, 2]] }]
    const adamW = { learningRate: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 } as const
    const gradients = () => policy.forwardBackward(groups, (batch) => ({ loss: 0, cotangents: batch.map(() => [-1]) }))
    const state = join(sound.folder, 'state')
    await gradients()
    await policy.optimStep(adamW)
    await policy.saveState(state)
    const before = await policy.logProbs(groups)
    await gradients()
    await expect(policy.optimStep({ ...adamW, learningRate: 1e39 })).rejects.toMatchObject({
      code: 'PLUMB_NON_FINITE_WEIGHTS',
      message: expect.stringMatching(/^Optimizer step 2 with the learning rate 1e\+39 made weights or moments of model\.\S+/) as unknown,
    })
    const refused = { code: 'PLUMB_NON_FINITE_WEIGHTS' }
    await expect(policy.saveWeights(join(sound.folder, 'saved'))).rejects.toMatchObject(refused)
    await expect(policy.saveState(state)).rejects.toMatchObject(refused)
    expect(existsSync(join(sound.folder, 'saved'))).toBe(false)
    await expect(policy.logProbs(groups)).rejects.toMatchObject({ code: 'PLUMB_NON_FINITE_LOGITS', where: 'group a' })
    await policy.loadState(state)
    expect(await policy.logProbs(groups)).toEqual(before)
    await sound.dispose()
  })
})

describe('a call that waits for its turn', () => {
  it('rejects when it is aborted there, and does not end as if there were nothing to say', async () => {
    const policy = await model.open()
    const controller = new AbortController()
    const before = read(policy.generate([prompt('long', 1, 5)], { ...sampling, maxNewTokens: 40 }))
    const waiting = read(policy.generate([prompt('waits', 1, 6)], sampling, { signal: controller.signal }))
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    expect(await before).toHaveLength(2)
  })
})

describe('an engine’s thread', () => {
  it('that dies says why, and the failed step does not hide it', () => {
    let deliver: ((response: Response) => void) | undefined
    let fail: ((error: Error) => void) | undefined
    const client = new EngineClient({
      listen: ({ message, failed }) => {
        deliver = message
        fail = failed
      },
      post: () => undefined,
      ref: () => undefined,
      unref: () => undefined,
    })
    const call = client.call('drop')
    fail?.(Object.assign(new Error('Worker terminated due to reaching memory limit'), { code: 'ERR_WORKER_OUT_OF_MEMORY' }))
    expect(deliver).toBeDefined()
    return expect(call).rejects.toMatchObject({ code: 'PLUMB_OUT_OF_MEMORY' })
  })
})
