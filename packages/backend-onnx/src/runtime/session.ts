import { REFUSED_OUTPUT, type Emitted } from '../graph/emit'
import { InferenceSession, Tensor } from './onnxruntime'
import { tensorNamed } from './tensor-named'

/** What a session is fed: typed array and dimensions. */
export interface HostTensor {
  readonly data: Float32Array | Int32Array | BigInt64Array | Uint8Array | Uint16Array
  readonly dims: readonly number[]
}

/** What a session is fed: arrays, or tensors that are where it computes. */
export type Feeds = Readonly<Record<string, HostTensor | Tensor>>

/**
 * `spin`: microseconds that a thread waits awake for the next operator before it sleeps; to be woken costs more than most gaps last. On
 * two idle cores a training step took 9 % less with 50 and 14 % less with 500 than without, a decoding step 7 % less with 50 and with
 * 1,000. Who waits awake takes the processor from others: beside one busy process a training step took 3 to 8 % longer with 500 than with
 * 50 and 12 % longer with 1,000, a decoding step 15 % longer with 200; with 50 neither did.
 *
 * `arena`: memory from the runtime's arena, which grows in powers of two and keeps what it has. For training, whose shapes change from
 * batch to batch, that is a fifth of the peak memory, for no time. In a prefill the system's allocator left 25 MiB in pieces where
 * 4 are in use at once, and the arena takes 10. A layer of a long sequence is run again and again with the same shapes: with the system's
 * allocator it took 1.4 times as long, in page faults, and left hundreds of MiB in pieces; its session is released when the layers are done.
 */
const TUNING = {
  training: { spin: '500', arena: false },
  layer: { spin: '500', arena: true },
  decoding: { spin: '50', arena: true },
} as const

export interface SessionSettings {
  /** Threads inside an operator. */
  readonly threads: number
  /** What the session is tuned for; `training` when absent. */
  readonly use?: keyof typeof TUNING
  /** Writes a Chrome trace of every operator to this path. */
  readonly profile?: string
}

/** One compiled ONNX model. `run` blocks the calling thread until it is done (microsoft/onnxruntime#19611). */
export class Session {
  private constructor(
    private readonly native: InferenceSession,
    readonly inputs: readonly string[],
    readonly outputs: readonly string[],
  ) {}

  static async create(emitted: Emitted, settings: SessionSettings): Promise<Session> {
    const { spin, arena } = TUNING[settings.use ?? 'training']
    const { widens } = emitted
    const native = await InferenceSession.create(emitted.model, {
      executionProviders: ['cpu'],
      // The graphs are written the way they shall run; optimising them costs start-up and gains nothing.
      graphOptimizationLevel: 'disabled',
      // Every micro-batch has another shape: memory patterns would be kept for each of them.
      enableMemPattern: false,
      // A matrix that is widened is large: in fresh memory of the system's it costs several times as much, in page faults.
      enableCpuMemArena: arena || widens,
      executionMode: 'sequential',
      intraOpNumThreads: settings.threads,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
      // Work cut into one equal part per thread is right for an idle machine only: beside other work each step waits for the later thread.
      extra: { session: { intra_op: { allow_spinning: '1', spin_duration_us: spin }, dynamic_block_base: '4' } },
      ...(emitted.external.length > 0 ? { externalData: emitted.external } : {}),
      ...(settings.profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: settings.profile }),
    })
    return new Session(
      native,
      emitted.inputs.map(({ name }) => name),
      emitted.outputs,
    )
  }

  /**
   * Runs the model.
   *
   * The binding returns a fresh copy of every output, of those it has just written in place as well. So where all outputs have a
   * place, it is asked first for one it cannot return: everything is computed and written, and then it refuses, before it
   * copied anything. For 28M gradients that is 16 ms instead of 115, and no garbage.
   *
   * @param feeds inputs by name; entries the model does not read are ignored.
   * @param into tensors to write outputs to in place; those that have none come back as fresh arrays.
   */
  async run(feeds: Feeds, into: Readonly<Record<string, HostTensor>> = {}): Promise<Record<string, HostTensor>> {
    const fed = fedTensors(this.inputs, feeds)
    const allInPlace = this.outputs.every((name) => into[name] !== undefined)
    const fetches: Record<string, Tensor | null> = allInPlace ? { [REFUSED_OUTPUT]: null } : {}
    for (const name of this.outputs) {
      const target = into[name]
      fetches[name] = target === undefined ? null : toNative(target)
    }
    const outputs: Record<string, HostTensor> = {}
    try {
      const result = await this.native.run(fed, fetches)
      for (const name of this.outputs) {
        const { data, dims } = tensorNamed(result, name)
        outputs[name] = { data: data as HostTensor['data'], dims }
      }
    } catch (error) {
      if (!allInPlace || !isRefusal(error)) throw error
    }
    // In place means in place: never the binding's copy of it.
    return { ...outputs, ...into }
  }

  async release(): Promise<void> {
    await this.native.release()
  }

  endProfiling(): void {
    this.native.endProfiling()
  }
}

/** What the binding says of the output it cannot return, and of nothing else; a test fails where a new version says it differently. */
export function isRefusal(error: unknown): boolean {
  return (error as { readonly message?: unknown } | undefined)?.message === 'Non tensor type is temporarily not supported.'
}

/** A tensor for each input of a model, over the arrays themselves. */
export function fedTensors(inputs: readonly string[], feeds: Feeds): Record<string, Tensor> {
  const fed: Record<string, Tensor> = {}
  for (const name of inputs) {
    const tensor = feeds[name]
    if (tensor === undefined) throw new Error(`The graph's input ${name} was not fed`)
    fed[name] = isNative(tensor) ? tensor : toNative(tensor)
  }
  return fed
}

function isNative(tensor: HostTensor | Tensor): tensor is Tensor {
  return tensor instanceof Tensor
}

function toNative({ data, dims }: HostTensor): Tensor {
  if (data instanceof Float32Array) return new Tensor('float32', data, dims)
  if (data instanceof Int32Array) return new Tensor('int32', data, dims)
  if (data instanceof BigInt64Array) return new Tensor('int64', data, dims)
  if (data instanceof Uint16Array) return new Tensor('uint16', data, dims)
  return new Tensor('bool', data, dims)
}
