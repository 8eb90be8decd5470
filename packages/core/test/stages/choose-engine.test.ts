import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import {
  chooseEngine,
  evaluateOn,
  explain,
  runConfig,
  withAskable,
  withConfig,
  withTrained,
  type BackendProbe,
  type DeviceUse,
  type DeviceVerdict,
  type RunConfigOptions,
} from '../../src'
import { BigramBackend } from '../support/bigram-backend'
import { filesBelow, registryOf, world, type World } from '../support/world'

const training = { steps: 2, batchSize: 4, learningRate: 0.05 }
const config = {
  backend: 'auto',
  sft: training,
  align: [{ ...training, name: 'stay', losses: [{ loss: 'sft' }, { loss: 'stay' }] }],
  sample: { k: 2, maxNewTokens: 4 },
  evaluate: { maxNewTokens: 4 },
  lengths: { maxPromptTokens: 10, maxCompletionTokens: 7 },
}
const GPU: BackendProbe = { usable: true, device: 'a GPU', kind: 'fast', detail: '', accelerated: true }
const MEASURED = 'a step took 10 ms there and 40 ms here'

const slower: DeviceVerdict = { outcome: 'slower', found: 'a step took 40 ms there and 10 ms here' }
const failed: DeviceVerdict = { outcome: 'failed', found: 'the driver crashed' }
const unasked: DeviceVerdict = { outcome: 'unasked' }

/** A world whose backend has another device, of which `answers` says in turn what is found. */
async function withDevice(answers: readonly (DeviceVerdict | 'faster')[], probe = GPU) {
  const made = await world({ config })
  const gpu = Object.assign(new BigramBackend(), { probe: async () => probe })
  const asked: DeviceUse[] = []
  const left = [...answers]
  const fasterDevice = async (_: unknown, use: DeviceUse): Promise<DeviceVerdict> => {
    asked.push(use)
    const next = left.shift()
    if (next === undefined) throw new Error('the device was asked for once too often')
    return next === 'faster' ? { outcome: 'faster', backend: gpu, probe, found: MEASURED } : next
  }
  Object.assign(made.backend, { fasterDevice })
  return { made, gpu, asked, next: (...more: readonly (DeviceVerdict | 'faster')[]) => void left.push(...more) }
}

async function run(made: World, options: Partial<RunConfigOptions> = {}) {
  const said: string[] = []
  const reused: string[] = []
  const onEvent: RunConfigOptions['onEvent'] = (event) => {
    if (event.type === 'notice' && event.message.startsWith('backend auto')) said.push(event.message)
    if (event.type === 'stage-reused') reused.push(event.stage)
  }
  await runConfig({ ...made, last: 'sft', onEvent, ...options })
  return { said, reused }
}

/** The kinds of devices that the stages in the run folder were computed on. */
async function kindsOf({ config: { run: folder } }: World): Promise<string[]> {
  const kinds = new Set<string>()
  for (const name of await readdir(folder)) {
    const text = await readFile(path.join(folder, name, 'done.json'), 'utf8').catch(() => undefined)
    if (text === undefined) continue
    const { determinedBy } = JSON.parse(text) as { determinedBy: { backend?: { device: string } } }
    if (determinedBy.backend) kinds.add(determinedBy.backend.device)
  }
  return [...kinds].sort()
}

const remembered = (made: World) => readFile(path.join(made.config.run, 'device.json'), 'utf8').catch(() => undefined)

