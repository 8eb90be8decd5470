/**
 * An error a user can act on: one sentence that says what is wrong, where, and what was expected, behind a stable code.
 *
 * Codes are part of the public API (`PLUMB_…`, upper snake case); messages are not. The command line prints
 * `CODE  where  message` and exits with code 2. Anything thrown that is not a PlumbError is a bug and exits with 1.
 */
export class PlumbError extends Error {
  override readonly name = 'PlumbError'

  constructor(
    /** Stable, tested identifier, e.g. `PLUMB_CONFIG_UNKNOWN_KEY`. */
    readonly code: PlumbErrorCode,
    message: string,
    /** Where it was found: a file, `file:line`, or `file:line  path.to.key`. */
    readonly where?: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

export type PlumbErrorCode = `PLUMB_${string}`

/** Recognises a PlumbError by shape, so that two copies of core in one process agree. */
export function isPlumbError(error: unknown): error is PlumbError {
  if (!(error instanceof Error)) return false
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' && code.startsWith('PLUMB_')
}

/** The line the command line prints for an error. */
export function formatError(error: PlumbError): string {
  return [error.code, error.where, error.message].filter(Boolean).join('  ')
}
