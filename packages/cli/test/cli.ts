import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export const BIN = join(__dirname, '..', 'bin', 'run.js')
export const FIXTURES = join(__dirname, 'fixtures')

export interface Outcome {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface PlumbOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Called with the process once it runs. */
  readonly started?: (child: ChildProcess) => void
}

/** Runs the built `plumb` as a user would, away from a terminal and from the user's own installed plugins. */
export function plumb(args: readonly string[], { cwd, env = {}, started }: PlumbOptions = {}): Promise<Outcome> {
  const home = join(cwd ?? tmpdir(), 'plumb-home')
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BIN, ...args], {
      cwd,
      env: {
        PATH: process.env.PATH,
        HOME: home,
        COLUMNS: '100',
        NO_COLOR: '1',
        PLUMB_DATA_DIR: join(home, 'data'),
        PLUMB_CACHE_DIR: join(home, 'cache'),
        ...env,
      },
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
    started?.(child)
  })
}

/** A folder with the given files that is gone when the test file ends. */
export function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'plumb-cli-'))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  folders.push(folder)
  return folder
}

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const sum = (a: number, b: number) => JSON.stringify({ question: `What is ${a} + ${b}?`, answer: `${a} + ${b} = ${a + b}\n#### ${a + b}` })
const sums = (from: number, count: number) => Array.from({ length: count }, (_, i) => sum(from + i, 2 * i + 1)).join('\n') + '\n'

/** A project that runs all five stages in no time, on a backend without a model. */
export function tinyProject(config: string = TINY_CONFIG): string {
  return folderWith({ 'plumbline.config.yaml': config, 'model/config.json': '{}', 'train.jsonl': sums(1, 8), 'test.jsonl': sums(100, 6) })
}

export const TINY_CONFIG = `model: model
backend: fake
plugins: [${JSON.stringify(join(FIXTURES, 'fake-backend.cjs'))}]
run: run
data:
  train: { path: train.jsonl, format: gsm8k }
  test: { path: test.jsonl, format: gsm8k }
sft: { steps: 3, batchSize: 4 }
sample: { k: 4, maxNewTokens: 50 }
align:
  - { name: boundary, loss: ca, constraint: boundary, steps: 3, batchSize: 4 }
  - { name: further-sft, loss: sft, steps: 3, batchSize: 4 }
evaluate: { maxNewTokens: 50, control: further-sft }
`

/** The same on a backend whose models differ by what they were trained with. */
export const LEARNING_CONFIG = TINY_CONFIG.replace('fake-backend.cjs', 'learning-backend.cjs')

/** Resolves once a process works at stage 1 of a run, whose lock it then holds: FAKE_STEP_MS keeps it there. */
export async function untilLocked(run: string): Promise<void> {
  const isLocked = () =>
    existsSync(run) && readdirSync(run).some((name) => name.startsWith('sft-') && existsSync(join(run, name, 'work', 'stage.json')))
  while (!isLocked()) await new Promise((resolve) => setTimeout(resolve, 20))
}
