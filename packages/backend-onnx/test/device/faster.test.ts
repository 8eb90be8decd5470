import type { BackendProbe, DeviceUse, ModelSource, OpenOptions } from '@plumbline/core'
import { OnnxBackend } from '../../src'
import { CLEARLY, tryDevices, type Contender, type TrialDevices } from '../../src/device/faster'
import { openDevice } from '../../src/device/open'
import { trialDevices } from '../../src/device/trial'
import { machineBytes } from '../../src/memory-plan'
import type { Gpu } from '../../src/device/faster-gpu'
import type { OnnxOptions } from '../../src/options'
import { loadModelConfig, loadTokenizer } from '@plumbline/transformer'
import { TinyModel } from '../support/tiny'

const never = new Promise<never>(() => undefined)
/** Short, for what never answers. */
const LIMITS = { ready: 20, step: 30 }

/** How a device behaves: the milliseconds of its second step by the clock that the test holds, or what it does in their place. */
type Behaviour =
  | number
  | 'no device'
  | 'hangs as it opens'
  | 'hangs in its first step'
  | 'hangs in its second step'
  | 'fails in its second step'

function fakes(gpu: Behaviour, cpu: Behaviour) {
  const opened: string[] = []
  const stopped: string[] = []
  let clock = 0
  const device = (name: string, behaviour: Behaviour) => async (signal: AbortSignal) => {
    opened.push(name)
    signal.addEventListener('abort', () => stopped.push(name))
    if (behaviour === 'no device') throw new Error('There is none.\nAnd more.')
    if (behaviour === 'hangs as it opens') return never
    let steps = 0
    const step = async () => {
      steps++
      if (behaviour === 'hangs in its first step') return never
      if (steps === 1) return
      if (behaviour === 'hangs in its second step') return never
      if (behaviour === 'fails in its second step') throw new Error('out of memory')
      clock += behaviour
    }
    return { name, step } satisfies Contender
  }
  const devices: TrialDevices = { gpu: device('a GPU', gpu), cpu: device('CPU', cpu), now: () => clock }
  return { devices, opened, stopped }
}

