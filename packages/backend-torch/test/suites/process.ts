import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isPlumbError, type Policy } from '@plumbline/core'
import { TinyModel } from '../../../backend-onnx/test/support/tiny'
import { TorchBackend } from '../../src'
import { describeWhole } from '../support/python'

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** The Python processes that a process started. */
function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const { ppid, command } = statOf(name)
        return ppid === pid && command.includes('plumbline_torch')
      } catch {
        return false // it ended while the list was read
      }
    })
    .map(Number)
}

function statOf(pid: number | string): { readonly ppid: number; readonly command: string } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const [, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { ppid: Number(ppid), command: readFileSync(`/proc/${pid}/cmdline`, 'utf8') }
}

const groups = [
  {
    id: 'g',
    prompt: [1, 2, 3],
    completions: [
      [4, 5],
      [6, 7, 8],
    ],
  },
]

async function reject(work: Promise<unknown>): Promise<Error> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof Error)) throw new Error('Nothing was rejected')
  return error
}

describeWhole('the Python process', (python) => {
  if (process.platform !== 'linux') {
    it.skip('(skipped: processes are told apart by /proc)', () => undefined)
    return
  }
  const backend = new TorchBackend({ python, device: 'cpu', threads: 1 })
  const model = new TinyModel(backend)
  let policy: Policy
  beforeAll(async () => {
    policy = await model.open()
  })
  afterAll(() => model.dispose())

  it('killed during a call, is told in one sentence with a code; what is asked afterwards is told the same; a new model has a new process', async () => {
    const [pid] = childrenOf(process.pid)
    const call = policy.logProbs(Array.from({ length: 2000 }, (_, i) => ({ ...groups[0]!, id: `g${i}` })))
    process.kill(pid!, 'SIGKILL')
    const error = await reject(call)
    expect(isPlumbError(error) && error.code).toBe('PLUMB_TORCH_EXITED')
    expect(error.message).toMatch(/^The Python process ended with SIGKILL/)
    expect(await reject(policy.optimStep({ learningRate: 1, betas: [0.9, 0.99], epsilon: 1e-8, weightDecay: 0 }))).toBe(error)
    await policy.dispose()
    const again = await model.open()
    expect(childrenOf(process.pid)).not.toContain(pid)
    expect((await again.logProbs(groups))[0]![1]).toHaveLength(3)
  })

  it('ends when the process that started it is killed', async () => {
    const script = `
      const { leaseProcess } = require(${JSON.stringify(join(__dirname, '../../dist/process/start'))})
      leaseProcess({ file: ${JSON.stringify(python)}, args: ['-m', 'plumbline_torch'] }).channel.ready.then(() => console.log('ready'))
      setInterval(() => undefined, 1000)`
    const parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise((resolve) => parent.stdout.once('data', resolve))
    const [pid] = childrenOf(parent.pid!)
    parent.kill('SIGKILL')
    const isThere = () => {
      try {
        return statOf(pid!).command !== ''
      } catch {
        return false
      }
    }
    for (let n = 0; n < 100 && isThere(); n++) await wait(100)
    expect(isThere()).toBe(false)
  })

  it('that cannot be started, or is no Python, is told with what is expected', async () => {
    for (const options of [{ python: '/nowhere/python3' }, { launch: '/nowhere/torchrun' }]) {
      const error = await reject(new TorchBackend({ ...options, device: 'cpu' }).open({ kind: 'folder', path: model.path }))
      expect(isPlumbError(error) && error.code).toBe('PLUMB_TORCH_PYTHON')
      expect(await new TorchBackend(options).probe()).toMatchObject({ usable: false, detail: expect.stringMatching(/^\S.*\.$/) })
    }
    const error = await reject(new TorchBackend({ launch: 'cat /dev/null', device: 'cpu' }).open({ kind: 'folder', path: model.path }))
    expect(isPlumbError(error) && error.code).toBe('PLUMB_TORCH_EXITED')
  })

  it('a mistake on the other side has a code, and its traceback as the cause', async () => {
    const other = new TorchBackend({ launch: [python], device: 'mps' })
    const error = await reject(other.open({ kind: 'folder', path: model.path }))
    expect(isPlumbError(error) && error.code).toBe('PLUMB_DEVICE_UNSUPPORTED')
    expect(error.message).toMatch(/no MPS device/)
  })
})
