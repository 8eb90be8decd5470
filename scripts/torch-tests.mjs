// The tests of the torch engine in one go: a Python with torch, transformers, peft and pytest (PLUMBLINE_PYTHON, or one that pip makes under node_modules/.cache/torch), then pytest over
// the Python module, the engine's jest suites, and a rehearsal of bench/gpu.mjs. Where there is no such Python and pip cannot make one, it says so and ends with 0.
//
//   node scripts/torch-tests.mjs [--require] [--quick]     # needs a build; --require: exit code 1 where there is no such Python
//
// --quick, for a CI that counts minutes: the backend suite of conformance, log-probs and gradients of every family, two ranks with and without parts of the weights, and pytest
// without other architectures and compiled layers. Left out, by their names: adapters of every family, parity with the other engine, killed processes, ten steps of every family, the benchmark.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './packing.mjs'

const started = performance.now()
const seconds = () => ((performance.now() - started) / 1000).toFixed(0)

/** @returns {never} */
function skip(why) {
  console.error(`SKIPPED: the tests of backend-torch: ${why}`)
  process.exit(process.argv.includes('--require') ? 1 : 0)
}

/** The interpreter that is named, or the one that scripts/torch-venv.mjs makes; its last line is the path. */
function pythonPath() {
  if (process.env.PLUMBLINE_PYTHON) return process.env.PLUMBLINE_PYTHON
  const { stdout } = spawnSync(process.execPath, [join(root, 'scripts', 'torch-venv.mjs')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return stdout.trim().split('\n').at(-1) || skip('there is no Python for them')
}

const isQuick = process.argv.includes('--quick')
const python = pythonPath()
const bytecode = join(root, 'node_modules', '.cache', 'torch-bytecode')
const missing = ['torch', 'transformers', 'peft', 'pytest'].filter(
  (name) => spawnSync(python, ['-c', `import importlib.metadata as m; m.version("${name}")`]).status !== 0,
)
if (missing.length > 0) skip(`${python} has no ${missing.join(', no ')}`)
console.error(`${python}, after ${seconds()} s`)

function run(what, command, args, cwd) {
  const { status, error } = spawnSync(command, args, {
    cwd,
    stdio: 'inherit',
    // Compiled modules are kept for the many processes that follow, outside of the sources.
    env: {
      ...process.env,
      PLUMBLINE_PYTHON: python,
      PYTHONPYCACHEPREFIX: bytecode,
      PYTHONDONTWRITEBYTECODE: '',
      PLUMBLINE_TORCH_QUICK: isQuick ? '1' : '',
    },
  })
  console.error(`${status === 0 ? 'passed' : 'FAILED'}: ${what}, after ${seconds()} s${error ? ` (${error.message})` : ''}`)
  return status === 0
}

const passed = [
  run(
    'pytest',
    python,
    ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', ...(isQuick ? ['-m', 'not slow'] : [])],
    join(root, 'packages', 'backend-torch', 'python'),
  ),
  run('jest', process.execPath, [join(root, 'node_modules', 'jest', 'bin', 'jest.js'), 'packages/backend-torch', '-w', '1'], root),
  isQuick ||
    run(
      'bench/gpu.mjs on a tiny model',
      process.execPath,
      [join(root, 'bench', 'gpu.mjs'), '--tiny', '--device', 'cpu', '--limit', '200', '--budget', '600'],
      root,
    ),
]
process.exitCode = passed.every(Boolean) ? 0 : 1
