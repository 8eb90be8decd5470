import { PlumbError, isPlumbError, type PlumbErrorCode } from '@plumbline/core/base'

/** Messages between the main thread and the engine's worker. A call may emit events before it ends, and may be aborted. */
export type Request = { readonly id: number; readonly method: string; readonly args: readonly unknown[] } | { readonly abort: number }

export type Response =
  | { readonly id: number; readonly event: unknown }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: SerializedError }

export interface SerializedError {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: PlumbErrorCode
  readonly where?: string
}

export function serializeError(error: unknown): SerializedError {
  if (isPlumbError(error)) return { name: error.name, message: error.message, stack: error.stack, code: error.code, where: error.where }
  if (error instanceof Error) return { name: error.name, message: error.message, stack: error.stack }
  return { name: 'Error', message: String(error) }
}

export function restoreError({ name, message, stack, code, where }: SerializedError): Error {
  if (code !== undefined) return new PlumbError(code, message, where)
  const error = new Error(message)
  error.name = name
  error.stack = stack
  return error
}

/** What an engine's process writes to its error stream before each answer; `parseAnsweredLine` reads it. */
export function answeredLine(id: number, deviceBytes: number): string {
  return `\n#answered ${id} ${deviceBytes}\n`
}

export function parseAnsweredLine(line: string): { readonly id: number; readonly deviceBytes: number } | undefined {
  const match = /^#answered (\d+) (\d+)$/.exec(line)
  return match ? { id: Number(match[1]), deviceBytes: Number(match[2]) } : undefined
}
