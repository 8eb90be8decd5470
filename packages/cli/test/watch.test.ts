import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PageState } from '../src/watch/state'
import { folderWith, plumb, TINY_CONFIG, tinyProject, type Outcome } from './cli'

const slow = { FAKE_STEP_MS: '150' }
const done = (text: string): string[] => text.match(/^\w+(?: [\w-]+)?(?= +done in)/gm) ?? []

/** Starts a run, and waits until it can be watched. */
async function running(
  cwd: string,
  env: Readonly<Record<string, string>> = slow,
): Promise<{ child: ChildProcess; ended: Promise<Outcome> }> {
  let child: ChildProcess | undefined
  const ended = plumb(['run', '--quiet'], { cwd, env, started: (started) => (child = started) })
  while (!existsSync(join(cwd, 'run', 'events')) || readdirSync(join(cwd, 'run', 'events')).length < 2) await sleep(20)
  if (child === undefined) throw new Error('no process')
  return { child, ended }
}

it('follows a run to its end, and ends with its exit code', async () => {
  const cwd = tinyProject()
  const { ended } = await running(cwd)
  const watched = await plumb(['watch'], { cwd })
  expect(watched).toMatchObject({ code: 0, stderr: '' })
  expect(watched.stdout).toMatch(/^model on fake \(no device\), in run\n/)
  expect(done(watched.stdout)).toEqual([
    'sft',
    'sample',
    'label',
    'align boundary',
    'align further-sft',
    'evaluate candidates',
    'evaluate VFT',
    'evaluate boundary',
    'evaluate further-sft',
  ])
  expect(watched.stdout).toMatch(/The run is done, after \d:\d\d\.\n$/)
  // the chains of one question, as the run itself shows them
  expect(watched.stdout).toMatch(/^ {4}right {6}1 \+ 1 = 2/m)
  expect(await ended).toMatchObject({ code: 0, stderr: '' })

  // and of one that has ended, by its folder
  const again = await plumb(['watch', 'run'], { cwd })
  expect([again.code, again.stdout]).toEqual([0, watched.stdout])
})

it('says that a run was interrupted, and ends with 130', async () => {
  const cwd = tinyProject()
  const { child, ended } = await running(cwd)
  const watched = plumb(['watch'], { cwd })
  await sleep(300)
  child.kill('SIGINT')
  expect((await ended).code).toBe(130)
  const { code, stdout } = await watched
  expect([code, stdout]).toEqual([
    130,
    expect.stringMatching(/The run was interrupted after 0:0\d: Stopped in .* what is done is kept\. /) as string,
  ])
})

it('says that the process of a run is gone, and ends with 137', async () => {
  const cwd = tinyProject()
  const { child, ended } = await running(cwd)
  const watched = plumb(['watch'], { cwd })
  await sleep(300)
  child.kill('SIGKILL')
  await ended
  const { code, stdout } = await watched
  expect(code).toBe(137)
  expect(stdout).toMatch(/The process of this run is gone without a word: .*; the same "plumb run" goes on\.\n$/)
})

it('ends with 2 where a run failed, and says why', async () => {
  const cwd = tinyProject(TINY_CONFIG.replace('train: { path: train.jsonl', 'train: { limit: 1, path: train.jsonl'))
  mkdirSync(join(cwd, 'run', 'events'), { recursive: true })
  const error = { code: 'PLUMB_NON_FINITE_LOSS', where: 'sft', message: 'The loss is NaN.' }
  writeFileSync(
    join(cwd, 'run', 'events', '1.jsonl'),
    `${JSON.stringify({ time: '2026-01-01T00:00:00.000Z', type: 'run-end', outcome: 'failed', seconds: 61, error })}\n`,
  )
  const { code, stdout } = await plumb(['watch'], { cwd })
  expect([code, stdout]).toEqual([2, 'The run failed after 1:01: PLUMB_NON_FINITE_LOSS  sft  The loss is NaN.\n'])
})

it('leaves the run alone when the watching is ended', async () => {
  const cwd = tinyProject()
  const { ended } = await running(cwd)
  const { code } = await plumb(['watch'], { cwd, started: (child) => child.stdout?.once('data', () => child.kill('SIGINT')) })
  expect(code).toBe(130)
  expect((await ended).code).toBe(0)
})

