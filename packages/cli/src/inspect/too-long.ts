import { isPlumbError } from '@plumbline/core'

const TOO_LONG = ['PLUMB_PROMPT_TOO_LONG', 'PLUMB_COMPLETION_TOO_LONG']

/** Undefined where a prompt or an answer is too long, which is counted and does not stop who looks at data. */
export function unlessTooLong<T>(work: () => T | undefined): T | undefined {
  try {
    return work()
  } catch (error) {
    if (isPlumbError(error) && TOO_LONG.includes(error.code)) return undefined
    throw error
  }
}
