import { isPlumbError, PlumbError } from '../errors'
import { withoutEnd } from '../util/without-end'

/**
 * A plugin's thing whose exceptions name it: what a third party's code throws is that code's error, and not a bug of Plumbline.
 * Functions that give promises or async iterables are guarded to their end. Everything else passes as it is.
 */
export function guarded<T extends object>(thing: T, what: string): T {
  const failed = (error: unknown): unknown => failure(error, what)
  return new Proxy(thing, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function' || key === 'constructor') return value
      return (...args: unknown[]): unknown => {
        try {
          return guardedResult(value.apply(target, args), failed)
        } catch (error) {
          throw failed(error)
        }
      }
    },
  })
}

/** Runs what makes a plugin's thing. */
export function guardedCall<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw failure(error, what)
  }
}

function guardedResult(result: unknown, failed: (error: unknown) => unknown): unknown {
  if (isPromise(result)) {
    return Promise.resolve(result).catch((error: unknown) => {
      throw failed(error)
    })
  }
  if (isAsyncIterable(result)) return guardedIterable(result, failed)
  return result
}

async function* guardedIterable<T>(items: AsyncIterable<T>, failed: (error: unknown) => unknown): AsyncGenerator<T> {
  try {
    yield* items
  } catch (error) {
    throw failed(error)
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

/** Sentences with a code, and aborts, are none of the plugin's faults. */
function failure(error: unknown, what: string): unknown {
  if (isPlumbError(error) || (error instanceof Error && error.name === 'AbortError')) return error
  const message = error instanceof Error ? error.message : String(error)
  return new PlumbError('PLUMB_PLUGIN_FAILED', `The ${what} failed: ${withoutEnd(message, '. \t\r\n')}.`, undefined, { cause: error })
}
