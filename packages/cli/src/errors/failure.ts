import { closest, printable } from '@plumbline/core/base'
import { systemRefusal } from './system'
import { INTERRUPTED, InterruptedError } from './user-error'

export const EXIT_BUG = 1
export const EXIT_USER = 2
export const EXIT_INTERRUPTED = 130

/** What the command line says about an error, and the code it leaves with. */
export interface Failure {
  readonly exitCode: number
  readonly code: string
  readonly where?: string
  readonly message: string
  /** The command that goes on after an interruption. */
  readonly resume?: string
  /** Present for bugs only. */
  readonly stack?: string
}

/** What is known of the command line when it failed. */
export interface FailureContext {
  /** e.g. `plumb run`. */
  readonly command: string
  /** All command ids, with spaces. */
  readonly commands: readonly string[]
}

interface OclifError extends Error {
  readonly oclif?: { readonly exit?: number }
  readonly code?: string
  readonly suggestions?: readonly string[]
  readonly flags?: unknown
  readonly parse?: { readonly input?: { readonly flags?: Readonly<Record<string, unknown>> } }
}

/** Sorts an error into: the user's (2), an interruption (130), or a bug (1). `undefined` for an exit that was asked for with its message printed. */
export function describeFailure(error: unknown, context: FailureContext): Failure {
  if (!(error instanceof Error)) return bug(new Error(`something that is not an Error was thrown: ${String(error)}`))
  const { code, message } = error as OclifError
  if (code === INTERRUPTED)
    return { exitCode: EXIT_INTERRUPTED, code, message, resume: error instanceof InterruptedError ? error.resume : undefined }
  if (typeof code === 'string' && code.startsWith('PLUMB_')) {
    return { exitCode: EXIT_USER, code, where: (error as { where?: string }).where, message }
  }
  if ('oclif' in error && !('errno' in error)) return usageFailure(error as OclifError, context)
  const refusal = systemRefusal(error)
  if (refusal) return { exitCode: EXIT_USER, code: 'PLUMB_SYSTEM', ...refusal }
  return bug(error)
}

/** `CODE  where  message`; for a bug, a request to report it. Names and values in it come from anywhere and are made printable. */
export function formatFailure(failure: Failure, debug: boolean): string {
  const line = printable([failure.code, failure.where, failure.message].filter(Boolean).join('  '))
  if (failure.stack === undefined) return line
  const hint = 'This is a bug in Plumbline or in a plugin; please report it with the command and the config.'
  return debug ? `${line}\n${hint}\n${printable(failure.stack)}` : `${line}\n${hint} DEBUG=plumb shows where it happened.`
}

/** What `--json` prints instead of a report. */
export function failureJson({ code, where, message, resume }: Failure): { readonly error: Readonly<Record<string, string>> } {
  return { error: { code, ...(where === undefined ? {} : { where }), message, ...(resume === undefined ? {} : { resume }) } }
}

function bug(error: Error): Failure {
  return { exitCode: EXIT_BUG, code: 'PLUMB_BUG', message: `${error.name}: ${error.message}`, stack: error.stack ?? '' }
}

function usageFailure(error: OclifError, { command, commands }: FailureContext): Failure {
  // The second is what "plumb help" says.
  const unknown = /^command (.+) not found$/.exec(error.message) ?? /^Command (.+) not found\.$/.exec(error.message)
  if (unknown) {
    const name = (unknown[1] ?? '').replaceAll(':', ' ')
    return {
      exitCode: EXIT_USER,
      code: 'PLUMB_UNKNOWN_COMMAND',
      where: `plumb ${name}`,
      message: `"${name}" is not a command.${didYouMean(name, commands)} "plumb --help" lists them.`,
    }
  }
  const flags = Array.isArray(error.flags) && error.parse ? (error.flags as string[]) : []
  if (flags.length > 0) {
    const known = Object.keys(error.parse?.input?.flags ?? {}).map((name) => `--${name}`)
    return {
      exitCode: EXIT_USER,
      code: 'PLUMB_UNKNOWN_FLAG',
      where: command,
      message: `${flags.join(', ')} is not an option of this command.${didYouMean(flags[0] ?? '', known)} "${command} --help" lists them.`,
    }
  }
  return { exitCode: EXIT_USER, code: 'PLUMB_USAGE', where: command, message: usageSentence(error) }
}

/** oclif's lines as one sentence after the other, without its pointer to --help. */
function usageSentence({ message, suggestions = [] }: OclifError): string {
  const lines = [...message.split('\n'), ...suggestions]
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== 'See more help with --help')
  return lines.map((line) => (/[.!?:]$/.test(line) ? line : `${line}.`)).join(' ')
}

function didYouMean(name: string, known: readonly string[]): string {
  const meant = closest(name, known)
  return meant === undefined ? '' : ` Did you mean "${meant}"?`
}