it.each([
  [
    ['watch', 'nowhere'],
    /^PLUMB_WATCH_NOTHING {2}nowhere {2}No run has told anything in nowhere; begin one with "plumb run", then watch it\.\n$/,
  ],
  [['watch', 'run', '--set', 'seed=1'], /^PLUMB_WATCH_TWO_RUNS {2}RUN names what is watched/],
  [['watch', '--port', '1'], /^PLUMB_USAGE .*--serve/],
  [['watch', '--serve', '--port', '70000'], /^PLUMB_USAGE .*65535/],
])('refuses %j in one sentence', async (args, sentence) => {
  const cwd = folderWith({})
  const { code, stdout, stderr } = await plumb(args, { cwd })
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(sentence)
  expect(readdirSync(cwd).filter((name) => name !== 'plumb-home')).toEqual([])
})

describe('the page', () => {
  it('shows the list on this machine alone, and loads nothing', async () => {
    const cwd = tinyProject()
    const { ended } = await running(cwd)
    let child: ChildProcess | undefined
    const watched = plumb(['watch', '--serve', '--port', '0'], { cwd, started: (started) => (child = started) })
    const url = await urlOf(child)
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/)

    const page = await ask(url)
    expect(page.status).toBe(200)
    const policy = String(page.headers['content-security-policy'])
    expect(policy).toMatch(/^default-src 'none';/)
    expect(policy).not.toMatch(/http|\*/)
    const nonce = /'nonce-([^']+)'/.exec(policy)?.[1] ?? ''
    // nothing of another place: no address, no link, no script without the nonce
    expect(page.text.match(/(?:src|href)="([^"]*)"/g)).toEqual(['href="data:,"'])
    expect(page.text.match(/https?:\/\/[^'"\s]*/g)).toEqual(['http://www.w3.org/2000/svg', 'http://www.w3.org/2000/svg'])
    expect(page.text.match(/<(?:script|style) nonce="[^"]*"/g)).toEqual([`<style nonce="${nonce}"`, `<script nonce="${nonce}"`])

    // a name that somebody let lead here, another method, another page
    expect((await ask(url, { headers: { host: 'evil.example' } })).status).toBe(403)
    expect((await ask(url, { method: 'POST' })).status).toBe(405)
    expect((await ask(`${url}nothing`)).status).toBe(404)

    const last = await lastState(`${url}events`)
    expect(last).toMatchObject({ outcome: 'done', title: 'model', engine: 'fake (no device)', finished: 9 })
    expect(last.stages.map(({ name, state }) => [name, state])).toContainEqual(['align boundary', 'done'])
    expect(last.stages.find(({ name }) => name === 'align boundary')?.curves[0]).toMatchObject({
      name: 'loss',
      points: expect.any(Array) as number[],
    })
    expect((await ended).code).toBe(0)

    // It stays, for those who look later.
    expect((await ask(url)).status).toBe(200)
    child?.kill('SIGINT')
    const { code, stdout } = await watched
    expect([code, stdout]).toEqual([0, expect.stringContaining('The page stays until Ctrl-C.') as string])
  })

  it('says in a sentence that a port is taken', async () => {
    const cwd = tinyProject()
    await plumb(['sft', '--quiet'], { cwd })
    let child: ChildProcess | undefined
    const first = plumb(['watch', '--serve', '--port', '0'], { cwd, started: (started) => (child = started) })
    const port = new URL(await urlOf(child)).port
    const { code, stderr } = await plumb(['watch', '--serve', '--port', port], { cwd })
    expect([code, stderr]).toEqual([
      2,
      `PLUMB_WATCH_PORT  --port  Port ${port} is in use; choose another one with --port, or 0 for any that is free.\n`,
    ])
    child?.kill('SIGINT')
    expect((await first).code).toBe(0)
  })
})

function urlOf(child: ChildProcess | undefined): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    child?.stdout?.on('data', (chunk: string) => {
      text += chunk
      const found = /http:\/\/\S+\//.exec(text)
      if (found) resolve(found[0])
    })
  })
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
}

function ask(url: string, options: { method?: string; headers?: Record<string, string> } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get(url, options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
    }).on('error', reject)
  })
}

/** What is sent once the run has ended. */
function lastState(url: string): Promise<PageState> {
  return new Promise((resolve, reject) => {
    const request = get(url, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        for (const [, data] of text.matchAll(/^data: (.*)\n\n/gm)) {
          const state = JSON.parse(data ?? '') as PageState
          if (state.outcome === undefined) continue
          request.destroy()
          resolve(state)
        }
      })
    }).on('error', reject)
  })
}

it('is documented with its exit codes', () => {
  const text = readFileSync(join(__dirname, '..', 'README.md'), 'utf8')
  expect(text).toContain('## plumb watch')
})
