import { setImmediate as tick } from 'node:timers/promises'

const SLICE_MS = 20

/** Works through the items, and lets signals and the messages of engines through every now and then. */
export async function eachInSlices<T>(items: Iterable<T>, work: (item: T) => void, signal: AbortSignal | undefined): Promise<void> {
  let begun = performance.now()
  for (const item of items) {
    work(item)
    if (performance.now() - begun < SLICE_MS) continue
    await tick()
    signal?.throwIfAborted()
    begun = performance.now()
  }
}

/** {@link eachInSlices} of items that are few enough for all results to be in memory. */
export async function inSlices<T, R>(items: Iterable<T>, work: (item: T) => R, signal: AbortSignal | undefined): Promise<R[]> {
  const results: R[] = []
  await eachInSlices(items, (item) => results.push(work(item)), signal)
  return results
}

/** What `work` makes of each item as it comes. */
export async function* mapped<T, R>(items: AsyncIterable<T>, work: (item: T) => R | Promise<R>): AsyncGenerator<R> {
  for await (const item of items) yield await work(item)
}
