import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { asPlainText, explainCommand, explanations } from '../src/errors/explanations'
import { plumb } from './cli'

const PACKAGES = join(__dirname, '..', '..')
const COMMENT = /\/\*[\s\S]*?\*\/|^\s*(?:\/\/|#).*$/gm

/** Every code that the source of the packages can give, wherever it stands but in comments. */
function codesInSource(): Set<string> {
  const codes = new Set<string>()
  for (const name of readdirSync(PACKAGES)) {
    for (const folder of ['src', 'python']) {
      for (const file of filesIn(join(PACKAGES, name, folder))) {
        const text = readFileSync(join(PACKAGES, name, folder, file), 'utf8').replace(COMMENT, '')
        for (const [code] of text.matchAll(/\bPLUMB_[A-Z][A-Z_]*[A-Z]\b/g)) codes.add(code)
      }
    }
  }
  return codes
}

function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => /\.(?:ts|py)$/.test(name) && !/(?:^|[\\/])test/.test(name))
}

const ENVIRONMENT = new Set(['PLUMB_DATA_DIR', 'PLUMB_CACHE_DIR'])

it('has a section in docs/troubleshooting.md for every code in the source, and for no other', () => {
  const codes = codesInSource()
  const wanted = [...codes].filter((code) => !ENVIRONMENT.has(code))
  expect(wanted.length).toBeGreaterThan(100)
  expect(Object.keys(explanations()).sort()).toEqual(wanted.sort())
})

it('links only to pages and headings that are there', () => {
  const docs = join(PACKAGES, '..', 'docs')
  const page = readFileSync(join(docs, 'troubleshooting.md'), 'utf8')
  const anchors = (text: string) =>
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    )
  for (const [, target] of page.matchAll(/\]\(([^)]+)\)/g)) {
    const [file, anchor] = target!.split('#')
    const text = file === '' ? page : readFileSync(join(docs, file!), 'utf8')
    if (anchor !== undefined) expect(anchors(text)).toContain(anchor)
  }
})

it('prints what a code means, however it is written', async () => {
  for (const code of ['PLUMB_DATA_NO_ANSWER', 'data-no-answer']) {
    const { code: exit, stdout, stderr } = await plumb(['explain', code])
    expect([exit, stderr]).toEqual([0, ''])
    expect(stdout).toBe(`PLUMB_DATA_NO_ANSWER\n\n${asPlainText(explanations().PLUMB_DATA_NO_ANSWER!)}\n`)
  }
})

it('lists all codes, and refuses an unknown one in a sentence', async () => {
  const { stdout } = await plumb(['explain'])
  expect(stdout.trim().split('\n')).toEqual(Object.keys(explanations()))
  expect(await plumb(['explain', 'PLUMB_DATA_NO_ANSWERS'])).toMatchObject({
    code: 2,
    stdout: '',
    stderr:
      'PLUMB_UNKNOWN_CODE  plumb explain  "PLUMB_DATA_NO_ANSWERS" is no error code of Plumbline. Did you mean PLUMB_DATA_NO_ANSWER? ' +
      '"plumb explain" lists all; a plugin\'s own codes are in its documentation.\n',
  })
})

it('shows links as text in a terminal', () => {
  expect(asPlainText('see [memory.md](memory.md), [what fits](memory.md#fits) and [above](#above)')).toBe(
    'see memory.md, what fits (docs/memory.md#fits) and above',
  )
})

it('knows nothing of the codes of plugins', () => {
  expect([explainCommand('PLUMB_USAGE'), explainCommand('MINE')]).toEqual(['plumb explain PLUMB_USAGE', undefined])
})
