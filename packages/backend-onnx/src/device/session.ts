import type { Emitted } from '../graph/emit'
import { InferenceSession, Tensor, type SessionOptions } from '../runtime/onnxruntime'
import type { HostTensor } from '../runtime/session'

/** What a session is fed: arrays, which are copied to the device, or tensors that are there. */
export type DeviceFeeds = Readonly<Record<string, HostTensor | Tensor>>

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
  private constructor(
    private readonly native: InferenceSession,
    readonly inputs: readonly string[],
    readonly outputs: readonly string[],
  ) {}

  /** @param resident outputs that stay on the device; the others come back as arrays. */
  static async create(emitted: Emitted, resident: readonly string[]): Promise<DeviceSession> {
    const native = await InferenceSession.create(emitted.model, sessionOptions(emitted.outputs, resident))
    return new DeviceSession(
      native,
      emitted.inputs.map(({ name }) => name),
      emitted.outputs,
    )
  }

  /** @param feeds inputs by name; entries the model does not read are ignored. */
  async run(feeds: DeviceFeeds): Promise<DeviceResult> {
    const fed: Record<string, Tensor> = {}
    for (const name of this.inputs) {
      const tensor = feeds[name]
      if (tensor === undefined) throw new Error(`The graph's input ${name} was not fed`)
      fed[name] = isResident(tensor) ? tensor : toNative(tensor)
    }
    const outputs = await this.native.run(fed)
    const result: DeviceResult = { resident: {}, host: {} }
    for (const name of this.outputs) {
      const tensor = outputs[name] as Tensor
      if (tensor.location === 'cpu') result.host[name] = { data: tensor.data as HostTensor['data'], dims: tensor.dims }
      else result.resident[name] = tensor
    }
    return result
  }

  async release(): Promise<void> {
    await this.native.release()
  }
}

/** Set to `verbose`, it makes an engine's process say where every node is placed; see `DeviceLog`. */
export const LOG_LEVEL_VARIABLE = 'PLUMBLINE_WEBGPU_LOG'

function sessionOptions(outputs: readonly string[], resident: readonly string[]): SessionOptions {
  return {
    executionProviders: ['webgpu'],
    preferredOutputLocation: Object.fromEntries(outputs.map((name) => [name, resident.includes(name) ? 'gpu-buffer' : 'cpu'])),
    graphOptimizationLevel: 'disabled',
    enableMemPattern: false,
    executionMode: 'sequential',
    logSeverityLevel: process.env[LOG_LEVEL_VARIABLE] === 'verbose' ? 0 : 3,
    extra: { session: { disable_cpu_ep_fallback: '1' } },
  }
}

function isResident(tensor: HostTensor | Tensor): tensor is Tensor {
  return tensor instanceof Tensor
}

function toNative({ data, dims }: HostTensor): Tensor {
  if (data instanceof Float32Array) return new Tensor('float32', data, dims)
  if (data instanceof Int32Array) return new Tensor('int32', data, dims)
  if (data instanceof BigInt64Array) return new Tensor('int64', data, dims)
  return new Tensor('bool', data, dims)
}
