import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'

const root = join(__dirname, '../..')

jest.setTimeout(180_000)

function check(...pages: string[]): { status: number | null; problems: string[]; summary: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts', 'doc-blocks.mjs'), ...pages], {
    cwd: root,
    encoding: 'utf8',
  })
  return { status, problems: stderr.split('\n').filter((line) => line !== ''), summary: stdout }
}

test('what the pages show holds', () => {
  const { status, problems, summary } = check()
  expect(problems).toEqual([])
  expect(status).toBe(0)
  const [modules = 0, configurations = 0, commands = 0] = [/(\d+) modules/, /(\d+) of them configurations/, /(\d+) commands/].map(
    (pattern) => Number(pattern.exec(summary)?.[1]),
  )
  expect(modules).toBeGreaterThan(35)
  expect(configurations).toBeGreaterThan(30)
  expect(commands).toBeGreaterThan(40)
})

/** A page with one fault in each block, and what is to be said of it; behind each a sound one of its kind. */
const PLANTED = [
  '```ts file=src/a.ts',
  'export const a: number = "text"', // 2
  '```',
  '```ts',
  "import { b } from './src/a'", // 5
  'export const c = b',
  '```',
  '```ts fragment',
  'const d = nothing(', // 9
  '```',
  '```ts fragment',
  'const e = somewhere.else',
  '```',
  '```js',
  'const f = {', // 15
  '```',
  '```yaml',
  'sample: { k: 4 }',
  'align:',
  '  - { loss: ca, bta: 0.2, steps: 1 }', // 20
  '```',
  '```yaml',
  'align: [{ loss: mine, steps: 1 }]', // 23
  '```',
  '```yaml',
  'plugins: [mine]',
  'align: [{ loss: mine, margin: 2, steps: 1 }]',
  '```',
  '```yaml',
  'plugins: [mine]',
  'align: [{ loss: mine, stepps: 1, steps: 1 }]', // any option of a plugin that is not here
  'evaluate: { maxNewToken: 3 }', // 32
  '```',
  '```json',
  '{ "a": 1, }', // 35
  '```',
  '```json',
  '{ "a": 1 }',
  '{ "a": 2 }',
  '```',
  '```',
  'plumb run --confg x', // 42
  'plumb rnu',
  'plumb run --stage foo',
  'npx plumb init --data data -y   # comments are none of it',
  '```',
  '```sh',
  'npm install && plumb doctor --no-measure && plumb report --outt a', // 48
  '```',
  'In words: `plumb strategies dpo`, `plumb strategy dpo`, `plumb plugins`, `plumb config`.', // 50
  '',
].join('\n')

test('planted faults are found, each on its line', () => {
  mkdirSync(join(root, 'node_modules', '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, 'node_modules', '.cache', 'doc-blocks-'))
  try {
    const page = relative(root, join(folder, 'page.md')).replaceAll('\\', '/')
    writeFileSync(join(root, page), PLANTED)
    const { status, problems, summary } = check(page)
    expect(status).toBe(1)
    expect(
      problems.map((line) => line.slice(page.length + 1).split('  ')).map(([line, ...what]) => [Number(line), what.join('  ')]),
    ).toEqual([
      [2, expect.stringContaining("Type 'string' is not assignable to type 'number'")],
      [5, expect.stringContaining("has no exported member 'b'")],
      [9, expect.stringContaining("')' expected")],
      [15, expect.stringContaining("'}' expected")],
      [20, expect.stringMatching(/^PLUMB_CONFIG_UNKNOWN_KEY .*Did you mean "beta"\?/)],
      [23, expect.stringMatching(/^PLUMB_UNKNOWN_LOSS There is no loss "mine"/)],
      [32, expect.stringMatching(/^PLUMB_CONFIG_UNKNOWN_KEY .*Did you mean "maxNewTokens"\?/)],
      [35, expect.stringContaining('no JSON')],
      [42, 'plumb run --confg x: there is no flag --confg'],
      [43, 'plumb rnu: there is no such command'],
      [44, 'plumb run --stage foo: --stage is one of sft, sample, label, align, evaluate'],
      [48, 'plumb report --outt a: there is no flag --outt'],
      [50, 'plumb strategy dpo: there is no such command'],
    ])
    expect(summary).toMatch(/^1 pages: 2 modules type-checked, 2 fragments, .*13 problems$/m)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

/** What the pages of the seams show is what `plumb create` writes. */
test.each([
  ['loss', 'margin'],
  ['labeler', 'exact'],
  ['sampler', 'ladder'],
  ['reader', 'qa-text'],
  ['backend', 'table'],
])('docs/seams/%s.md shows the files of its template', (kind, name) => {
  const page = readFileSync(join(root, 'docs', 'seams', `${kind}.md`), 'utf8')
  const blocks = [...page.matchAll(/^```ts file=(\S+)\n([^]*?)^```$/gm)]
  expect(blocks.length).toBeGreaterThan(2)
  for (const [, file = '', text] of blocks) {
    const template = readFileSync(join(root, 'packages', 'cli', 'templates', kind, file), 'utf8')
    expect(text).toBe(template.replaceAll('plumbline-plugin-template', `plumbline-plugin-${name}`).replaceAll('template-name', name))
  }
})
