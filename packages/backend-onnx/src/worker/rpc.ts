import type { SerializedError } from './errors'

/** Messages between the main thread and the engine's worker. A call may emit events before it ends, and may be aborted. */
export type Request = { readonly id: number; readonly method: string; readonly args: readonly unknown[] } | { readonly abort: number }

export type Response =
  | { readonly id: number; readonly event: unknown }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: SerializedError }

/** What an engine's process writes to its error stream before each answer; `parseAnsweredLine` reads it. */
export function answeredLine(id: number, deviceBytes: number): string {
  return `\n#answered ${id} ${deviceBytes}\n`
}

export function parseAnsweredLine(line: string): { readonly id: number; readonly deviceBytes: number } | undefined {
  const match = /^#answered (\d+) (\d+)$/.exec(line)
  return match ? { id: Number(match[1]), deviceBytes: Number(match[2]) } : undefined
}
