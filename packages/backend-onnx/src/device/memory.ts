import type { Tensor } from '../runtime/onnxruntime'
import { emit } from '../graph/emit'
import { Graph, type Value } from '../graph/graph'
import type { Held } from '../runtime/held'
import type { HostTensor } from '../runtime/session'
import { DeviceSession } from './session'
import { int64 } from '../runtime/tensors'
import { tensorNamed } from '../runtime/tensor-named'

/** A tensor of float32 on the device. It is freed when nobody holds it any more, not by the garbage collector. */
export class DeviceTensor {
  private holders = 1

  constructor(
    readonly native: Tensor,
    private readonly freed: (bytes: number) => void,
  ) {}

  get dims(): readonly number[] {
    return this.native.dims
  }

  /** Whether nobody holds it any more. */
  get isFreed(): boolean {
    return this.holders <= 0
  }

  get bytes(): number {
    return this.dims.reduce((product, size) => product * size, Float32Array.BYTES_PER_ELEMENT)
  }

  /** One more holder; tensors never change, so sharing is a copy. */
  share(): this {
    this.holders++
    return this
  }

  release(): void {
    if (--this.holders > 0) return
    this.freed(this.bytes)
    this.native.dispose()
  }
}

/** Moves tensors to the device and back, and knows how much is held there. */
export class DeviceMemory {
  private heldBytes = 0
  private readonly blank = new Map<string, DeviceTensor>()
  private readonly uploading = new Lazy(() => this.copying('resident'))
  private readonly downloading = new Lazy(() => this.copying('host'))
  private readonly filling = new Lazy(() => this.session((graph) => graph.node('Expand', [graph.scalar(0), graph.input('shape', 'int64')])))

  /** Bytes of all tensors that somebody holds. */
  get bytes(): number {
    return this.heldBytes
  }

  /** Takes charge of a tensor that a session left on the device. */
  hold(native: Tensor): DeviceTensor {
    const tensor = new DeviceTensor(native, (bytes) => (this.heldBytes -= bytes))
    this.heldBytes += tensor.bytes
    return tensor
  }

  async upload(tensor: HostTensor): Promise<DeviceTensor> {
    const { resident } = await (await this.uploading.get()).run({ x: tensor })
    return this.hold(tensorNamed(resident, 'y'))
  }

  /** Holds what sessions left on the device, by name. */
  holdAll(tensors: Readonly<Record<string, Tensor>>): Held {
    const held = Object.values(tensors).map((tensor) => this.hold(tensor))
    return { feeds: tensors, release: () => held.forEach((tensor) => tensor.release()) }
  }

  async uploadAll(tensors: Readonly<Record<string, HostTensor>>): Promise<Held> {
    const feeds: Record<string, Tensor> = {}
    const held: DeviceTensor[] = []
    for (const [name, tensor] of Object.entries(tensors)) {
      const uploaded = await this.upload(tensor)
      held.push(uploaded)
      feeds[name] = uploaded.native
    }
    return { feeds, release: () => held.forEach((one) => one.release()) }
  }

  /** A copy of the tensor's numbers. */
  async download({ native }: DeviceTensor): Promise<Float32Array> {
    const { host } = await (await this.downloading.get()).run({ x: native })
    return tensorNamed(host, 'y').data as Float32Array
  }

  /** Zeros. All who ask for one shape get the same tensor, as long as anybody holds it: tensors never change. */
  async zeros(dims: readonly number[]): Promise<DeviceTensor> {
    const key = dims.join()
    const known = this.blank.get(key)
    if (known && !known.isFreed) return known.share()
    const shape: HostTensor = int64(dims)
    const { resident } = await (await this.filling.get()).run({ shape })
    const made = this.hold(tensorNamed(resident, 'y'))
    this.blank.set(key, made)
    return made
  }

  /** Waits for everything asked of the device so far, so that its errors are known. */
  async fence(): Promise<void> {
    const one = await this.zeros([1])
    await this.download(one)
    one.release()
  }

  async release(): Promise<void> {
    for (const lazy of [this.uploading, this.downloading, this.filling]) await (await lazy.made)?.release()
  }

  private copying(result: 'resident' | 'host'): Promise<DeviceSession> {
    return this.session((graph) => graph.node('Identity', [graph.input('x')]), result)
  }

  private session(build: (graph: Graph) => Value, result: 'resident' | 'host' = 'resident'): Promise<DeviceSession> {
    const graph = new Graph('webgpu')
    return DeviceSession.create(emit({ y: build(graph) }), result === 'resident' ? ['y'] : [])
  }
}

/** Made when it is first wanted. */
class Lazy<T> {
  made: Promise<T> | undefined
  constructor(private readonly make: () => Promise<T>) {}
  get(): Promise<T> {
    return (this.made ??= this.make())
  }
}
