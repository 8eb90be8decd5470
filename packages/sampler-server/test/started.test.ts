import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isPlumbError, runConfig, type Policy } from '@plumbline/core'
import { artifact, world } from '../../core/test/support/world'
import serverPlugin from '../src'
import { startedOn, type StartOptions } from '../src/started'
import { Fakes, openModel, SAMPLING } from './support/served'

const SERVER = join(__dirname, 'fixtures/fake-server.cjs')
const COMMAND = [process.execPath, SERVER, '{model}', '{port}']
const GUARD = join(__dirname, '../guard.mjs')

const fakes = new Fakes()
let model: string
let policy: Policy
beforeAll(async () => {
  model = await fakes.model()
  policy = await openModel(model)
})
afterAll(() => fakes.dispose())

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function gone(pid: number): Promise<boolean> {
  for (let n = 0; n < 100 && isAlive(pid); n++) await sleep(50)
  return !isAlive(pid)
}

const pidIn = (log: string): number => Number(/^pid (\d+)/m.exec(readFileSync(log, 'utf8'))?.[1])

const start = (options: Partial<StartOptions> = {}) => {
  const folder = fakes.folder()
  const provider = startedOn({ command: COMMAND, args: [], startTimeout: 20, folder, ...options })
  const log = join(folder, 'server', `${process.pid}.log`)
  return { log, running: provider({ policy, model: { kind: 'folder', path: model }, sampling: SAMPLING }) }
}

async function rejection(work: Promise<unknown>): Promise<Error & { code?: string; where?: string }> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isPlumbError(error)) throw error instanceof Error ? error : new Error('Nothing was rejected')
  return error
}

describe('a server that the run starts', () => {
  it('serves the stage-1 model through a whole run, leaves its log in the run folder, and is gone when the stage is', async () => {
    const here = await world({ plugins: [serverPlugin], config: { sample: { sampler: { name: 'vllm', command: COMMAND } } } })
    await runConfig(here)
    const samples = await artifact<{ sampled: number }>(here, 'sample', 'samples.jsonl')
    expect(samples.map(({ sampled }) => sampled)).toEqual(samples.map(() => 5))
    const folder = join(here.config.run, 'server')
    const [log] = readdirSync(folder)
    expect(readdirSync(folder)).toEqual([`${process.pid}.log`])
    const text = readFileSync(join(folder, log!), 'utf8')
    expect(text).toMatch(/serves .*[\\/]sft-\w+[\\/]model$/m)
    expect(await gone(pidIn(join(folder, log!)))).toBe(true)
  })

  it('gets a copy of a model that is no folder, which is gone afterwards', async () => {
    const here = await world({
      plugins: [serverPlugin],
      config: {
        sft: { steps: 0 },
        sample: { sampler: { name: 'vllm', command: COMMAND } },
        align: [{ name: 'boundary', steps: 1, losses: [{ loss: 'contrast' }] }],
      },
    })
    await runConfig({ ...here, last: 'sample' })
    const folder = join(here.config.run, 'server')
    expect(readdirSync(folder)).toEqual([`${process.pid}.log`])
  })

  it('ends when the run is killed, and what it started with it', async () => {
    const log = join(fakes.folder(), 'server.log')
    const script = `
      const { spawn } = require('node:child_process')
      spawn(process.execPath, ${JSON.stringify([GUARD, log, process.execPath, SERVER, model, '0'])}, { stdio: ['pipe', 'pipe', 'ignore'], detached: true })
      setInterval(() => undefined, 1000)`
    const parent = spawn(process.execPath, ['-e', script], { stdio: 'ignore' })
    for (let n = 0; n < 200 && !(existsSync(log) && pidIn(log)); n++) await sleep(50)
    const pid = pidIn(log)
    expect(isAlive(pid)).toBe(true)
    parent.kill('SIGKILL')
    expect(await gone(pid)).toBe(true)
  })

  it('that there is no command for is told with what is expected', async () => {
    const { running, log } = start({ command: ['no-such-vllm', '{model}', '{port}'] })
    const error = await rejection(running)
    expect(error).toMatchObject({
      code: 'PLUMB_SERVER_EXITED',
      message: expect.stringMatching(/there is no such command \(no-such-vllm\); expected vLLM/),
    })
    expect(log.endsWith(error.where!.split(/[\\/]/).at(-1)!)).toBe(true)
  })

  it('that ends while it starts is told with its last words', async () => {
    const error = await rejection(start({ args: ['--die'] }).running)
    expect(error).toMatchObject({
      code: 'PLUMB_SERVER_EXITED',
      message: 'The server that was started is gone: exit code 3. It said last:\n  CUDA out of memory, says the server',
    })
  })

  it('that never answers is ended', async () => {
    const { running, log } = start({ args: ['--deaf'], startTimeout: 5 })
    const error = await rejection(running)
    expect(error).toMatchObject({
      code: 'PLUMB_SERVER_START',
      message: expect.stringMatching(/did not answer GET \/health within 5 seconds/),
    })
    expect(pidIn(log)).toBeGreaterThan(0)
    expect(await gone(pidIn(log))).toBe(true)
  })

  it('that dies while it is asked is told as that, and not as a connection that failed', async () => {
    const { running, log } = start()
    const server = await running
    process.kill(pidIn(log), 'SIGKILL')
    for (let n = 0; n < 100 && !server.ended!(); n++) await sleep(20)
    expect(server.ended!()).toMatchObject({ code: 'PLUMB_SERVER_EXITED', message: expect.stringMatching(/gone: SIGKILL/) })
    await server.stop!()
  })
})
