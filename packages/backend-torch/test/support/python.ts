import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { startCommand } from '../../src/process/command'
import { leaseProcess } from '../../src/process/start'

/** Made by `scripts/torch-venv.mjs` where pip finds the packages. */
const VENV = join(__dirname, '../../../../node_modules/.cache/torch/bin/python')

function withTorch(): string | undefined {
  const candidates = [process.env.PLUMBLINE_PYTHON, VENV, 'python3'].filter((each) => each !== undefined)
  return candidates.find((python) => {
    if (python.includes('/') && !existsSync(python)) return false
    const script = 'import importlib.metadata as m; [m.version(n) for n in ("torch", "transformers", "peft")]'
    return spawnSync(python, ['-c', script], { timeout: 30_000 }).status === 0
  })
}

/** A Python with torch, transformers and peft: PLUMBLINE_PYTHON, that of the cache, or `python3`. */
export const PYTHON = withTorch()

/** Importing torch and transformers takes seconds, on a busy machine a minute: no test is charged with it. */
const WARM_UP_MS = 300_000

async function warmUp(python: string): Promise<void> {
  const { channel, release } = leaseProcess(startCommand({ python }))
  await channel.call('describe', { device: 'cpu' })
  release()
}

/** What is told of a test that `node scripts/torch-tests.mjs --quick` leaves out. */
const LEFT_OUT = '(left out by --quick)'
const isQuick = process.env.PLUMBLINE_TORCH_QUICK === '1'

/** A test that the quick choice leaves out, by its name. */
export function itWhole(name: string, test: () => Promise<void>): void {
  if (isQuick) it.skip(`${name} ${LEFT_OUT}`, () => undefined)
  else it(name, test)
}

/** A suite that the quick choice leaves out, by its name. */
export function describeWhole(name: string, suite: (python: string) => void): void {
  if (isQuick) it.skip(`${name} ${LEFT_OUT}`, () => undefined)
  else describeTorch(name, suite)
}

/** A suite that needs it; skipped by its name where there is none. */
export function describeTorch(name: string, suite: (python: string) => void): void {
  if (PYTHON !== undefined) {
    describe(name, () => {
      beforeAll(() => warmUp(PYTHON), WARM_UP_MS)
      suite(PYTHON)
    })
  } else
    it.skip(`${name} (skipped: no Python with torch, transformers and peft; PLUMBLINE_PYTHON names one, scripts/torch-venv.mjs makes one)`, () =>
      undefined)
}
