import type { RunEvent } from '@plumbline/core'

/** Several stages read the same data and say the same about it; once is enough to see. */
export function eachNoticeOnce(handle: (event: RunEvent, time?: number) => void): (event: RunEvent, time?: number) => void {
  const seen = new Set<string>()
  return (event, time) => {
    if (event.type === 'notice' && seen.has(event.message)) return
    if (event.type === 'notice') seen.add(event.message)
    handle(event, time)
  }
}
