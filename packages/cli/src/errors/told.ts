/** Errors that were told already, where nothing else is to stand: among events on stderr. */
const told = new WeakSet<Error>()

/** Notes that an error was told, so that it is not printed as text. */
export function markTold(error: unknown): void {
  if (error instanceof Error) told.add(error)
}

export function isTold(error: unknown): boolean {
  return error instanceof Error && told.has(error)
}
