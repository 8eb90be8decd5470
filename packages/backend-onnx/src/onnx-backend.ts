import { availableParallelism } from 'node:os'
import {
  PlumbError,
  type Backend,
  type BackendProbe,
  type DeviceUse,
  type DeviceVerdict,
  type MemoryNeeds,
  type MemoryUse,
  type ModelFacts,
  type ModelSource,
  type OpenOptions,
  type Policy,
} from '@plumbline/core/base'
import {
  inspectModel,
  loadModelConfig,
  openModelFolder,
  parameterCount,
  sourceFiles,
  type ModelConfig,
} from '@plumbline/transformer'
import { isSoftware } from './device/adapter'
import { tryDevices, type TrialDevices, type TrialLimits } from './device/faster'
import { FLOAT, MOST_BOUND } from './device/limits'
import { openDevice, requestedAdapter } from './device/open'
import { mayHaveGpu } from './device/presence'
import { trialDevices, type TrialModel } from './device/trial'
import { machineBytes, memoryNeeds, type ActivationCheckpointing } from './memory-plan'
import { MOST_THREADS, type OnnxOptions } from './options'
import { policyOn, type Engines } from './policy-on'
import { loadRuntime } from './runtime/load-runtime'
import { baseBytes } from './training/base-weights'
import { EngineClient } from './worker/client'
import { explainedError } from './worker/errors'

/** Of a small model, where nobody asks for another number: each is a thread with the model and its sessions, and a hundred of them stop a machine. */
const MOST_ENGINES = 16

/** Up to this many parameters each thread gets an engine of its own: the operators are short, and the copies cost little memory. */
const SMALL_MODEL = 2_000_000

/** Trains and samples on the CPU or a GPU through onnxruntime-node, whose npm package carries the native library. */
export class OnnxBackend implements Backend {
  readonly name = 'onnx'
  readonly bfloat16Moments = true
  readonly lora = true
  /** For `open`, which often follows: a tokenizer may take longer to load than its model. */
  private inspected: { readonly source: ModelSource; readonly facts: Promise<ModelFacts> } | undefined

  constructor(
    private readonly defaults: OnnxOptions = {},
    private readonly gpu: Gpu = thisGpu,
  ) {}

  async probe(): Promise<BackendProbe> {
    const { device } = this.defaults
    try {
      const part = requestedAdapter(device)
      return part === undefined ? this.probeCpu() : await probeDevice(part)
    } catch (error) {
      return { usable: false, device: device ?? 'CPU', detail: (error as Error).message }
    }
  }

  async open(source: ModelSource, options: OpenOptions = {}): Promise<Policy> {
    const settings: OnnxOptions = { ...this.defaults, ...definedOnly(options) }
    const { activationCheckpointing = 'auto' } = settings
    const part = requestedAdapter(settings.device)
    if (part === undefined) requireCpu(settings.device)
    else requireWholeModel(activationCheckpointing)
    const facts = this.inspected?.source === source ? this.inspected.facts : inspectModel(source)
    this.inspected = undefined
    const { tokenizer } = await facts
    const config = await loadModelConfig(source, tokenizer)
    const engines = part === undefined ? this.cpuEngines(config, settings) : await deviceEngine(part)
    return policyOn({ source, config, tokenizer }, engines, settings)
  }

  inspect(source: ModelSource): Promise<ModelFacts> {
    this.inspected = { source, facts: inspectModel(source) }
    return this.inspected.facts
  }

  modelFiles(source: ModelSource): Promise<readonly string[]> {
    return sourceFiles(source)
  }

  async memory(source: ModelSource, { plan, maxNewTokens, longest }: MemoryUse): Promise<MemoryNeeds | undefined> {
    if (requestedAdapter(this.defaults.device) !== undefined) return undefined
    const { tokenizer } = await inspectModel(source)
    const config = await loadModelConfig(source, tokenizer)
    const { microBatchTokens, activationCheckpointing, frozenWeights } = this.defaults
    const frozenBytes = plan.lora && frozenWeights !== 'float32' ? await bytesOfBase(source) : undefined
    const engines = engineCount(config, this.defaults)
    return memoryNeeds(config, { plan, engines, microBatchTokens, activationCheckpointing, longest, maxNewTokens, frozenBytes })
  }

