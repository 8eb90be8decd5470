import { PlumbError, isPlumbError } from '@plumbline/core/base'

/** An error as it crosses between threads and processes: what the command line tells errors apart by, and the chain of causes. */
export interface SerializedError {
  readonly name: string
  readonly message: string
  readonly stack?: string
  /** `PLUMB_…`, or the operating system's, e.g. `ENOSPC`. */
  readonly code?: string
  readonly where?: string
  readonly errno?: number
  readonly syscall?: string
  readonly path?: string
  readonly dest?: string
  readonly cause?: SerializedError
}

/** What an operating system error says beside its message. */
const SYSTEM_FIELDS = ['code', 'errno', 'syscall', 'path', 'dest'] as const
/** A chain of causes may be a circle. */
const DEEPEST_CAUSE = 8

export function serializeError(error: unknown, depth = 0): SerializedError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const { name, message, stack, cause } = error
  const fields = error as NodeJS.ErrnoException & { readonly where?: unknown; readonly dest?: unknown }
  const plain = (value: unknown) => typeof value === 'string' || typeof value === 'number'
  const present = [...SYSTEM_FIELDS, 'where' as const].filter((field) => plain(fields[field]))
  return {
    ...Object.fromEntries(present.map((field) => [field, fields[field]])),
    name,
    message,
    stack,
    ...(cause === undefined || depth === DEEPEST_CAUSE ? {} : { cause: serializeError(cause, depth + 1) }),
  }
}

export function restoreError({ name, message, stack, code, where, cause, ...system }: SerializedError): Error {
  const options = cause === undefined ? undefined : { cause: restoreError(cause) }
  if (code?.startsWith('PLUMB_')) {
    const error = new PlumbError(code as PlumbError['code'], message, where, options)
    error.stack = stack
    return error
  }
  const error = new Error(message, options)
  if (code !== undefined) Object.assign(error, { code })
  return Object.assign(error, system, { name, stack })
}

/** What an engine was asked for, as far as the system may refuse it. */
export interface Demand {
  readonly threads: number
  /** Numbers in the model's weights; absent before it is open. */
  readonly parameters?: number
}

/**
 * Names the system's refusals, which reach JavaScript as text of V8 or of the C++ library: too little memory, or no further thread.
 * Every other error is returned as it is.
 */
export function explainedError(error: unknown, { threads, parameters }: Demand): unknown {
  if (!(error instanceof Error) || isPlumbError(error)) return error
  const text = `${error.name} ${(error as NodeJS.ErrnoException).code ?? ''}: ${error.message}`
  if (NO_MEMORY.test(text)) {
    const model =
      parameters === undefined ? 'the model' : `a model of ${parameters} parameters (16 bytes each in training, beside activations)`
    const message =
      `The system gave no more memory for ${model} on an engine of ${threads} ${threads === 1 ? 'thread' : 'threads'}; ` +
      'expected more memory or a higher limit (ulimit -v), fewer microBatchTokens, or fewer engines.'
    return new PlumbError('PLUMB_OUT_OF_MEMORY', message, undefined, { cause: error })
  }
  if (NO_THREAD.test(text)) {
    const message = `The system gave no more threads for an engine of ${threads}; expected fewer backend.threads or engines, or a higher limit (ulimit -u).`
    return new PlumbError('PLUMB_SYSTEM', message, undefined, { cause: error })
  }
  return error
}

const NO_MEMORY =
  /WebAssembly\.(?:Memory(?:\.grow)?|Instance|Module)\(\).*(?:memory|allocat)|Array buffer allocation failed|Cannot create a Buffer larger|bad[_ ]alloc|ERR_WORKER_OUT_OF_MEMORY|ERR_MEMORY_ALLOCATION_FAILED|[Ff]ailed to allocate memory|out of memory|Cannot allocate memory|ENOMEM/
const NO_THREAD =
  /pthread_(?:create|setaffinity_np)|Resource temporarily unavailable|thread constructor failed|ERR_WORKER_INIT_FAILED|uv_thread_create|EAGAIN/