describe('a trial', () => {
  it.each([
    [
      'clearly faster',
      10,
      40,
      'faster',
      "a training step of this model's shape, cut to few layers, took 10 ms on a GPU and 40 ms on the CPU",
    ],
    ['just clearly faster', 20, 20 * CLEARLY, 'faster', /took 20 ms on a GPU and 30 ms/],
    [
      'faster, and not clearly',
      20,
      29,
      'slower',
      /took 20 ms on a GPU and 29 ms on the CPU, and only 1\.5 times as fast is clearly faster$/,
    ],
    ['slower', 8, 4.26, 'slower', /took 8\.0 ms on a GPU and 4\.3 ms on the CPU/],
    ['later than its limit', 31, 40, 'slower', /^a GPU did not do a training step of this model's shape within 0\.03 s$/],
    [
      'quick where the CPU has not ended',
      20,
      'hangs in its second step',
      'faster',
      /took 20 ms on a GPU and more than 0\.045 s on the CPU$/,
    ],
    ['hanging', 'hangs in its second step', 1, 'slower', /^a GPU did not do a training step/],
    ['hanging as it opens', 'hangs as it opens', 1, 'failed', 'WebGPU could not be measured: it was not ready within 0.02 s'],
    ['hanging as it compiles', 'hangs in its first step', 1, 'failed', 'WebGPU could not be measured: it was not ready within 0.02 s'],
    ['failing', 'fails in its second step', 1, 'failed', 'WebGPU could not be measured: out of memory'],
    ['not there', 'no device', 1, 'failed', 'WebGPU could not be measured: There is none'],
    ['measured, and the CPU is not', 1, 'hangs as it opens', 'failed', /^the CPU could not be measured beside WebGPU/],
  ] as const)('of a GPU that is %s', async (_, gpu, cpu, outcome, found) => {
    const { devices, opened, stopped } = fakes(gpu, cpu)
    const verdict = await tryDevices(devices, LIMITS)
    expect(verdict).toMatchObject({ outcome, found: typeof found === 'string' ? found : (expect.stringMatching(found) as string) })
    // Every process that was started is ended, and none for nothing.
    expect(stopped).toEqual(opened)
    const isDecided = /^WebGPU|did not/.test(verdict.found)
    expect(opened).toEqual(isDecided ? ['a GPU'] : ['a GPU', 'CPU'])
  })

  it('ends with an abort', async () => {
    const { devices, stopped } = fakes('hangs in its second step', 1)
    const controller = new AbortController()
    const trial = tryDevices(devices, { ready: 60_000, step: 60_000 }, controller.signal)
    setTimeout(() => controller.abort(new Error('enough')), 5)
    expect(await trial).toMatchObject({ outcome: 'failed', found: 'WebGPU could not be measured: enough' })
    expect(stopped).toEqual(['a GPU'])
  })
})

describe('backend: auto asks the onnx backend for its GPU', () => {
  const model = new TinyModel()
  afterAll(() => model.dispose())
  const llama = { model_type: 'llama', hidden_size: 256, intermediate_size: 1024, num_hidden_layers: 4, num_attention_heads: 4, max_position_embeddings: 64, vocab_size: 8192 } // prettier-ignore
  const source = (more: object = {}): ModelSource => ({
    kind: 'scratch',
    architecture: { ...llama, ...more },
    tokenizer: model.path,
    seed: 1,
  })
  const use: DeviceUse = { plans: [{}] }
  /** Weights of half of this machine's memory, nearly all in the embeddings and the head; with gradients and moments they take it twice. */
  const HALF_FITS = { vocab_size: Math.round(machineBytes() / 8 / (2 * llama.hidden_size)) }
  const HARDWARE: BackendProbe = { usable: true, device: 'a GPU, WebGPU', kind: 'webgpu', detail: '', accelerated: true }

  function backend(
    options: OnnxOptions & OpenOptions = {},
    more: { isHere?: boolean; probe?: BackendProbe | 'hangs' | Error; gpu?: Behaviour; cpu?: Behaviour } = {},
  ) {
    const { isHere = true, probe = HARDWARE, gpu = 10, cpu = 100 } = more
    const { devices, opened } = fakes(gpu, cpu)
    const asked: string[] = []
    const machine: Gpu = {
      mayBeHere: () => isHere,
      probe: async () => {
        asked.push('probe')
        if (probe === 'hangs') return never
        if (probe instanceof Error) throw probe
        return probe
      },
      devices: ({ config }) => {
        asked.push(`${config.layers} layers`)
        return devices
      },
      limits: probe === 'hangs' ? LIMITS : { ready: 10_000, step: 1000 },
    }
    return { onnx: new OnnxBackend(options, machine), asked, opened }
  }

  it('which is taken where it is faster: the same backend with the same options, on the device', async () => {
    const { onnx, asked } = backend({ microBatchTokens: 512 })
    const verdict = await onnx.fasterDevice(source(), use)
    expect(verdict).toMatchObject({
      outcome: 'faster',
      probe: { usable: true, device: 'a GPU, WebGPU', kind: 'webgpu', accelerated: true },
      found: expect.stringMatching(/took 10 ms on a GPU and 100 ms on the CPU$/) as string,
      backend: { name: 'onnx', defaults: { microBatchTokens: 512, device: 'webgpu' } },
    })
    expect(asked).toEqual(['4 layers'])
  })

  it('and is not where it is slower, hangs or fails', async () => {
    for (const [gpu, outcome] of [
      [90, 'slower'],
      ['fails in its second step', 'failed'],
      ['no device', 'failed'],
    ] as const)
      // prettier-ignore
      expect(await backend({}, { gpu }).onnx.fasterDevice(source(), use)).toMatchObject({ outcome })
  })

  const bfloat16 = { plans: [{}, { moments: 'bfloat16' }] } as const
  it.each([
    ['where the system shows no GPU', {}, use, {}, false],
    ['for a device that is named', { device: 'cpu' }, use, {}, true],
    ['for engines', { engines: 2 }, use, {}, true],
    ['for threads', { threads: 4 }, use, {}, true],
    ['for layers one after the other', { activationCheckpointing: 'layers' }, use, {}, true],
    ['for packed weights', { prepackedWeights: true }, use, {}, true],
    ['for moments in bfloat16', {}, bfloat16, {}, true],
    ['for a model of few parameters', {}, use, { hidden_size: 64, intermediate_size: 64 }, true],
    ['for a model whose training does not fit', {}, use, HALF_FITS, true],
    ['for a model that fits no machine', {}, use, { hidden_size: 65_536, intermediate_size: 262_144, num_hidden_layers: 200 }, true],
    ['for texts whose attention no GPU can read', {}, { ...use, longest: 20_000 }, {}, true],
  ] as const)('never %s: nothing is opened', async (_, options, asks, more, isHere) => {
    const { onnx, asked, opened } = backend(options, { isHere })
    expect(await onnx.fasterDevice(source(more), asks)).toEqual({ outcome: 'unasked' })
    expect([asked, opened]).toEqual([[], []])
  })

  it('though for a model whose weights fit where an adapter is all that is trained', async () => {
    const lora = { rank: 4, alpha: 8, rslora: false, dropout: 0, targetModules: 'all-linear', seed: 1 } as const
    expect(await backend().onnx.fasterDevice(source(HALF_FITS), { plans: [{ lora }] })).toMatchObject({ outcome: 'faster' })
  })

  it('looks for one that was faster before, and measures nothing', async () => {
    const again = { ...use, isKnownFaster: true }
    const there = backend()
    expect(await there.onnx.fasterDevice(source(), again)).toMatchObject({ outcome: 'faster', probe: HARDWARE })
    expect([there.asked, there.opened]).toEqual([['probe'], []])

    const software = backend(
      {},
      { probe: { ...HARDWARE, device: 'llvmpipe, WebGPU', detail: 'It computes on the CPU.', accelerated: false } },
    )
    expect(await software.onnx.fasterDevice(source(), again)).toEqual({ outcome: 'failed', found: 'It computes on the CPU' })

    const gone = backend({}, { isHere: false })
    expect(await gone.onnx.fasterDevice(source(), again)).toEqual({ outcome: 'failed', found: 'no GPU is seen' })
    expect(gone.asked).toEqual([])

    const stuck = backend({}, { probe: 'hangs' })
    expect(await stuck.onnx.fasterDevice(source(), again)).toEqual({ outcome: 'failed', found: 'it was not ready within 0.02 s' })
    const broken = backend({}, { probe: new Error('WebGPU finds no adapter here.') })
    expect(await broken.onnx.fasterDevice(source(), again)).toEqual({ outcome: 'failed', found: 'WebGPU finds no adapter here' })
  })
})

describe('the devices of a trial', () => {
  const model = new TinyModel()
  afterAll(() => model.dispose())

  it('train a cut model through the policy, in a process that an abort ends at once', async () => {
    const source = { kind: 'folder', path: model.path } as const
    const tokenizer = await loadTokenizer(model.path)
    const lora = { rank: 2, alpha: 4, rslora: false, dropout: 0, targetModules: ['layers.1.self_attn.q_proj'], seed: 1 }
    const config = await loadModelConfig(source, tokenizer)
    for (const plans of [[{ freeze: ['model.layers.1.*'] }], [{ lora }]]) {
      const stop = new AbortController()
      const { name, step } = await trialDevices({ source, config, tokenizer, plans, options: {} }).cpu(stop.signal)
      await step()
      await step()
      expect(name).toBe('CPU')
      stop.abort()
      await expect(step()).rejects.toMatchObject({ code: 'PLUMB_DEVICE_FAILED' })
    }
  })

  it('are ended while they open', async () => {
    const stop = new AbortController()
    const opening = openDevice('', stop.signal)
    stop.abort()
    await expect(opening).rejects.toMatchObject({ code: expect.stringMatching(/^PLUMB_DEVICE_/) as string })
  })
})
