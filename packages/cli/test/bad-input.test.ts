import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BIN, plumb, TINY_CONFIG, tinyProject } from './cli'

/** Runs the tiny project with a change and expects one sentence, exit code 2, and no run begun. */
async function refused(change: { config?: string; file?: readonly [name: string, text: string | undefined] }): Promise<string> {
  const cwd = tinyProject(change.config)
  if (change.file !== undefined) writeFileSync(join(cwd, change.file[0]), change.file[1] ?? '')
  const { code, stdout, stderr } = await plumb(['run'], { cwd })
  const lines = stderr.trimEnd().split('\n')
  expect({ code, stdout, codes: lines.filter((line) => line.startsWith('PLUMB_')).length }).toEqual({ code: 2, stdout: '', codes: 1 })
  const begun = existsSync(join(cwd, 'run')) ? readdirSync(join(cwd, 'run')) : []
  expect(begun.filter((name) => existsSync(join(cwd, 'run', name, 'done.json')))).toEqual([])
  return lines[lines.length - 1]!.replaceAll(cwd, '.')
}

const question = (text: string, answer: string | undefined) => JSON.stringify({ question: text, answer })

it.each([
  ['a missing data file', { config: TINY_CONFIG.replace('train.jsonl', 'absent.jsonl') }, /^PLUMB_DATA_\w+ {2}\S*absent\.jsonl {2}\S.*\.$/],
  ['an empty data file', { file: ['train.jsonl', ''] as const }, /^PLUMB_DATA_\w+ {2}\S*train\.jsonl {2}\S.*\.$/],
  [
    'a malformed JSON line',
    { file: ['train.jsonl', `${question('1 + 1?', '#### 2')}\n{"question": \n`] as const },
    /^PLUMB_DATA_\w+ {2}\S*train\.jsonl:2 {2}\S.*\.$/,
  ],
  [
    'a question without an answer',
    { file: ['train.jsonl', `${question('1 + 1?', '#### 2')}\n\n${question('2 + 2?', undefined)}\n`] as const },
    /^PLUMB_DATA_\w+ {2}\S*train\.jsonl:3\b.* {2}\S.*answer.*\.$/,
  ],
  [
    'an unknown loss',
    { config: TINY_CONFIG.replace('loss: ca', 'loss: cb') },
    /^PLUMB_UNKNOWN_LOSS {2}plumbline\.config\.yaml:11 {2}.*"cb".*Did you mean "ca"\?$/,
  ],
  [
    'an unknown key',
    { config: TINY_CONFIG.replace('sft: {', 'sft: { step: 4,') },
    /^PLUMB_CONFIG_UNKNOWN_KEY {2}plumbline\.config\.yaml:8 {2}.*step .*Did you mean "steps"\?$/,
  ],
  [
    'an unknown option of a loss',
    { config: TINY_CONFIG.replace('constraint:', 'constrain:') },
    /^PLUMB_CONFIG_UNKNOWN_KEY {2}plumbline\.config\.yaml:11 {2}align\.0\.constrain is not an option of loss "ca"\. Did you mean "constraint"\?$/,
  ],
  [
    'a prompt longer than the context',
    { file: ['train.jsonl', question(`${'long '.repeat(50)} 1 + 1?`, '#### 2')] as const },
    /^PLUMB_PROMPT_TOO_LONG {2}.*200.*$/,
  ],
])('%s: one sentence and exit code 2', async (_, change, sentence) => {
  expect(await refused(change)).toMatch(sentence)
})

describe('a run folder that cannot be one', () => {
  const onLinux = process.platform === 'linux' ? it : it.skip

  onLinux.each([
    ['afile', 'Expected a folder, but this is a file.'],
    ['afile/x', 'is a file.'],
    ['dangling', 'Expected a folder, but this is a link that leads to no folder.'],
    ['/dev/null', 'Expected a folder, but this is something else.'],
    ['/dev/null/x', '/dev/null is something else.'],
    ['/proc/x', '(ENOENT).'],
    ['n'.repeat(300), 'The name is longer than the file system allows (ENAMETOOLONG).'],
  ])('%.20s: one sentence and exit code 2', async (run, end) => {
    const cwd = tinyProject()
    writeFileSync(join(cwd, 'afile'), '')
    symlinkSync('/nowhere/at/all', join(cwd, 'dangling'))
    const { code, stderr } = await plumb(['run', '--quiet', '--set', `run=${run}`], { cwd })
    expect([code, stderr.split('  ')[0]]).toEqual([2, 'PLUMB_SYSTEM'])
    expect(stderr.trimEnd().endsWith(end)).toBe(true)
  })

  onLinux('or standard output that cannot be written: a sentence on stderr, no stack, exit code 2', () => {
    const cwd = tinyProject()
    const { status, stderr } = spawnSync('sh', ['-c', `"${process.execPath}" "${BIN}" run --quiet > /dev/full`], { cwd, encoding: 'utf8' })
    expect([status, stderr]).toEqual([2, 'PLUMB_SYSTEM  stdout  The disk is full (ENOSPC, at "write").\n'])
  })
})
