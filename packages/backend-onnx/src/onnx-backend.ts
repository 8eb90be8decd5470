import { availableParallelism } from 'node:os'
import {
  PlumbError,
  type Backend,
  type BackendProbe,
  type ModelFacts,
  type ModelSource,
  type OpenOptions,
  type Policy,
} from '@plumbline/core/base'
import { inspectModel, loadModelConfig, parameterCount, parameterShapes } from '@plumbline/transformer'
import { OnnxPolicy } from './onnx-policy'
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

/** Trains and samples on the CPU through onnxruntime-node, whose npm package carries the native library. */
export class OnnxBackend implements Backend {
  readonly name = 'onnx'
  /** For `open`, which often follows: a tokenizer may take longer to load than its model. */
  private inspected: { readonly source: ModelSource; readonly facts: Promise<ModelFacts> } | undefined

  constructor(private readonly defaults: OnnxOptions = {}) {}

  async probe(): Promise<BackendProbe> {
    const threads = threadCount(this.defaults)
    const device = `CPU, ${threads} ${threads === 1 ? 'thread' : 'threads'}`
    try {
      requireCpu(this.defaults.device)
      const { listSupportedBackends } = await import('onnxruntime-node')
      const usable = listSupportedBackends().some(({ name }) => name === 'cpu')
      return { usable, device, detail: usable ? `onnxruntime-node on ${device}.` : 'onnxruntime-node has no CPU provider here.' }
    } catch (error) {
      return { usable: false, device, detail: (error as Error).message }
    }
  }

  async open(source: ModelSource, options: OpenOptions = {}): Promise<Policy> {
    const settings: OnnxOptions = { ...this.defaults, ...definedOnly(options) }
    requireCpu(settings.device)
    const threads = threadCount(settings)
    const facts = this.inspected?.source === source ? this.inspected.facts : inspectModel(source)
    this.inspected = undefined
    const { tokenizer } = await facts
    const config = await loadModelConfig(source, tokenizer)
    const isSmall = parameterCount(config) <= SMALL_MODEL
    const engines = Math.min(threads, settings.engines ?? (isSmall ? threads : 1))
    const { team, opened } = await EngineTeam.open(source, tokenizer, { threads: Math.floor(threads / engines) }, engines)
    const { rowBytes, ...model } = opened
    const fitting = Math.min(MOST_TOKENS, Math.max(FEWEST_TOKENS, Math.floor(KEPT_BYTES / rowBytes)))
    const info = { ...model, engine: `onnx (CPU, ${threads} ${threads === 1 ? 'thread' : 'threads'})` }
    return new OnnxPolicy(team, info, tokenizer, [...parameterShapes(config).keys()], {
      microBatchTokens: settings.microBatchTokens ?? fitting,
      loneGroupTokens: settings.microBatchTokens ?? 2 * fitting,
      activationMemory: settings.activationMemory ?? 'keep',
    })
  }

  inspect(source: ModelSource): Promise<ModelFacts> {
    this.inspected = { source, facts: inspectModel(source) }
    return this.inspected.facts
  }
}

function requireCpu(device: string | undefined): void {
  if (device === undefined || device === 'cpu') return
  throw new PlumbError('PLUMB_DEVICE_UNSUPPORTED', `The onnx backend does not run on device "${device}" yet; expected "cpu".`)
}

function threadCount({ threads }: OpenOptions): number {
  return threads ?? availableParallelism()
}

function definedOnly(options: OpenOptions): OpenOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
