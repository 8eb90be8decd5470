import { EventEmitter } from 'node:events'
import { onInterrupt } from '../src/run/interrupt'

function interruptible(env: Record<string, string> = {}) {
  let clock = 0
  const source = Object.assign(new EventEmitter(), { stderr: new EventEmitter() })
  const said: string[] = []
  const killed: string[] = []
  const interruption = onInterrupt(
    (message) => said.push(message),
    (signal) => killed.push(signal),
    source,
    { env, now: () => clock },
  )
  const wait = (milliseconds: number) => (clock += milliseconds)
  return { source, said, killed, wait, ...interruption }
}

it('aborts at the first signal and says so, and stops at once at the second', () => {
  const { source, said, killed, signal } = interruptible()
  source.emit('SIGINT', 'SIGINT')
  expect([signal.aborted, said.length, killed]).toEqual([true, 1, []])
  source.emit('SIGTERM', 'SIGTERM')
  expect([said.length, killed]).toEqual([1, ['SIGTERM']])
})

it('gives the signals back', () => {
  const { source, dispose } = interruptible()
  dispose()
  expect([source.eventNames(), source.stderr.eventNames()]).toEqual([[], []])
})

it('takes a closed pipe for a request to stop', () => {
  const { source, signal, killed } = interruptible()
  source.stderr.emit('error', Object.assign(new Error('write EIO'), { code: 'EIO' }))
  expect(signal.aborted).toBe(false)
  source.stderr.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
  expect([signal.aborted, killed]).toEqual([true, []])
})

it('answers a closed terminal like a request to stop', () => {
  const { source, signal, killed } = interruptible()
  source.emit('SIGHUP', 'SIGHUP')
  expect([signal.aborted, killed]).toEqual([true, []])
})

it('leaves SIGQUIT alone', () => {
  expect(interruptible().source.eventNames()).toEqual(['SIGINT', 'SIGTERM', 'SIGHUP'])
})

describe('under npm, which passes on what the terminal sent already', () => {
  const npm = { npm_command: 'exec' }

  it('takes the same signal within a second for an echo, and a later one as meant', () => {
    const { source, said, killed, wait } = interruptible(npm)
    source.emit('SIGINT', 'SIGINT')
    wait(5)
    source.emit('SIGINT', 'SIGINT')
    wait(900)
    source.emit('SIGINT', 'SIGINT')
    expect([said.length, killed]).toEqual([1, []])
    wait(100)
    source.emit('SIGINT', 'SIGINT')
    expect([said.length, killed]).toEqual([1, ['SIGINT']])
  })

  it('takes another signal as meant', () => {
    const { source, killed } = interruptible(npm)
    source.emit('SIGINT', 'SIGINT')
    source.emit('SIGTERM', 'SIGTERM')
    expect(killed).toEqual(['SIGTERM'])
  })
})

it('without npm takes the second signal at once as meant', () => {
  const { source, killed } = interruptible()
  source.emit('SIGINT', 'SIGINT')
  source.emit('SIGINT', 'SIGINT')
  expect(killed).toEqual(['SIGINT'])
})
