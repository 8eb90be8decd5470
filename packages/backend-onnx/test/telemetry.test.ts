import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { TinyModel } from './support/tiny'

const ROOT = join(__dirname, '../../..')
const DIST = join(__dirname, '../dist')

const model = new TinyModel()
const home = mkdtempSync(join(tmpdir(), 'plumbline-home-'))
/** As on a machine that has never run it, and with no word about telemetry. */
const environment: NodeJS.ProcessEnv = {
  PATH: process.env.PATH,
  HOME: home,
  USERPROFILE: home,
  ...Object.fromEntries(
    ['XDG_CACHE_HOME', 'XDG_DATA_HOME', 'XDG_CONFIG_HOME', 'TMPDIR', 'TEMP', 'TMP'].map((name) => [name, folderOf(name)]),
  ),
}

function folderOf(name: string): string {
  const folder = join(home, name.toLowerCase())
  mkdirSync(folder, { recursive: true })
  return folder
}

/**
 * Scores, trains and samples with two engines: every session that the engine makes. What the runtime collects is written at once, and
 * the collector's host looked up 9 s after the first session: `wait` milliseconds pass before the end.
 */
const use = (wait: number) => `
  const { OnnxBackend } = require(${JSON.stringify(DIST)})
  const groups = [{ id: 'a', prompt: [1, 5], completions: [[6, 7, 2]] }, { id: 'b', prompt: [1, 8], completions: [[9, 2]] }]
  const run = async () => {
    const policy = await new OnnxBackend({ threads: 2, engines: 2 }).open({ kind: 'folder', path: ${JSON.stringify(model.path)} })
    await policy.logProbs(groups)
    await policy.forwardBackward(groups, (batch) => ({ loss: 0, cotangents: batch.map(() => [1]) }))
    await policy.optimStep({ learningRate: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 })
    for await (const one of policy.generate([{ id: 'q', prompt: [1, 5], candidates: [0, 1] }], { maxNewTokens: 4, temperature: 1, topP: 1, topK: 0, seed: 1, stop: [] })) void one
    await policy.dispose()
    await new Promise((resolve) => setTimeout(resolve, ${wait}))
    console.log('used')
  }
  run().catch((error) => { console.error(error); process.exit(1) })
`

const filesUnder = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true, recursive: true }).flatMap((entry) =>
    entry.isDirectory() ? [] : [join(entry.parentPath, entry.name)],
  )

function strace(): boolean {
  return process.platform === 'linux' && spawnSync('strace', ['-f', '-o', '/dev/null', process.execPath, '-e', '0']).status === 0
}

afterAll(async () => {
  rmSync(home, { recursive: true })
  await model.dispose()
})

describe('nothing leaves the machine', () => {
  it('an engine writes no device id, no event and no log, wherever such things are kept', () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', use(500)], { encoding: 'utf8', env: environment, cwd: home })
    expect({ stdout, stderr, status }).toEqual({ stdout: 'used\n', stderr: '', status: 0 })
    expect(filesUnder(home)).toEqual([])
  })

  const traced = strace() ? it : it.skip
  traced(`an engine opens no connection and looks up no name${traced === it ? '' : ' (no strace here)'}`, () => {
    const log = join(home, 'strace.txt')
    const { stdout, status } = spawnSync(
      'strace',
      ['-f', '-e', 'trace=socket,connect,openat', '-o', log, process.execPath, '-e', use(12_000)],
      {
        encoding: 'utf8',
        env: environment,
        cwd: home,
      },
    )
    expect({ stdout, status }).toEqual({ stdout: 'used\n', status: 0 })
    const calls = readFileSync(log, 'utf8').split('\n')
    rmSync(log)
    // The trace covers the engines' threads: they load the library.
    expect(calls.some((call) => call.includes('onnxruntime_binding.node'))).toBe(true)
    expect(calls.filter((call) => /AF_INET|AF_NETLINK|\/etc\/(resolv\.conf|hosts)|nscd/.test(call))).toEqual([])
  })

  it('a thread that cannot turn it off does not start an engine', async () => {
    const script = `
      const { parentPort } = require('node:worker_threads')
      const { OnnxBackend } = require(${JSON.stringify(DIST)})
      new OnnxBackend({ threads: 1 }).open({ kind: 'folder', path: ${JSON.stringify(model.path)} })
        .then((policy) => policy.dispose().then(() => parentPort.postMessage('opened')), ({ code, message }) => parentPort.postMessage({ code, message }))
    `
    const answer = (env: NodeJS.ProcessEnv) => new Promise((resolve) => new Worker(script, { eval: true, env }).once('message', resolve))
    const refused = { code: 'PLUMB_TELEMETRY_ON', message: expect.stringContaining('ORT_DISABLE_TELEMETRY=1') as unknown }
    expect(await answer({})).toEqual(refused)
    expect(await answer({ ORT_DISABLE_TELEMETRY: '0' })).toEqual(refused)
    expect(await answer({ ORT_DISABLE_TELEMETRY: '1' })).toBe('opened')
  })

  it('one file loads the library, and all others go through it', () => {
    const folders = ['packages', 'bench', 'scripts', 'examples'].map((name) => join(ROOT, name)).filter((path) => existsSync(path))
    const sources = folders.flatMap(sourcesUnder)
    const loads =
      /(?:require|import)\(\s*['"]onnxruntime-node|^\s*(?:import|export) (?!type\b)[^;]*?from ['"]onnxruntime-node|^\s*import ['"]onnxruntime-node|(?:require|import)\(runtimePath/m
    expect(sources.length).toBeGreaterThan(200)
    const here = __filename.slice(ROOT.length + 1)
    expect(sources.filter((file) => loads.test(readFileSync(file, 'utf8'))).map((file) => file.slice(ROOT.length + 1))).toEqual(
      ['packages/backend-onnx/src/runtime/load-runtime.ts'].filter((file) => file !== here),
    )
  })
})

function sourcesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return /^(node_modules|dist|fixtures|results|work|runs)$/.test(entry.name) ? [] : sourcesUnder(path)
    return /\.[cm]?[jt]s$/.test(entry.name) ? [path] : []
  })
}
