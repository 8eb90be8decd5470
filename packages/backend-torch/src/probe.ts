import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { PlumbError } from '@plumbline/core/base'

/** Versions of what a Python has, without loading it: milliseconds, where `import torch` takes seconds. */
export interface Installed {
  readonly python: string
  readonly torch: string | null
  readonly transformers: string | null
  readonly peft: string | null
}

const SCRIPT = `import importlib.metadata as m, json, sys
def v(n):
    try: return m.version(n)
    except m.PackageNotFoundError: return None
print(json.dumps({"python": sys.version.split()[0], **{n: v(n) for n in ("torch", "transformers", "peft")}}))`

const LEAST = { python: [3, 10], torch: [2, 8], transformers: [5, 0] } as const

const found = new Map<string, Promise<Installed>>()

/** What a Python has; asked once per process. @throws PlumbError PLUMB_TORCH_PYTHON */
export function installedIn(python: string): Promise<Installed> {
  let known = found.get(python)
  if (!known) {
    known = look(python)
    found.set(python, known)
  }
  return known
}

async function look(python: string): Promise<Installed> {
  try {
    const { stdout } = await promisify(execFile)(python, ['-c', SCRIPT], { timeout: 30_000 })
    return JSON.parse(stdout) as Installed
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'is not there' : 'does not run'
    const message = `${python} ${reason}; the torch backend needs Python ${LEAST.python.join('.')} or newer with torch and transformers.`
    throw new PlumbError('PLUMB_TORCH_PYTHON', message, undefined, { cause: error })
  }
}

/** What is missing, in one line with the command that installs it; undefined where nothing is. */
export function missingIn(python: string, installed: Installed): string | undefined {
  if (isOlder(installed.python, LEAST.python))
    return `${python} is Python ${installed.python}; expected ${LEAST.python.join('.')} or newer.`
  const problems = (['torch', 'transformers'] as const).flatMap((name) => {
    const version = installed[name]
    if (version === null) return [`${name} is not installed`]
    return isOlder(version, LEAST[name]) ? [`${name} ${version} is older than ${LEAST[name].join('.')}`] : []
  })
  if (problems.length === 0) return undefined
  return `${problems.join(', ')} in ${python}; install with: ${python} -m pip install -U torch transformers peft`
}

function isOlder(version: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  return a < major || (a === major && b < minor)
}

/** Whether it is worth seconds to ask PyTorch for a GPU: a driver is loaded, and it was not built for CPUs alone. */
export function mayHaveGpu({ torch }: Installed): boolean {
  return torch?.endsWith('+cpu') !== true && hasGpuDriver()
}

function hasGpuDriver(): boolean {
  switch (process.platform) {
    case 'linux':
      return ['/proc/driver/nvidia/version', '/dev/nvidiactl', '/dev/dxg', '/dev/kfd'].some((path) => existsSync(path))
    case 'win32':
      return existsSync(join(process.env.SystemRoot ?? 'C:\\Windows', 'System32', 'nvcuda.dll'))
    default:
      return process.platform === 'darwin' && process.arch === 'arm64'
  }
}