  async fasterDevice(source: ModelSource, use: DeviceUse): Promise<DeviceVerdict> {
    const { device, engines, threads, activationCheckpointing } = this.defaults
    // What the CPU alone is asked for, and what a GPU refuses.
    const isForCpu = [device, engines, threads].some((asked) => asked !== undefined) || activationCheckpointing === 'layers'
    if (isForCpu || use.plans.some(({ moments }) => moments === 'bfloat16')) return UNASKED
    if (use.isKnownFaster) return this.gpuAgain()
    if (!this.gpu.mayBeHere()) return UNASKED
    const { tokenizer } = await inspectModel(source)
    const config = await loadModelConfig(source, tokenizer)
    if (!isWorthTrying(config, use)) return UNASKED
    const trial = { source, config, tokenizer, plans: use.plans, options: this.defaults }
    const verdict = await tryDevices(this.gpu.devices(trial), this.gpu.limits, use.signal)
    return verdict.outcome === 'faster' ? this.onGpu(verdict.name, verdict.found) : verdict
  }

  /** The GPU that was faster before, opened to see whether it is still there. */
  private async gpuAgain(): Promise<DeviceVerdict> {
    if (!this.gpu.mayBeHere()) return { outcome: 'failed', found: 'no GPU is seen' }
    const { usable, device, detail, accelerated } = await this.gpu.probe()
    if (usable && accelerated) return this.onGpu(device, 'it is here')
    return { outcome: 'failed', found: detail.replace(/\.$/, '') }
  }

  private onGpu(name: string, found: string): DeviceVerdict {
    const backend = new OnnxBackend({ ...this.defaults, device: 'webgpu' })
    return { outcome: 'faster', backend, probe: gpuProbe(name, true), found }
  }

  private probeCpu(): BackendProbe {
    requireCpu(this.defaults.device)
    const device = cpuName(threadCount(this.defaults))
    const { listSupportedBackends } = loadRuntime()
    const usable = listSupportedBackends().some(({ name }) => name === 'cpu')
    const alternative = this.gpu.mayBeHere() ? { alternative: 'a GPU may be here: backend: { name: onnx, device: webgpu } takes it' } : {}
    return {
      usable,
      device,
      kind: 'cpu',
      ...alternative,
      detail: usable ? `onnxruntime-node on ${device}.` : 'onnxruntime-node has no CPU provider here.',
    }
  }

  private cpuEngines(config: ModelConfig, settings: OnnxOptions): Engines {
    const threads = threadCount(settings)
    const count = engineCount(config, settings)
    const { frozenBase, frozenWeights } = settings
    const engineSettings = { device: 'cpu', threads: Math.floor(threads / count), frozenBase, frozenWeights } as const
    requireMemory(count, config)
    return { engines: startEngines(count, engineSettings), engineSettings, name: cpuName(threads) }
  }
}

/** What a folder's weights take as they are stored; undefined for weights that no file holds, which are float32. */
async function bytesOfBase(source: ModelSource): Promise<number | undefined> {
  const base = source.kind === 'adapter' ? source.base : source
  return base.kind === 'folder' ? baseBytes((await openModelFolder(base.path)).weights) : undefined
}

function engineCount(config: ModelConfig, settings: OnnxOptions): number {
  const threads = threadCount(settings)
  const isSmall = parameterCount(config) <= SMALL_MODEL
  return Math.min(threads, settings.engines ?? (isSmall ? Math.min(threads, MOST_ENGINES) : 1))
}

async function deviceEngine(part: string): Promise<Engines> {
  const { engine, adapter } = await openDevice(part)
  return { engines: [engine], engineSettings: { device: 'webgpu', threads: 1 }, name: `${adapter}, WebGPU` }
}

async function probeDevice(part: string): Promise<BackendProbe> {
  const { engine, adapter } = await openDevice(part)
  await engine.close()
  return gpuProbe(`${adapter}, WebGPU`, !isSoftware(adapter))
}

function gpuProbe(device: string, accelerated: boolean): BackendProbe {
  return { usable: true, device, kind: 'webgpu', detail: `onnxruntime-node's WebGPU provider on ${device.replace(/, WebGPU$/, '')}.`, accelerated }
}

const UNASKED: DeviceVerdict = { outcome: 'unasked' }

