import type { Emitted } from '../graph/emit'
import { InferenceSession, Tensor, type SessionOptions } from '../runtime/onnxruntime'
import { fedTensors, type Feeds, type HostTensor } from '../runtime/session'

/** What the host asked of the device since the process began. A GPU waits for all of it: it idles while a run is encoded, and while the host waits for a read. */
export interface DeviceWork {
  runs: number
  /** Arrays that went to the device. Shapes are not among them: those stay with the host. */
  uploads: number
  /** Tensors that came back to the host. Each waits for everything that was asked for before it. */
  reads: number
}

export const deviceWork: DeviceWork = { runs: 0, uploads: 0, reads: 0 }

export interface DeviceResult {
  /** Outputs that stay on the device; whoever asked for them frees them. */
  readonly resident: Record<string, Tensor>
  readonly host: Record<string, HostTensor>
}

/**
 * One compiled ONNX model on the WebGPU provider. A model with a node that the provider cannot run is refused, instead of
 * computing that node on the CPU. Outputs are always new tensors: a buffer that a kernel reads and writes at once is
 * forbidden in WebGPU, and not every system would notice.
 */
export class DeviceSession {
  /** Which of the runtime's providers computes. Tests take the CPU's, where there is no adapter: the graphs are the same, and so is everything that is asked of them. */
  static provider: 'webgpu' | 'cpu' = 'webgpu'

  /** Beginning of the paths where sessions that are made from now on write what they ran, in Chrome's format, when they are released: every node with the bytes it wrote. */
  static traces: string | undefined

  private readonly traced = DeviceSession.traces !== undefined

  private constructor(
    private readonly native: InferenceSession,
    readonly inputs: readonly string[],
    readonly outputs: readonly string[],
    private readonly resident: ReadonlySet<string>,
  ) {}

  /** @param resident outputs that stay on the device; the others come back as arrays. */
  static async create(emitted: Emitted, resident: readonly string[]): Promise<DeviceSession> {
    const native = await InferenceSession.create(emitted.model, sessionOptions(emitted.outputs, resident))
    return new DeviceSession(
      native,
      emitted.inputs.map(({ name }) => name),
      emitted.outputs,
      new Set(resident),
    )
  }

  /** @param feeds inputs by name, of which arrays are copied to the device; entries the model does not read are ignored. */
  async run(feeds: Feeds): Promise<DeviceResult> {
    const outputs = await this.native.run(fedTensors(this.inputs, feeds))
    deviceWork.uploads += this.inputs.filter((name) => isUploaded(feeds[name]!)).length
    const result: DeviceResult = { resident: {}, host: {} }
    for (const name of this.outputs) {
      const tensor = outputs[name] as Tensor
      if (this.resident.has(name)) result.resident[name] = tensor
      else result.host[name] = { data: tensor.data as HostTensor['data'], dims: tensor.dims }
    }
    deviceWork.runs++
    deviceWork.reads += Object.keys(result.host).length
    return result
  }

  async release(): Promise<void> {
    if (this.traced) this.native.endProfiling()
    await this.native.release()
  }
}

function isUploaded(tensor: HostTensor | Tensor): boolean {
  if (tensor instanceof Tensor) return false
  return tensor.dims.length > 1 || !(tensor.data instanceof BigInt64Array)
}

/** Set to `verbose`, it makes an engine's process say where every node is placed; see `DeviceLog`. */
export const LOG_LEVEL_VARIABLE = 'PLUMBLINE_WEBGPU_LOG'

function sessionOptions(outputs: readonly string[], resident: readonly string[]): SessionOptions {
  const traces = DeviceSession.traces === undefined ? {} : { enableProfiling: true, profileFilePrefix: DeviceSession.traces }
  if (DeviceSession.provider === 'cpu')
    return { executionProviders: ['cpu'], graphOptimizationLevel: 'disabled', intraOpNumThreads: 1, ...traces }
  return {
    ...traces,
    executionProviders: ['webgpu'],
    preferredOutputLocation: Object.fromEntries(outputs.map((name) => [name, resident.includes(name) ? 'gpu-buffer' : 'cpu'])),
    graphOptimizationLevel: 'disabled',
    enableMemPattern: false,
    executionMode: 'sequential',
    logSeverityLevel: process.env[LOG_LEVEL_VARIABLE] === 'verbose' ? 0 : 3,
    extra: { session: { disable_cpu_ep_fallback: '1' } },
  }
}
