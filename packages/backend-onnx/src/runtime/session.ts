import { InferenceSession, Tensor } from 'onnxruntime-node'
import { REFUSED_OUTPUT, type Emitted } from '../graph/emit'

/** What a session is fed: typed array and dimensions. */
export interface HostTensor {
  readonly data: Float32Array | Int32Array | BigInt64Array | Uint8Array
  readonly dims: readonly number[]
}

export interface SessionSettings {
  /** Threads inside an operator. */
  readonly threads: number
  /**
   * Memory from the runtime's arena, which grows in powers of two and keeps what it has: a fifth of the peak memory of training, for no
   * time. For shapes that seldom change it is the better choice: the system's allocator left 25 MiB of a prefill in pieces, the arena 10.
   */
  readonly arena?: boolean
  /** Writes a Chrome trace of every operator to this path. */
  readonly profile?: string
}

/**
 * How long a thread waits awake for the next operator before it sleeps. Most gaps are shorter, and to be woken costs more than they
 * last: 9 % of a training step and 7 % of a decoding step on two idle cores. Longer waits win little more there, and take the processor
 * from others: beside one busy process 1,000 µs made a training step 12 % and a decoding step 25 % slower, 50 µs neither.
 */
const SPIN_MICROSECONDS = '50'

/** One compiled ONNX model. `run` blocks the calling thread until it is done (microsoft/onnxruntime#19611). */
export class Session {
  private constructor(
    private readonly native: InferenceSession,
    readonly inputs: readonly string[],
    readonly outputs: readonly string[],
  ) {}

  static async create(emitted: Emitted, settings: SessionSettings): Promise<Session> {
    const native = await InferenceSession.create(emitted.model, {
      executionProviders: ['cpu'],
      // The graphs are written the way they shall run; optimising them costs start-up and gains nothing.
      graphOptimizationLevel: 'disabled',
      // Every micro-batch has another shape: memory patterns would be kept for each of them.
      enableMemPattern: false,
      enableCpuMemArena: settings.arena ?? false,
      executionMode: 'sequential',
      intraOpNumThreads: settings.threads,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
      // Work cut into one equal part per thread is right for an idle machine only: beside other work each step waits for the later thread.
      extra: { session: { intra_op: { allow_spinning: '1', spin_duration_us: SPIN_MICROSECONDS }, dynamic_block_base: '4' } },
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
  async run(
    feeds: Readonly<Record<string, HostTensor>>,
    into: Readonly<Record<string, HostTensor>> = {},
  ): Promise<Record<string, HostTensor>> {
    const fed: Record<string, Tensor> = {}
    for (const name of this.inputs) {
      const tensor = feeds[name]
      if (tensor === undefined) throw new Error(`The graph's input ${name} was not fed`)
      fed[name] = toNative(tensor)
    }
    const allInPlace = this.outputs.every((name) => into[name] !== undefined)
    const fetches: Record<string, Tensor | null> = allInPlace ? { [REFUSED_OUTPUT]: null } : {}
    for (const name of this.outputs) {
      const target = into[name]
      fetches[name] = target === undefined ? null : toNative(target)
    }
    const outputs: Record<string, HostTensor> = {}
    try {
      const result = await this.native.run(fed, fetches)
      for (const name of this.outputs) outputs[name] = { data: result[name].data as HostTensor['data'], dims: result[name].dims }
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

function toNative({ data, dims }: HostTensor): Tensor {
  if (data instanceof Float32Array) return new Tensor('float32', data, dims)
  if (data instanceof Int32Array) return new Tensor('int32', data, dims)
  if (data instanceof BigInt64Array) return new Tensor('int64', data, dims)
  return new Tensor('bool', data, dims)
}