describe('backend: auto, where the backend has another device', () => {
  it('takes it where it is faster, says so and how to have either, and computes every stage there', async () => {
    const { made, gpu, asked } = await withDevice(['faster'])
    const { said } = await run(made, { last: 'evaluate' })
    expect(said).toEqual([
      `backend auto: a GPU is taken: ${MEASURED}; backend: { name: bigram, device: fast } always takes it, backend: { name: bigram, device: memory } never`,
    ])
    expect([await kindsOf(made), made.backend.opened, gpu.opened > 0]).toEqual([['fast'], 0, true])
    // What is asked for: as the sections train, and no text longer than the lengths let it be.
    expect(asked).toEqual([{ plans: [{}, {}], longest: 17, isKnownFaster: false, signal: undefined }])
  })

  it('keeps to what was measured: the next run has the same device and reuses what is there', async () => {
    const { made, asked, next } = await withDevice(['faster'])
    await run(made)
    next('faster')
    const { said, reused } = await run(made)
    expect(reused).toEqual(['sft'])
    expect(said).toEqual([
      expect.stringMatching(/^backend auto: a GPU, as device\.json in the run folder has it from before \(a step took/),
    ])
    expect(asked.map(({ isKnownFaster }) => isKnownFaster)).toEqual([false, true])
  })

  it('stays where it is where the other is slower, and does not measure again', async () => {
    const { made, asked } = await withDevice([slower])
    expect((await run(made)).said).toEqual(['backend auto: memory, 1 thread is taken: a step took 40 ms there and 10 ms here'])
    expect((await run(made)).said).toEqual([
      'backend auto: memory, 1 thread, as device.json in the run folder has it from before (a step took 40 ms there and 10 ms here); without that file it is measured again',
    ])
    expect([await kindsOf(made), asked.length]).toEqual([['memory'], 1])
  })

  it('stays where it is where the other cannot be measured, which is not remembered; stages that are there then decide', async () => {
    const { made, asked } = await withDevice([failed])
    expect((await run(made)).said).toEqual(['backend auto: memory, 1 thread is taken: the driver crashed'])
    expect(await remembered(made)).toBeUndefined()
    const { said, reused } = await run(made)
    expect([said, reused, asked.length]).toEqual([[], ['sft'], 1])
  })

  it('never takes it for a run folder with stages that were computed without it, and says so where there may be one', async () => {
    const { made, asked } = await withDevice([])
    await runConfig({ ...made, config: { ...made.config, backend: 'bigram' }, last: 'sft' })
    const probe = { ...(await made.backend.probe()), alternative: 'a GPU may be here' }
    Object.assign(made.backend, { probe: async () => probe })
    const { said, reused } = await run(made)
    expect([said, reused, asked]).toEqual([
      ['backend auto: memory, 1 thread: the run folder has stages that were computed there, and nothing was measured'],
      ['sft'],
      [],
    ])
  })

  it('says that a remembered device is gone, and then stays without it', async () => {
    const { made, next } = await withDevice(['faster'])
    await run(made)
    next(failed)
    expect((await run(made)).said).toEqual([
      'backend auto: a GPU, which device.json in the run folder has from before, is not here now (the driver crashed); memory, 1 thread is taken',
    ])
    expect((await run(made)).reused).toEqual(['sft'])
    expect(await kindsOf(made)).toEqual(['fast', 'memory'])
  })

  describe('where the remembered device is another one by now', () => {
    const other = (made: World): DeviceVerdict => ({
      outcome: 'faster',
      backend: made.backend,
      probe: { ...GPU, device: 'another GPU' },
      found: 'it is here',
    })
    const gone = 'backend auto: a GPU, which device.json in the run folder has from before, is not here now'

    it('goes on on that, since its stages are of the same kind', async () => {
      const { made, next } = await withDevice(['faster'])
      await run(made)
      next(other(made))
      const { said, reused } = await run(made)
      expect([said, reused]).toEqual([
        [
          expect.stringContaining(
            `${gone}; another GPU is taken unmeasured, for which the stages in the run folder are as good; backend: `,
          ),
        ],
        ['sft'],
      ])
    })

    it.each([
      ['slower', slower, 'a step took 40 ms there and 10 ms here'],
      ['not to be measured', failed, 'the driver crashed'],
    ])('measures anew where no stage is there, and remembers that it is %s', async (_, verdict, found) => {
      const { made, next } = await withDevice(['faster'])
      await run(made)
      for (const name of await readdir(made.config.run)) {
        if (name.startsWith('sft-')) await rm(path.join(made.config.run, name), { recursive: true })
      }
      next(other(made), verdict)
      expect((await run(made)).said).toEqual([`${gone}; memory, 1 thread is taken: ${found}`])
      expect((await run(made)).said).toEqual([expect.stringContaining(`memory, 1 thread, as device.json in the run folder has it from before (${found})`)]) // prettier-ignore
    })
  })

  it.each([
    ['of another shape', (made: World) => ({ model: { ...(made.config.model as object), architecture: { model_type: 'bigram', words: ['q0', 's0', 'a0', 'q1', 's1', 'a1'] } } })], // prettier-ignore
    ['whose moments are held otherwise', () => ({ sft: { ...training, moments: 'bfloat16', betas: [0.9, 0.99] } })],
  ])('measures for itself for a model %s', async (_, change) => {
    const { made, asked, next } = await withDevice(['faster'])
    Object.assign(made.backend, { bfloat16Moments: true })
    await run(made)
    next(unasked)
    await run(made, { config: { ...made.config, ...change(made) } }).catch(() => undefined)
    expect(asked.map(({ isKnownFaster }) => isKnownFaster)).toEqual([false, false])
  })

  it('is interrupted while it measures, and remembers nothing', async () => {
    const { made } = await withDevice([])
    const controller = new AbortController()
    const fasterDevice = async (_: unknown, { signal }: DeviceUse): Promise<DeviceVerdict> => {
      controller.abort(new Error('enough'))
      return { outcome: 'slower', found: String(signal?.aborted) }
    }
    Object.assign(made.backend, { fasterDevice })
    await expect(run(made, { signal: controller.signal })).rejects.toMatchObject({ code: 'PLUMB_INTERRUPTED' })
    expect(await remembered(made)).toBeUndefined()
  })

  it.each(['{', '{"choices":[1]}', '[]', 'null', '{"choices":[{"for":{},"kind":"fast","device":"a GPU","found":"x"}]}'])(
    'refuses a damaged device.json: %s',
    async (text) => {
      const { made } = await withDevice(['faster'])
      await run(made)
      await writeFile(path.join(made.config.run, 'device.json'), text)
      await expect(run(made)).rejects.toMatchObject({
        code: 'PLUMB_ARTIFACT_DAMAGED',
        where: expect.stringMatching(/device\.json$/) as string,
        message: expect.stringMatching(/^The file says on which device .*Delete it/) as string,
      })
    },
  )
})

describe('is not asked for another device', () => {
  it.each([
    ['for a backend that is named', { backend: 'bigram' }, {}],
    ['where a device is named', { backend: { name: 'auto', device: 'memory' } }, {}],
    ['where what runs is a GPU already', {}, { accelerated: true }],
  ])('%s', async (_, more, probe) => {
    const { made, asked } = await withDevice([])
    const schema = z.strictObject({ device: z.string().optional() })
    const own = { ...(await made.backend.probe()), ...probe }
    Object.assign(made.backend, { schema, probe: async () => own })
    const { said } = await run(made, { config: { ...made.config, ...more }, registry: registryOf(made.backend) })
    expect([said, asked]).toEqual([[], []])
  })

  it('by who only looks at a run, and finds what was computed on it though it is gone', async () => {
    const { made, asked } = await withDevice(['faster'])
    await run(made, { last: 'align' })
    expect((await explain({ ...made, stage: 'align' })).map(({ state }) => state)).toEqual(Array(4).fill('reused'))
    expect(await withTrained({ ...made }, async ({ name }) => name)).toBe('stay')
    expect(asked).toHaveLength(1)
  })
})

describe('the other device', () => {
  it('answers questions, and where it is gone the first one does, which is said', async () => {
    const { made, gpu, next } = await withDevice(['faster'])
    await run(made, { last: 'align' })
    const said: string[] = []
    const ask = () =>
      withAskable({ ...made, only: ['stay'], onEvent: (event) => event.type === 'notice' && void said.push(event.message) }, ({ open }) =>
        open('stay', ({ name }) => Promise.resolve(name)),
      )
    const before = gpu.opened
    next('faster')
    await ask()
    expect([gpu.opened - before, made.backend.opened, said]).toEqual([1, 0, []])
    next(failed)
    await ask()
    expect([gpu.opened - before, made.backend.opened]).toEqual([1, 1])
    expect(said).toEqual([
      'backend auto: the run was computed on a GPU, which is not here now (the driver crashed); memory, 1 thread is taken',
    ])
  })

  it('evaluates on further questions, in a folder that remembers nothing of it', async () => {
    const { made, gpu, next } = await withDevice(['faster'])
    await run(made, { last: 'align' })
    const before = gpu.opened
    next('faster')
    const test = made.config.data.test as { path: string }
    const rows = await evaluateOn({ ...made, model: 'stay', data: [test] }, async (found) => found.rows)
    expect([rows.length, gpu.opened - before, made.backend.opened]).toEqual([1, 1, 0])
  })

  it('is forecast without a file, in one line with the rest', async () => {
    const { made } = await withDevice(['faster', slower])
    const forecast = () => withConfig(made, () => undefined, (resolved) => chooseEngine(resolved, { purpose: 'forecast' })) // prettier-ignore
    const faster = await forecast()
    expect([faster.engine.probe.device, faster.notice]).toEqual([
      'a GPU',
      expect.stringMatching(/^Backend bigram; a GPU is taken: a step took 10 ms there and 40 ms here; backend: /),
    ])
    expect((await forecast()).notice).toBe(
      'Backend bigram on memory, 1 thread; memory, 1 thread is taken: a step took 40 ms there and 10 ms here',
    )
    expect(await remembered(made)).toBeUndefined()
  })

  it('that is not there leaves every byte as it was', async () => {
    const { made } = await withDevice([unasked])
    const plain = await world({ config: { ...config, backend: 'bigram' } })
    await run(made, { last: 'evaluate' })
    await run(plain, { last: 'evaluate' })
    const [found, expected] = [await filesBelow(made.config.run), await filesBelow(plain.config.run)]
    expect(Object.keys(found)).toEqual(Object.keys(expected))
    for (const [name, bytes] of Object.entries(expected)) expect([name, found[name]!.equals(bytes)]).toEqual([name, true])
  })
})