/** What `backend: auto` sees of the machine's GPU; tests bring their own. */
export interface Gpu {
  /** Whether the system looks as if it had one. */
  mayBeHere(): boolean
  /** Opens it, and closes it. */
  probe(): Promise<BackendProbe>
  devices(trial: TrialModel): TrialDevices
  readonly limits?: TrialLimits
}

const thisGpu: Gpu = {
  mayBeHere: mayHaveGpu,
  probe: () => new OnnxBackend({ device: 'webgpu' }).probe(),
  devices: trialDevices,
}

/**
 * Whether a GPU may win, and can hold the run: a small model's steps take no longer than a GPU is told of them; of what does not fit the
 * machine's memory, a GPU of its own has less still, and a shared one no more.
 */
function isWorthTrying(config: ModelConfig, { plans, longest = 0 }: DeviceUse): boolean {
  const parameters = parameterCount(config)
  const bytes = plans.every(({ lora }) => lora !== undefined) ? FLOAT : BYTES_PER_PARAMETER
  return parameters > SMALL_MODEL && bytes * parameters <= machineBytes() && config.heads * longest ** 2 < MOST_BOUND
}

function requireCpu(device: string | undefined): void {
  if (device === undefined || device === 'cpu') return
  throw new PlumbError(
    'PLUMB_DEVICE_UNSUPPORTED',
    `The onnx backend does not run on device "${device}"; expected "cpu", "webgpu", or "webgpu:" and a part of an adapter's name.`,
  )
}

/** @throws PlumbError PLUMB_CHECKPOINTING_UNSUPPORTED for what a GPU is not given layer by layer. */
function requireWholeModel(asked: ActivationCheckpointing): void {
  if (asked !== 'layers') return
  const message =
    'The onnx backend computes the model in one piece on a GPU; expected activationCheckpointing: auto or none, or device: cpu.'
  throw new PlumbError('PLUMB_CHECKPOINTING_UNSUPPORTED', message, 'backend.activationCheckpointing')
}

/** The version of onnxruntime that is loaded, for who only wants to know whether it loads. */
export function runtimeVersion(): string {
  const { versions } = loadRuntime().env
  return versions.node ?? versions.common
}

function cpuName(threads: number): string {
  const cores = availableParallelism()
  const tooMany = threads > cores ? ` on ${cores} ${cores === 1 ? 'core' : 'cores'}` : ''
  return `CPU, ${threads} ${threads === 1 ? 'thread' : 'threads'}${tooMany}`
}

/** What an engine's thread holds beside its model, measured: V8's heap, the runtime's sessions. */
const ENGINE_BYTES = 32 * 2 ** 20
/** Weights, gradients and two moments in float32. */
const BYTES_PER_PARAMETER = 16

/** @throws PlumbError PLUMB_TOO_MANY_THREADS */
function threadCount({ threads }: OpenOptions): number {
  if (threads === undefined) return Math.min(MOST_THREADS, availableParallelism())
  if (threads <= MOST_THREADS) return threads
  const message = `${threads} threads were asked for; expected at most ${MOST_THREADS} (this machine has ${availableParallelism()} cores).`
  throw new PlumbError('PLUMB_TOO_MANY_THREADS', message, 'backend.threads')
}

/** @throws PlumbError PLUMB_OUT_OF_MEMORY for engines that this machine could never hold. */
function requireMemory(engines: number, config: ModelConfig): void {
  const parameters = parameterCount(config)
  const needed = engines * (ENGINE_BYTES + BYTES_PER_PARAMETER * parameters)
  const available = machineBytes()
  if (engines === 1 || needed <= available) return
  const message =
    `${engines} engines with ${parameters} parameters each need ${gib(needed)} GiB in training; this machine has ${gib(available)}. ` +
    'Expected fewer engines: one holds the model once.'
  throw new PlumbError('PLUMB_OUT_OF_MEMORY', message, 'backend.engines')
}

const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(1)

function startEngines(count: number, settings: EngineSettings): EngineClient[] {
  const engines: EngineClient[] = []
  try {
    while (engines.length < count) engines.push(new EngineClient())
    return engines
  } catch (error) {
    for (const engine of engines) void engine.close()
    throw explainedError(error, settings)
  }
}

function definedOnly(options: OpenOptions): OpenOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
