import { availableParallelism, totalmem } from 'node:os'
import {
  PlumbError,
  type Backend,
  type BackendProbe,
  type ModelFacts,
  type ModelSource,
  type OpenOptions,
  type Policy,
} from '@plumbline/core/base'
import { inspectModel, loadModelConfig, parameterCount, parameterShapes, sourceFiles, type ModelConfig } from '@plumbline/transformer'
import { isSoftware } from './device/adapter'
import { openDevice, requestedAdapter } from './device/open'
import { OnnxPolicy } from './onnx-policy'
import { loadRuntime } from './runtime/load-runtime'
import { EngineClient } from './worker/client'
import { explainedError } from './worker/errors'
import type { EngineSettings } from './worker/engine'
import { EngineTeam } from './worker/team'

/** What a micro-batch may keep for its backward pass where nobody says how many tokens it may have. */
const KEPT_BYTES = 288 * 2 ** 20
/** Bounds of the resulting number of tokens: smaller products waste the processor, larger ones gain nothing. */
const [FEWEST_TOKENS, MOST_TOKENS] = [256, 8192]

export interface OnnxOptions extends OpenOptions {
  /** Engines that share the work, each with the whole model and its part of the threads; as many as pay when absent. */
  readonly engines?: number
}

/** Up to this many parameters each thread gets an engine of its own: the operators are short, and the copies cost little memory. */
const SMALL_MODEL = 2_000_000

/** Trains and samples on the CPU or a GPU through onnxruntime-node, whose npm package carries the native library. */
export class OnnxBackend implements Backend {
  readonly name = 'onnx'
  /** For `open`, which often follows: a tokenizer may take longer to load than its model. */
  private inspected: { readonly source: ModelSource; readonly facts: Promise<ModelFacts> } | undefined

  constructor(private readonly defaults: OnnxOptions = {}) {}

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
    if (part === undefined) requireCpu(settings.device)
    const facts = this.inspected?.source === source ? this.inspected.facts : inspectModel(source)
    this.inspected = undefined
    const { tokenizer } = await facts
    const config = await loadModelConfig(source, tokenizer)
    const { engines, engineSettings, name } = part === undefined ? this.cpuEngines(config, settings) : await deviceEngine(part)
    const { team, opened } = await EngineTeam.open(source, tokenizer, engineSettings, engines)
    const { rowBytes, ...model } = opened
    const fitting = Math.min(MOST_TOKENS, Math.max(FEWEST_TOKENS, Math.floor(KEPT_BYTES / rowBytes)))
    return new OnnxPolicy(team, { ...model, engine: `onnx (${name})` }, tokenizer, [...parameterShapes(config).keys()], {
      microBatchTokens: settings.microBatchTokens ?? fitting,
      loneGroupTokens: settings.microBatchTokens ?? 2 * fitting,
      activationMemory: settings.activationMemory ?? 'keep',
    })
  }

  inspect(source: ModelSource): Promise<ModelFacts> {
    this.inspected = { source, facts: inspectModel(source) }
    return this.inspected.facts
  }

  modelFiles(source: ModelSource): Promise<readonly string[]> {
    return sourceFiles(source)
  }

  private probeCpu(): BackendProbe {
    requireCpu(this.defaults.device)
    const device = cpuName(threadCount(this.defaults))
    const { listSupportedBackends } = loadRuntime()
    const usable = listSupportedBackends().some(({ name }) => name === 'cpu')
    return { usable, device, kind: 'cpu', detail: usable ? `onnxruntime-node on ${device}.` : 'onnxruntime-node has no CPU provider here.' }
  }

  private cpuEngines(config: ModelConfig, settings: OnnxOptions): Engines {
    const threads = threadCount(settings)
    const isSmall = parameterCount(config) <= SMALL_MODEL
    const count = Math.min(threads, settings.engines ?? (isSmall ? threads : 1))
    const engineSettings = { device: 'cpu', threads: Math.floor(threads / count) } as const
    requireMemory(count, config)
    return { engines: startEngines(count, engineSettings), engineSettings, name: cpuName(threads) }
  }
}

interface Engines {
  readonly engines: readonly EngineClient[]
  readonly engineSettings: EngineSettings
  /** The device by its own name. */
  readonly name: string
}

async function deviceEngine(part: string): Promise<Engines> {
  const { engine, adapter } = await openDevice(part)
  return { engines: [engine], engineSettings: { device: 'webgpu', threads: 1 }, name: `${adapter}, WebGPU` }
}

async function probeDevice(part: string): Promise<BackendProbe> {
  const { engine, adapter } = await openDevice(part)
  await engine.close()
  return {
    usable: true,
    device: `${adapter}, WebGPU`,
    kind: 'webgpu',
    detail: `onnxruntime-node's WebGPU provider on ${adapter}.`,
    accelerated: !isSoftware(adapter),
  }
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
  return `CPU, ${threads} ${threads === 1 ? 'thread' : 'threads'}`
}

/** More threads than any machine's cores gain nothing, and each takes memory of its own. */
export const MOST_THREADS = 256
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
  // Of a container, where it has a limit of its own; without one the number is huge or 0.
  const available = Math.min(totalmem(), process.constrainedMemory() || Infinity)
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
