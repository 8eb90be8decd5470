// Makes a Python with torch, transformers, peft and pytest under node_modules/.cache/torch, where the tests of packages/backend-torch look for one. Where there is
// no Python, or pip finds no packages, it says so and the tests skip by their names: exit code 0 either way, so that a clean checkout needs neither.
//
//   node scripts/torch-venv.mjs [--require]     # --require: exit code 1 where it could not be made
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './packing.mjs'

const folder = join(root, 'node_modules', '.cache', 'torch')
const python = process.platform === 'win32' ? join(folder, 'Scripts', 'python.exe') : join(folder, 'bin', 'python')
// The CPU's build is a tenth of CUDA's; where an index has only one of them, pip takes that.
const PACKAGES = ['torch>=2.8', 'transformers>=5', 'peft', 'pytest']
const MINUTES = 15

const isWhole = () =>
  existsSync(python) &&
  spawnSync(python, ['-c', 'import importlib.metadata as m; [m.version(n) for n in ("torch", "transformers", "peft", "pytest")]'])
    .status === 0

function give(reason) {
  rmSync(folder, { recursive: true, force: true })
  console.error(`SKIPPED: no Python for the tests of backend-torch (${reason}); they will say that they were skipped.`)
  process.exit(process.argv.includes('--require') ? 1 : 0)
}

/** Runs a step; what it says is shown only where it fails. */
function step(what, command, args, minutes) {
  const { status, error, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: minutes * 60_000,
    env: { ...process.env, PIP_RETRIES: '0', PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_DEFAULT_TIMEOUT: '30' },
  })
  if (error || status !== 0) give(`${what}: ${error?.message ?? String(stderr).trim().split('\n').at(-1)}`)
}

if (!isWhole()) {
  if (!existsSync(python)) {
    const system = process.env.PYTHON ?? (process.platform === 'win32' ? 'python' : 'python3')
    rmSync(folder, { recursive: true, force: true })
    step('making the environment', system, ['-m', 'venv', folder], 2)
  }
  // One that an earlier version made may lack a package. Of what is installed a fraction is imported; that is compiled when it is.
  step('pip install', python, ['-m', 'pip', 'install', '--quiet', '--no-compile', ...PACKAGES], MINUTES)
}
console.log(python)
