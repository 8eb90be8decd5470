import type { Feeds } from './session'

/** Tensors that stay where they are until they are released. */
export interface Held {
  readonly feeds: Feeds
  release(): void
}

/** Arrays that the garbage collector frees. */
export function inHost(feeds: Feeds): Held {
  return { feeds, release: () => undefined }
}
