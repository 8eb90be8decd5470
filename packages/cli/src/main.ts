import { join } from 'node:path'
import { Config, Errors, run, settings } from '@oclif/core'
import { printable } from '@plumbline/core/base'
import { explainCommand } from './errors/explanations'
import { describeFailure, EXIT_USER, failureJson, formatFailure } from './errors/failure'
import { systemRefusal } from './errors/system'
import { isTold } from './errors/told'

const PACKAGE_ROOT = join(__dirname, '..')

/** Runs one command line and leaves with its exit code: 0, 2 for the user's errors, 130 when interrupted, 1 for a bug. */
export async function main(argv: readonly string[] = process.argv.slice(2)): Promise<void> {
  // What is installed is compiled; oclif would look for TypeScript sources when NODE_ENV is `test` or a plugin is linked.
  settings.enableAutoTranspile = false
  guardOutput()
  wordWarnings()
  let config: Config | undefined
  // What no one awaits, an unhandled rejection included, is a bug like any other. Further ones say nothing new.
  let isLeaving = false
  process.on('uncaughtException', (error) => {
    if (error === unwritten) return
    if (!isLeaving) void leave(reportFailure(error, argv, config))
    isLeaving = true
  })
  try {
    config = await Config.load({ root: PACKAGE_ROOT })
    await run([...argv], config)
  } catch (error) {
    process.exitCode = error instanceof Errors.ExitError ? error.oclif.exit : reportFailure(error, argv, config)
  }
  await leave(process.exitCode)
}

/** Exits when everything is written. A backend that failed half-way may have left a worker thread behind, which must not keep the process. */
async function leave(exitCode: typeof process.exitCode): Promise<never> {
  await drained(process.stdout)
  await new Promise(setImmediate) // an error of the stream is told later than its last write
  if (unwritten !== undefined) {
    const { message } = systemRefusal(unwritten) ?? unwritten
    write(process.stderr, `PLUMB_SYSTEM  stdout  ${message}\n`)
  }
  await drained(process.stderr)
  process.exit(unwritten !== undefined && !exitCode ? EXIT_USER : exitCode)
}

/** What kept the standard output from being written, other than a reader that went away. */
let unwritten: Error | undefined

/**
 * Where nothing can be written there is no one to tell: a reader of the messages that went away (a run takes it for a request to stop),
 * a closed terminal, a full disk behind a redirection. The exit code remains, and for the results on stdout a line on stderr.
 */
function guardOutput(): void {
  process.stderr.prependListener('error', () => undefined)
  // before oclif's listener, which throws: that comes back as an uncaught exception
  process.stdout.prependListener('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') unwritten ??= error
  })
}

/** Warnings in one line each, as errors are; Node's own way is a stack and a hint for programmers. */
function wordWarnings(): void {
  if (process.listenerCount('warning') === 0) return // NODE_NO_WARNINGS
  process.removeAllListeners('warning')
  process.on('warning', (warning) => {
    const { where, message } = systemRefusal(warning) ?? { message: `${warning.name}: ${warning.message}` }
    const text = process.env.DEBUG ? (warning.stack ?? message) : [where, message].filter(Boolean).join('  ')
    write(process.stderr, `warning: ${printable(text)}\n`)
  })
}

function write(stream: NodeJS.WriteStream, text: string): void {
  try {
    stream.write(text)
  } catch (error) {
    // a file's write fails at once and not with an event
    stream.emit('error', error)
  }
}

function reportFailure(error: unknown, argv: readonly string[], config: Config | undefined): number {
  const commands = (config?.commandIDs ?? []).map((id) => id.replaceAll(':', ' '))
  const command = commandOf(argv, commands)
  const failure = describeFailure(error, { command, commands })
  if (asksForJson(argv)) write(process.stdout, `${JSON.stringify(failureJson(failure), undefined, 2)}\n`)
  else if (!isTold(error)) {
    write(process.stderr, `${formatFailure(failure, Boolean(process.env.DEBUG))}\n`)
    // Who reads a log or a pipe gets one line for one error.
    const help = failure.exitCode === EXIT_USER && process.stderr.isTTY ? explainCommand(failure.code) : undefined
    if (help !== undefined) write(process.stderr, `What it means, and what helps: ${help}\n`)
  }
  return failure.exitCode
}

/** The longest run of leading words that is a command: `plumb plugins install`. */
function commandOf(argv: readonly string[], commands: readonly string[]): string {
  const flag = argv.findIndex((word) => word.startsWith('-'))
  const words = flag < 0 ? argv : argv.slice(0, flag)
  for (let length = words.length; length > 0; length--) {
    const name = words.slice(0, length).join(' ')
    if (commands.includes(name)) return `plumb ${name}`
  }
  return 'plumb'
}

function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json')
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => (stream.writable ? stream.write('', () => resolve()) : resolve()))
}
