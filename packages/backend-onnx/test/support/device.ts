import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ModelSource } from '@plumbline/core'
import { loadTokenizer, tokenizerPath } from '@plumbline/transformer'
import type { EngineClient } from '../../src/worker/client'

const SOFTWARE_NAMES = ['SwiftShader', 'llvmpipe']
/** SwiftShader's manifest as Debian's chromium-common has it, which the Vulkan loader does not look for. */
const CHROMIUM = '/usr/lib/chromium/vk_swiftshader_icd.json'
const DIST = join(__dirname, '../../dist')

/** Runs a script in a process of its own: an adapter is a process's own business, and jest has only a copy of the environment. */
export function runNode(script: string, environment: Readonly<Record<string, string>> = {}) {
  return spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', env: { ...process.env, ...environment }, timeout: 60_000 })
}

const open = (part: string) =>
  `require(${JSON.stringify(join(DIST, 'device/open.js'))}).openDevice(${JSON.stringify(part)}).then(({ engine, adapter }) => (console.log(adapter), engine.close()), () => process.exit(1))`

function found(part: string): string | undefined {
  const { status, stdout } = runNode(open(part))
  return status === 0 ? stdout.trim() : undefined
}

/** The adapter the tests run on: a GPU where one is, else a software driver; undefined where there is neither. */
function findAdapter(): string | undefined {
  const adapter = found('') ?? SOFTWARE_NAMES.map(found).find((name) => name !== undefined)
  if (adapter !== undefined || process.env.VK_DRIVER_FILES !== undefined || !existsSync(CHROMIUM)) return adapter
  process.env.VK_DRIVER_FILES = CHROMIUM
  process.env.VK_ICD_FILENAMES = CHROMIUM
  return found(SOFTWARE_NAMES[0]!)
}

export const adapter = findAdapter()
export const isSoftwareAdapter = SOFTWARE_NAMES.some((name) => adapter?.toLowerCase().includes(name.toLowerCase()))
/** The `device` option that takes it. */
export const device = `webgpu:${adapter}`

/** A software adapter compiles shaders for minutes: it runs the whole suite only where PLUMBLINE_DEVICE_TESTS=software asks for it. */
export const isWhole = !isSoftwareAdapter || process.env.PLUMBLINE_DEVICE_TESTS === 'software'

/** A test that a software adapter runs only where it is asked for the whole suite; else it is skipped. */
export const itOnGpu = isWhole ? it : it.skip

/** A suite that needs an adapter, a short one; where there is none it is skipped, and its name says what is missing. */
export function describeOnDevice(name: string, suite: () => void): void {
  if (adapter === undefined) describe.skip(`${name} (no WebGPU adapter: see "Tests on a GPU" in CONTRIBUTING.md)`, suite)
  else describe(`${name} on ${adapter}`, suite)
}

/** The same for long ones: a software adapter runs them only where it is asked for the whole suite. */
export function describeOnGpu(name: string, suite: () => void): void {
  if (isWhole) describeOnDevice(name, suite)
  else describe.skip(`${name} (${adapter} computes on the CPU: PLUMBLINE_DEVICE_TESTS=software runs it all the same)`, suite)
}

export async function openModel(engine: EngineClient, source: ModelSource, on: 'cpu' | 'webgpu'): Promise<void> {
  const { vocabularySize, bosId, eosId, padId } = await loadTokenizer(tokenizerPath(source))
  await engine.call('open', source, { vocabularySize, bosId, eosId, padId }, { device: on, threads: 1 })
}
