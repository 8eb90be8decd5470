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
import { inspectModel, loadModelConfig, openModelFolder, parameterCount, sourceFiles, type ModelConfig } from '@plumbline/transformer'
import { fasterGpu, thisGpu, type Gpu } from './device/faster-gpu'
import { openDevice, requestedAdapter } from './device/open'
import { probeDevice } from './device/probe'
import { gpuRefusal } from './device/refusal'
import { BYTES_PER_PARAMETER, gib, machineBytes, memoryNeeds, SMALL_MODEL } from './memory-plan'
import { MOST_THREADS, type OnnxOptions } from './options'
import { requirePackable } from './packable'
import { policyOn, type Engines } from './policy-on'
import { loadRuntime } from './runtime/load-runtime'
import { baseBytes } from './training/base-weights'
import { EngineClient } from './worker/client'
import type { EngineSettings } from './worker/engine'
import { explainedError } from './worker/errors'

/** Of a small model, where nobody asks for another number: each is a thread with the model and its sessions, and a hundred of them stop a machine. */
const MOST_ENGINES = 16

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
    const part = requestedAdapter(settings.device)
    const refusal = part === undefined ? undefined : gpuRefusal(settings)
    if (refusal !== undefined) throw refusal
    if (part === undefined) requireCpu(settings.device)
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
    const { microBatchTokens, activationCheckpointing, frozenWeights, prepackedWeights } = this.defaults
    requirePackable(prepackedWeights, config)
    const frozenBytes = plan.lora && frozenWeights !== 'float32' ? await bytesOfBase(source) : undefined
    const engines = engineCount(config, this.defaults)
    const held = { frozenBytes, prepackedWeights }
    return memoryNeeds(config, { plan, engines, microBatchTokens, activationCheckpointing, longest, maxNewTokens, ...held })
  }

  async fasterDevice(source: ModelSource, use: DeviceUse): Promise<DeviceVerdict> {
    const verdict = await fasterGpu(this.gpu, source, this.defaults, use)
    return verdict.outcome === 'faster' ? { ...verdict, backend: new OnnxBackend({ ...this.defaults, device: 'webgpu' }) } : verdict
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
    const { frozenBase, frozenWeights, prepackedWeights } = settings
    const engineSettings = { device: 'cpu', threads: Math.floor(threads / count), frozenBase, frozenWeights, prepackedWeights } as const
    requireMemory(count, config)
    requirePackable(prepackedWeights, config)
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

function requireCpu(device: string | undefined): void {
  if (device === undefined || device === 'cpu') return
  throw new PlumbError(
    'PLUMB_DEVICE_UNSUPPORTED',
    `The onnx backend does not run on device "${device}"; expected "cpu", "webgpu", or "webgpu:" and a part of an adapter's name.`,
  )
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
