import { isPlumbError, PlumbError } from '@plumbline/core'
import { InterruptedError } from '../errors/user-error'

/** What goes wrong in one of several runs says in which. An interruption ends them all and is said as it is. */
export async function atRun<T>(title: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isPlumbError(error) || error instanceof InterruptedError) throw error
    throw new PlumbError(error.code, error.message, [title, error.where].filter(Boolean).join('  '), { cause: error })
  }
}
