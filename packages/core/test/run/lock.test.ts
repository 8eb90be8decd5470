import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { lockFolder } from '../../src/run/lock'
import { ownIdentity } from '../../src/util/process-identity'
import { folderWith } from '../support/files'

const onLinux = process.platform === 'linux' ? it : it.skip
const QUICK = { beatMs: 20, silenceMs: 400 }

/** A process of its own that locks folders on command. */
class Locker {
  private readonly lines: string[] = []
  private wake: () => void = () => undefined

  private constructor(readonly process: ChildProcess) {
    createInterface({ input: process.stdout! }).on('line', (line) => {
      this.lines.push(line)
      this.wake()
    })
  }

  static async start(): Promise<Locker> {
    const locker = new Locker(spawn(process.execPath, [path.join(__dirname, 'lock-child.cjs')], { stdio: ['pipe', 'pipe', 'inherit'] }))
    expect(await locker.answer()).toBe('ready')
    return locker
  }

  say(...words: readonly (string | number)[]): Promise<string> {
    this.process.stdin!.write(`${words.join(' ')}\n`)
    return this.answer()
  }

  private async answer(): Promise<string> {
    while (this.lines.length === 0) await new Promise<void>((resolve) => (this.wake = resolve))
    return this.lines.shift()!
  }

  async kill(): Promise<void> {
    const ended = once(this.process, 'exit')
    this.process.kill('SIGKILL')
    await ended
  }
}

const lockFile = (folder: string) => path.join(folder, '.lock')
const holderIn = (folder: string) => JSON.parse(readFileSync(lockFile(folder), 'utf8')) as Record<string, unknown>

/** A lock as a process leaves it that was killed. */
function staleLock(): string {
  const child = spawnSync(process.execPath, ['-e', ''])
  return `${JSON.stringify({ ...ownIdentity(), pid: child.pid, token: `stale-${Math.random().toString(36).slice(2)}` })}\n`
}

describe('a lock', () => {
  it('keeps others out until it is given back, and leaves nothing', async () => {
    const folder = folderWith({})
    const unlock = await lockFolder(folder)
    expect(holderIn(folder)).toMatchObject({ pid: process.pid, host: hostname() })
    await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'PLUMB_RUN_LOCKED', where: lockFile(folder) })
    await unlock()
    expect(readdirSync(folder)).toEqual([])
    await (
      await lockFolder(folder)
    )()
  })

  it('can be held for several folders by one process', async () => {
    const [a, b] = [folderWith({}), folderWith({})]
    const [unlockA, unlockB] = [await lockFolder(a), await lockFolder(b)]
    await unlockA()
    await expect(lockFolder(b, { title: 'stage sft' })).rejects.toThrow('works in stage sft')
    await unlockB()
    expect([...readdirSync(a), ...readdirSync(b)]).toEqual([])
  })

  it('says who holds it and when which file may be deleted', async () => {
    const folder = folderWith({})
    const locker = await Locker.start()
    expect(await locker.say('lock', folder)).toBe('got')
    await expect(lockFolder(folder)).rejects.toMatchObject({
      where: lockFile(folder),
      message: expect.stringMatching(
        new RegExp(`process ${locker.process.pid} on .*delete this file only where you know that nothing`),
      ) as string,
    })
    await locker.kill()
  })

  it('goes to exactly one of four processes that find it stale, a hundred times', async () => {
    const lockers = await Promise.all([1, 2, 3, 4].map(() => Locker.start()))
    const stale = staleLock()
    const rounds: string[] = []
    for (let round = 0; round < 100; round++) {
      const folder = folderWith({ '.lock': stale })
      const answers = await Promise.all(lockers.map((locker) => locker.say('lock', folder)))
      rounds.push(answers.sort().join(' '))
      for (const locker of lockers) await locker.say('unlock')
      expect(readdirSync(folder)).toEqual([])
    }
    const one = ['PLUMB_RUN_LOCKED', 'PLUMB_RUN_LOCKED', 'PLUMB_RUN_LOCKED', 'got'].join(' ')
    expect(rounds).toEqual(Array.from({ length: 100 }, () => one))
    for (const locker of lockers) await locker.kill()
  })

  it('is never held by two, while processes contend for it and one of them is killed', async () => {
    const folder = folderWith({})
    const others = await Promise.all([1, 2, 3].map(() => Locker.start()))
    let times = 0
    for (let round = 0; round < 8; round++) {
      const doomed = await Locker.start()
      const contending = others.map((locker) => locker.say('contend', folder, 300, doomed.process.pid!))
      void doomed.say('contend', folder, 10_000, 0)
      await new Promise((resolve) => setTimeout(resolve, 60 + 25 * round))
      await doomed.kill()
      rmSync(path.join(folder, `inside-${doomed.process.pid}`), { force: true })
      const answers = await Promise.all(contending)
      expect(answers).toEqual(answers.map(() => expect.stringMatching(/^times \d+$/) as string))
      times += answers.reduce((sum, answer) => sum + Number(answer.slice(6)), 0)
    }
    expect(times).toBeGreaterThan(8) // they did get it, again and again
    for (const locker of others) await locker.kill()
    const unlock = await lockFolder(folder)
    await unlock()
    expect(readdirSync(folder)).toEqual([])
  })
})

