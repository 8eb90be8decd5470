import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(__dirname, '../..')
const module_ = join(root, 'scripts/package-contents.mjs')
const FILES = ['LICENSE', 'README.md', 'package.json', 'index.mjs', 'index.d.mts', 'dist/index.js', 'dist/index.d.ts', 'src/index.ts']

/** What is said of a copy of a real package after one change to its files; `files` is what the tarball holds. */
function problemsAfter(change: Readonly<Record<string, (text: string) => string>>, files: readonly string[] = FILES): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'plumbline-contents-'))
  try {
    for (const name of ['LICENSE', 'README.md', 'package.json', 'index.mjs', 'index.d.mts']) {
      cpSync(join(root, 'packages/plugin-ca-loss', name), join(folder, name))
      const edit = change[name]
      if (edit) writeFileSync(join(folder, name), edit(readFileSync(join(folder, name), 'utf8')))
    }
    const program = `import { checkPackage } from ${JSON.stringify(module_)}
console.log(JSON.stringify(checkPackage(${JSON.stringify(folder)}, ${JSON.stringify(files)})))`
    return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })) as string[]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const without = (name: string): string[] => FILES.filter((file) => file !== name)

test('a package as it is has no fault', () => {
  expect(problemsAfter({})).toEqual([])
  expect(problemsAfter({}, [...FILES, 'templates/loss/test/a.test.ts'])).toEqual([])
})

test.each<[string, Record<string, (text: string) => string>, string[], RegExp]>([
  ['no LICENSE', {}, without('LICENSE'), /^LICENSE is not in the tarball$/],
  ['another LICENSE', { LICENSE: (text) => `${text}!` }, FILES, /^LICENSE is not the project's$/],
  ['no README', {}, without('README.md'), /^README.md is not in the tarball$/],
  ['an entry that is not packed', {}, without('dist/index.js'), /^exports names dist\/index.js, which is not in the tarball$/],
  [
    'a key that stands twice',
    { 'package.json': (text) => text.replace('"name"', '"name": "x", "name"') },
    FILES,
    /Map keys must be unique/,
  ],
  ['no access', { 'package.json': (text) => text.replace('"access": "public"', '') }, FILES, /publishConfig.access/],
  [
    'a shared package of its own',
    { 'package.json': (text) => text.replace('peerDependencies', 'dependencies') },
    FILES,
    /zod is a dependency/,
  ],
  [
    'a link out of the package',
    { 'README.md': (text) => `${text}\n[x](../../docs/plugins.md#a)` },
    FILES,
    /links to \.\.\/\.\.\/docs\/plugins\.md/,
  ],
  ['what was built from a source that is gone', {}, [...FILES, 'dist/gone.js'], /^dist\/gone.js has no source/],
  ['tests', {}, [...FILES, 'test/a.test.ts'], /^test\/a.test.ts has no place/],
  ['a module of its own', { 'index.mjs': () => 'export default {}' }, FILES, /^index.mjs is not the wrapper$/],
  [
    'an address that the project lacks',
    { 'package.json': (text) => text.replace('"main"', '"homepage": "x", "main"') },
    FILES,
    /"homepage" stands/,
  ],
])('%s is found', (_, change, files, problem) => {
  expect(problemsAfter(change, files)).toContainEqual(expect.stringMatching(problem))
})
