import { setImmediate as tick } from 'node:timers/promises'

const SLICE_MS = 20

/** Works through the items, and lets signals and the messages of engines through every now and then. */
export async function inSlices<T, R>(items: readonly T[], work: (item: T) => R, signal: AbortSignal | undefined): Promise<R[]> {
  const results: R[] = []
  let begun = performance.now()
  for (const item of items) {
    results.push(work(item))
    if (performance.now() - begun < SLICE_MS) continue
    await tick()
    signal?.throwIfAborted()
    begun = performance.now()
  }
  return results
}
