import { spawn } from 'node:child_process'
import { basename } from 'node:path'
import { UserError } from '../errors/user-error'

/**
 * Peers are not installed: core, tfjs and zod are this process's own, and others are asked for by name. A folder is packed and copied as npm
 * would publish it, and not linked.
 */
const FLAGS = ['--omit=dev', '--legacy-peer-deps', '--install-links', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error']

/**
 * Runs npm in a folder, quietly.
 * @throws UserError PLUMB_PLUGINS_NPM with what npm says.
 */
export async function npm(args: readonly string[], folder: string): Promise<string> {
  const { program, before } = ownNpm()
  const { code, stdout, stderr } = await output(program, [...before, ...args, ...FLAGS], folder)
  if (code === 0) return stdout
  throw new UserError('PLUMB_PLUGINS_NPM', `npm ${args.join(' ')} failed: ${reason(stderr) || `it ended with ${String(code)}`}.`, folder)
}

/** The npm that runs this process (`npx plumb`), or the one on the path. */
function ownNpm(): { readonly program: string; readonly before: readonly string[] } {
  const { npm_execpath: file } = process.env
  return file !== undefined && /^(npm|npx)-cli\.js$/.test(basename(file))
    ? { program: process.execPath, before: [file.replace(/npx-cli\.js$/, 'npm-cli.js')] }
    : { program: 'npm', before: [] }
}

interface Output {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function output(program: string, args: readonly string[], cwd: string): Promise<Output> {
  return new Promise((resolve, reject) => {
    // Windows starts npm.cmd through a shell alone; what is handed to it there is quoted.
    const shell = process.platform === 'win32' && program === 'npm'
    const child = spawn(program, shell ? args.map((arg) => `"${arg}"`) : args, { cwd, shell, stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', (error: NodeJS.ErrnoException) => {
      const isMissing = error.code === 'ENOENT'
      reject(isMissing ? new UserError('PLUMB_PLUGINS_NPM', 'npm is not on the path; it comes with Node and installs plugins.') : error)
    })
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

/** npm's own words, without its marks and the names of its logs. */
function reason(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.replace(/^npm (error|ERR!) ?(\d{3} )?/, '').trim())
    .filter((line) => line !== '' && !/^(code|errno|syscall|path) |A complete log of this run|^\/.*-debug-\d+\.log$/.test(line))
  return [...new Set(lines)]
    .slice(0, 2)
    .join(' ')
    .replace(/[.\s]+$/, '')
}
