import { Errors } from '@oclif/core'
import { PlumbError } from '@plumbline/core'
import { describeFailure, failureJson, formatFailure } from '../src/errors/failure'
import { InterruptedError } from '../src/errors/user-error'

const context = { command: 'plumb run', commands: ['run', 'sft', 'plugins install'] }
const said = (error: unknown, debug = false) => formatFailure(describeFailure(error, context), debug)

it("prints core's errors as code, place and sentence, and exits with 2", () => {
  const error = new PlumbError('PLUMB_DATA_SYNTAX', 'Not JSON.', 'train.jsonl:3')
  expect(said(error)).toBe('PLUMB_DATA_SYNTAX  train.jsonl:3  Not JSON.')
  expect(describeFailure(error, context).exitCode).toBe(2)
  expect(failureJson(describeFailure(error, context))).toEqual({
    error: { code: 'PLUMB_DATA_SYNTAX', where: 'train.jsonl:3', message: 'Not JSON.' },
  })
})

it('says the command that goes on after an interruption, and exits with 130', () => {
  const failure = describeFailure(new InterruptedError('Stopped.', 'plumb run -c a.yaml'), context)
  expect(failure.exitCode).toBe(130)
  expect(failure.message).toBe('Stopped. Go on with: plumb run -c a.yaml')
  expect(failureJson(failure).error.resume).toBe('plumb run -c a.yaml')
})

it('takes a full disk for a mishap and not for a bug', () => {
  const error = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', path: 'runs/a' })
  expect(said(error)).toBe('PLUMB_SYSTEM  runs/a  The disk is full (ENOSPC).')
  expect(describeFailure(error, context).exitCode).toBe(2)
})

it('takes everything else for a bug: exit code 1, the stack only when asked for', () => {
  const error = new TypeError('x is undefined')
  expect(describeFailure(error, context).exitCode).toBe(1)
  expect(said(error)).toBe(
    'PLUMB_BUG  TypeError: x is undefined\nThis is a bug in Plumbline or in a plugin; please report it with the command and the config. DEBUG=plumb shows where it happened.',
  )
  expect(said(error, true)).toContain('errors.test.ts')
  expect(describeFailure('a string', context).exitCode).toBe(1)
})

it('suggests the command that was meant, and none where nothing is near', () => {
  expect(said(new Errors.CLIError('command plugins:instal not found'))).toBe(
    'PLUMB_UNKNOWN_COMMAND  plumb plugins instal  "plugins instal" is not a command. Did you mean "plugins install"? "plumb --help" lists them.',
  )
  expect(said(new Errors.CLIError('Command rnu not found.'))).toBe(
    'PLUMB_UNKNOWN_COMMAND  plumb rnu  "rnu" is not a command. Did you mean "run"? "plumb --help" lists them.',
  )
  expect(said(new Errors.CLIError('command xyzzy not found'))).toBe(
    'PLUMB_UNKNOWN_COMMAND  plumb xyzzy  "xyzzy" is not a command. "plumb --help" lists them.',
  )
})

describe('what the system refuses is never a bug', () => {
  const codes =
    'ENOSPC EDQUOT EFBIG EROFS EACCES EPERM ENOENT EEXIST ENOTDIR EISDIR ENOTEMPTY ENAMETOOLONG ELOOP EXDEV EIO EBUSY ESTALE EMFILE ENFILE EAGAIN ENOMEM'

  it.each(codes.split(' '))('%s: one sentence with the file, and exit code 2', (code) => {
    const error = Object.assign(new Error(`${code}: …`), { code, errno: -1, syscall: 'open', path: '/else/where' })
    const { exitCode, code: shown, where, message } = describeFailure(error, context)
    expect([exitCode, shown, where]).toEqual([2, 'PLUMB_SYSTEM', '/else/where'])
    expect(message).toMatch(new RegExp(`^[A-Z][^.]*\\(${code}\\)\\.$`))
  })

  it('says what was done where no file is named, and finds it behind another error', () => {
    const inner = Object.assign(new Error('x'), { code: 'EIO', errno: -5, syscall: 'fsync' })
    const sentence = 'PLUMB_SYSTEM  The disk or terminal could not be read or written (EIO, at "fsync").'
    expect(said(inner)).toBe(sentence)
    expect(said(new Error('the engine failed', { cause: inner }))).toBe(sentence)
    expect(said(new AggregateError([new Error('a'), inner], 'several'))).toBe(sentence)
  })

  it.each([
    [new RangeError('WebAssembly.Memory(): could not allocate memory'), /not enough memory.*ulimit -v.*: WebAssembly/],
    [new RangeError('Array buffer allocation failed'), /not enough memory/],
    [new Error('pthread_create() failed, error code: 11 error msg: Resource temporarily unavailable'), /no more threads.*ulimit -u/],
    [Object.assign(new Error('Worker initialization failure: EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' }), /no more threads/],
  ])('%s', (error, message) => {
    const failure = describeFailure(error, context)
    expect([failure.exitCode, failure.code, failure.message]).toEqual([2, 'PLUMB_SYSTEM', expect.stringMatching(message) as string])
  })

  it('leaves a module that is missing, and an error of a plugin, a bug', () => {
    expect(describeFailure(Object.assign(new Error('x'), { code: 'MODULE_NOT_FOUND' }), context).exitCode).toBe(1)
    expect(describeFailure(new Error('boom', { cause: new Error('deeper') }), context).exitCode).toBe(1)
  })
})

it('prints no control characters, nor what turns the order of the text; JSON escapes by itself', () => {
  const error = new PlumbError('PLUMB_X', 'a \u001b]52;c;ZXZpbA==\u0007 b\u202ec\u009b2J\r\nd\te', 'file\u001b[2J.jsonl:1')
  expect(said(error)).toBe('PLUMB_X  file\\x1b[2J.jsonl:1  a \\x1b]52;c;ZXZpbA==\\x07 b\\u202ec\\x9b2J\\x0d\nd\te')
  expect(failureJson(describeFailure(error, context)).error.message).toContain('\u001b]52')
})
