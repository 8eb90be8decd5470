import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'

const root = join(__dirname, '../..')
const in_ = (folder: string): string[] => readdirSync(join(root, folder)).map((name) => join(folder, name))
const PAGES = [
  ...in_('.'),
  ...in_('docs'),
  ...in_('docs/seams'),
  ...in_('packages').map((folder) => join(folder, 'README.md')),
  ...in_('examples').map((folder) => join(folder, 'README.md')),
].filter((page) => page.endsWith('.md') && existsSync(join(root, page)))

const read = (page: string): string => readFileSync(join(root, page), 'utf8')

/** Whether a page shows how to align. That what it shows is a configuration is for doc-blocks.test.ts. */
const showsAlignment = (page: string): boolean =>
  [...read(page).matchAll(/^```yaml\n([^]*?)^```/gm)].some(([, yaml = '']) => 'align' in (parse(yaml, { merge: true }) as object))

test('every page of a loss shows how to align with it', () => {
  const names = ['ca-loss', 'rrhf', 'pro', 'dpo', 'dpo-listwise', 'simpo', 'orpo', 'kto', 'rft']
  const others = ['README.md', 'docs/configuration.md', 'docs/papers.md', 'docs/write-your-own-loss.md']
  const pages = [...names.map((name) => `packages/plugin-${name}/README.md`), ...others]
  expect(pages.filter((page) => !showsAlignment(page))).toEqual([])
})

test.each(PAGES)('the links of %s lead to files that are there', (page) => {
  const prose = read(page)
    .replaceAll(/^```[^]*?^```/gm, '')
    .replaceAll(/`[^`]*`/g, '')
  const links = [...prose.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].flatMap(([, link]) =>
    link === undefined || /^[a-z]+:/.test(link) ? [] : [link],
  )
  expect(links.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([])
})