describe('a stale lock', () => {
  it('of a killed process is taken over', async () => {
    const folder = folderWith({})
    const locker = await Locker.start()
    await locker.say('lock', folder)
    await locker.kill()
    await (
      await lockFolder(folder)
    )()
    expect(readdirSync(folder)).toEqual([])
  })

  it.each(['lock', 'unlock'])('of a process that was killed at any step of %sing is taken over', async (command) => {
    let steps = 0
    for (let survived = false; !survived; steps++) {
      const folder = folderWith({ '.lock': staleLock() })
      const locker = await Locker.start()
      if (command === 'unlock') await locker.say('lock', folder)
      await locker.say('die', steps)
      survived = await Promise.race([locker.say(command, folder).then(() => true), once(locker.process, 'exit').then(() => false)])
      if (survived) await locker.kill()
      await (
        await lockFolder(folder)
      )()
      expect(readdirSync(folder)).toEqual([])
    }
    expect(steps).toBeGreaterThan(5)
  })

  it('whose successors form a ring, by files that someone copied, is refused and not waited for', async () => {
    const stale = JSON.parse(staleLock()) as { token: string }
    const ring = JSON.stringify(stale)
    const folder = folderWith({ '.lock': ring, [`.lock.after-${stale.token}`]: ring })
    await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'PLUMB_RUN_LOCKED' })
  })

  onLinux('of a zombie is taken over: a killed process whose parent never asks for it', async () => {
    const folder = folderWith({})
    // the shell becomes a program that does not wait for the child it was left with
    const script = `node -e "setTimeout(() => {}, 60000)" & echo $! ; exec sleep 60`
    const parent = spawn('sh', ['-c', script.replace('node', `"${process.execPath}"`)], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string]
    const pid = Number(line)
    const stat = () =>
      readFileSync(`/proc/${pid}/stat`, 'latin1')
        .replace(/^.*\) /, '')
        .split(' ')
    const start = stat()[19]
    writeFileSync(lockFile(folder), JSON.stringify({ ...ownIdentity(), pid, start, token: 'zombie' }))
    await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'PLUMB_RUN_LOCKED' })
    process.kill(pid, 'SIGKILL')
    while (stat()[0] !== 'Z') await new Promise((resolve) => setTimeout(resolve, 5))
    await (
      await lockFolder(folder)
    )()
    parent.kill('SIGKILL')
  })

  onLinux.each([
    ['this process', process.pid],
    ['the first process', 1],
  ])('of a reused id, now of %s, is taken over', async (_, pid) => {
    const folder = folderWith({ '.lock': JSON.stringify({ ...ownIdentity(), pid, start: '1', token: 'reused' }) })
    await (
      await lockFolder(folder)
    )()
    expect(readdirSync(folder)).toEqual([])
  })

  it.each([
    ['of another host', { host: 'elsewhere.example', system: 'ffff' }],
    ['of another container with this host’s name', { host: hostname(), system: 'ffff', pid: process.pid }],
    ['of an impossible process', { host: hostname(), pid: -1 }],
  ])('%s is taken over when it has given no sign of life for a while', async (_, differing) => {
    const folder = folderWith({ '.lock': JSON.stringify({ ...ownIdentity(), ...differing, token: 'foreign' }) })
    const said: string[] = []
    const started = performance.now()
    const unlock = await lockFolder(folder, { ...QUICK, say: (message) => said.push(message) })
    expect(performance.now() - started).toBeGreaterThanOrEqual(QUICK.silenceMs - 20)
    expect(said).toEqual([expect.stringContaining('waiting up to 1 s for a sign of life')])
    await unlock()
  })

  it.each(['', '{"pi', '{"pid":1,"host":"elsewhere.example"}', 'x'.repeat(100_000)])(
    'that is no lock (%.20s) is taken over likewise',
    async (text) => {
      const folder = folderWith({ '.lock': text })
      await (
        await lockFolder(folder, QUICK)
      )()
      expect(readdirSync(folder)).toEqual([])
    },
  )

  it.each([
    ['the past', 0],
    ['the future', 4e9],
  ])('whose time lies in %s is judged by its signs of life alone', async (_, seconds) => {
    const text = JSON.stringify({ ...ownIdentity(), host: 'elsewhere', system: 'ffff', token: 'jump' })
    const folder = folderWith({ '.lock': text })
    utimesSync(lockFile(folder), seconds, seconds)
    const beat = setInterval(() => utimesSync(lockFile(folder), seconds, (seconds += 0.01)), 50)
    await expect(lockFolder(folder, QUICK)).rejects.toMatchObject({
      code: 'PLUMB_RUN_LOCKED',
      message: expect.stringMatching(/process \d+ on elsewhere.*delete this file/) as string,
    })
    clearInterval(beat)
    await (
      await lockFolder(folder, QUICK)
    )()
  })

  it('is kept alive by its holder, also while that one computes without a pause', async () => {
    const folder = folderWith({})
    const unlock = await lockFolder(folder, QUICK)
    const seen = new Set<number>()
    const until = performance.now() + 300
    while (performance.now() < until) seen.add(statSync(lockFile(folder)).mtimeMs) // the event loop stands still
    expect(seen.size).toBeGreaterThan(3)
    await unlock()
  })

  it('is not waited for twice: a successor that was killed in the middle is succeeded too', async () => {
    const stale = staleLock()
    const { token } = JSON.parse(stale) as { token: string }
    const folder = folderWith({ '.lock': stale, [`.lock.after-${token}`]: staleLock(), '.lock.after-long-ago': staleLock() })
    const unlock = await lockFolder(folder)
    expect(readdirSync(folder)).toEqual(['.lock'])
    await unlock()
    expect(readdirSync(folder)).toEqual([])
  })
})

describe('a lock that was lost', () => {
  it('is noticed, and the one of the new holder is left alone', async () => {
    const folder = folderWith({})
    let code = ''
    const unlock = await lockFolder(folder, { ...QUICK, onLost: (error) => (code = error.code) })
    const other = `${JSON.stringify({ ...ownIdentity(), host: 'elsewhere', system: 'ffff', token: 'other' })}\n`
    writeFileSync(`${lockFile(folder)}.new`, other)
    renameSync(`${lockFile(folder)}.new`, lockFile(folder))
    const { mtimeMs } = statSync(lockFile(folder))
    while (code === '') await new Promise((resolve) => setTimeout(resolve, 5))
    expect(code).toBe('PLUMB_RUN_LOCK_LOST')
    expect(statSync(lockFile(folder)).mtimeMs).toBe(mtimeMs)
    await unlock()
    expect(readFileSync(lockFile(folder), 'utf8')).toBe(other)
  })
})
