import type { Generation } from '@plumbline/core'

/**
 * An async iterable over what a run of sampling emits. The run begins with the first `next`; it is told to stop when the signal aborts, or
 * when the consumer leaves.
 *
 * @param run resolves when it has emitted all, or has stopped.
 */
export async function* generations(
  signal: AbortSignal | undefined,
  run: (emit: (generation: Generation) => void, stopped: () => boolean) => Promise<void>,
): AsyncGenerator<Generation> {
  signal?.throwIfAborted()
  const finished: Generation[] = []
  const state: { isDone: boolean; isLeft: boolean; failure?: { readonly error: unknown } } = { isDone: false, isLeft: false }
  let wake: () => void = () => undefined
  const emit = (generation: Generation) => {
    finished.push(generation)
    wake()
  }
  const settled = run(emit, () => state.isLeft || signal?.aborted === true)
    .catch((error: unknown) => {
      state.failure = { error }
    })
    .finally(() => {
      state.isDone = true
      wake()
    })
  try {
    for (;;) {
      while (finished.length > 0) yield finished.shift()!
      if (state.isDone) break
      await new Promise<void>((resolve) => (wake = resolve))
    }
    signal?.throwIfAborted()
    if (state.failure) throw state.failure.error
  } finally {
    state.isLeft = true
    await settled
  }
}
