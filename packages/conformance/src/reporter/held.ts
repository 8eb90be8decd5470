import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

/** Kinds of resources, as async_hooks calls them, that keep a process from ending for as long as they are there. */
const KEEPING = ['Timeout', 'Immediate', 'TCPSERVERWRAP', 'PIPESERVERWRAP', 'FSEVENTWRAP', 'PROCESSWRAP', 'WORKER']

/** What is closed may take a moment to be gone. */
const MOMENTS = 20
const MOMENT_MS = 10

interface Resource {
  hasRef?(): boolean
}

/**
 * What some work leaves behind that keeps the process: only what was made by the work itself counts, whatever else the process is doing.
 * @returns the kinds, one for each resource
 */
export async function heldAfter(work: () => Promise<void>): Promise<string[]> {
  const own = new AsyncLocalStorage<true>()
  const made = new Map<number, { readonly kind: string; readonly resource: Resource }>()
  const hook = createHook({
    init: (id, kind, _, resource) => {
      if (KEEPING.includes(kind) && own.getStore()) made.set(id, { kind, resource: resource })
    },
    destroy: (id) => made.delete(id),
  }).enable()
  // One that was given back with unref keeps nothing.
  const held = (): string[] => [...made.values()].filter(({ resource }) => resource.hasRef?.() !== false).map(({ kind }) => kind)
  try {
    await own.run(true, work)
    for (let moment = 0; moment < MOMENTS && held().length > 0; moment++) await sleep(MOMENT_MS)
    return held()
  } finally {
    hook.disable()
  }
}
