import { basename, relative } from 'node:path'

/** How the running process was started, as a line to type again. */
export interface Invocation {
  /** `process.argv`. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** The exact command that goes on with an interrupted run: the same one again, since finished work is never redone. */
export function resumeCommand({ argv, env, cwd }: Invocation): string {
  const [, script = '', ...rest] = argv
  return [...launcher(script, env, cwd), ...rest.map(quote)].join(' ')
}

function launcher(script: string, env: Invocation['env'], cwd: string): string[] {
  // Through npm's link or the Windows shim it has a name; started by its file, as from a checkout, it has none.
  if (basename(script) === 'run.js' && process.platform !== 'win32') return ['node', quote(relative(cwd, script))]
  // npx and npm's scripts find the project's own commands; a shell does not.
  return env.npm_command === undefined ? ['plumb'] : ['npx', 'plumb']
}

/** Quotes for a POSIX shell where the word needs it. */
function quote(word: string): string {
  return /^[A-Za-z0-9_./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
