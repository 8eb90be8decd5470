import { join } from 'node:path'

/** The folder that Python finds `plumbline_torch` in. */
export const PYTHON_FOLDER = join(__dirname, '..', '..', 'python')

const MODULE = ['-m', 'plumbline_torch']

/** How the Python side is started. */
export interface Command {
  readonly file: string
  readonly args: readonly string[]
}

/** The interpreter that is taken where none is named: that of the environment variable, or the one on the path. */
export function pythonOf(python: string | undefined): string {
  return python ?? process.env.PLUMBLINE_PYTHON ?? (process.platform === 'win32' ? 'python' : 'python3')
}

/**
 * `python -m plumbline_torch`, or the same behind a command of the user's (`torchrun --nproc-per-node 8`, `ssh gpu1 python3`).
 * `{module}` in it is the folder with the module, for where PYTHONPATH does not get to.
 */
export function startCommand(options: { readonly python?: string; readonly launch?: string | readonly string[] }): Command {
  const { launch } = options
  if (launch === undefined) return { file: pythonOf(options.python), args: MODULE }
  const words = (typeof launch === 'string' ? launch.trim().split(/\s+/) : launch).map((word) => word.replaceAll('{module}', PYTHON_FOLDER))
  const [file, ...args] = words
  return { file: file!, args: words.some((word) => word.includes('plumbline_torch')) ? args : [...args, ...MODULE] }
}

export const shownCommand = ({ file, args }: Command): string => [file, ...args].join(' ')
