/**
 * Works on items with at most `width` at a time and yields what each gives as it ends. The first failure aborts what is under way; what had
 * ended before it is yielded first. So does a consumer that leaves.
 */
export async function* inParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T, signal: AbortSignal) => Promise<readonly R[]>,
  signal?: AbortSignal,
): AsyncGenerator<R> {
  const ending = new AbortController()
  const stop = AbortSignal.any([ending.signal, ...(signal ? [signal] : [])])
  const ready: R[] = []
  const state: { failure?: { readonly error: unknown }; open: number } = { open: 0 }
  let wake: () => void = () => undefined
  let next = 0
  const lane = async (): Promise<void> => {
    try {
      while (next < items.length && !stop.aborted) {
        ready.push(...(await work(items[next++] as T, stop)))
        wake()
      }
    } catch (error) {
      state.failure ??= { error }
      ending.abort(error)
    } finally {
      state.open--
      wake()
    }
  }
  const lanes = Array.from({ length: Math.min(width, items.length) }, () => {
    state.open++
    return lane()
  })
  try {
    for (;;) {
      while (ready.length > 0) yield ready.shift() as R
      if (state.open === 0) break
      await new Promise<void>((resolve) => (wake = resolve))
    }
    signal?.throwIfAborted()
    if (state.failure) throw state.failure.error
  } finally {
    ending.abort(new Error('nobody waits for it'))
    await Promise.all(lanes)
  }
}
