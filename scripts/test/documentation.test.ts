import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import onnx from '@plumbline/backend-onnx'
import { createRegistry, parseConfig, resolveConfig, type PluginModule } from '@plumbline/core'
import ca from '@plumbline/plugin-ca-loss'
import dpo from '@plumbline/plugin-dpo'
import dpoListwise from '@plumbline/plugin-dpo-listwise'
import kto from '@plumbline/plugin-kto'
import orpo from '@plumbline/plugin-orpo'
import pro from '@plumbline/plugin-pro'
import rft from '@plumbline/plugin-rft'
import rrhf from '@plumbline/plugin-rrhf'
import simpo from '@plumbline/plugin-simpo'
import { parse } from 'yaml'
import margin from '../../examples/third-party-loss/src'

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

interface Snippet {
  readonly where: string
  readonly config: Record<string, unknown>
}

/** The YAML blocks of the pages that say how to align. */
const SNIPPETS: Snippet[] = PAGES.flatMap((page) =>
  [...read(page).matchAll(/^```yaml\n([^]*?)^```/gm)].map((match) => {
    const line = read(page).slice(0, match.index).split('\n').length
    return { where: `${page}:${line}`, config: parse(match[1] ?? '') as Record<string, unknown> }
  }),
).filter(({ config }) => 'align' in config)

/** What a snippet leaves to the reader. */
const REST = {
  model: 'models/llama',
  backend: 'onnx',
  data: { train: { path: 'train.jsonl', format: 'gsm8k' }, test: { path: 'test.jsonl', format: 'gsm8k' } },
  sft: { epochs: 3 },
}

test('every page of a loss shows how to align with it', () => {
  const pages = SNIPPETS.map(({ where }) => where.split(':')[0])
  for (const name of ['ca-loss', 'rrhf', 'pro', 'dpo', 'dpo-listwise', 'simpo', 'orpo', 'kto', 'rft'])
    expect(pages).toContain(`packages/plugin-${name}/README.md`)
  for (const page of ['README.md', 'docs/configuration.md', 'docs/papers.md', 'docs/write-your-own-loss.md']) expect(pages).toContain(page)
})

test.each(SNIPPETS)('what $where shows is a configuration', ({ config }) => {
  const plugins: PluginModule[] = [onnx, ca, rrhf, pro, dpo, dpoListwise, simpo, orpo, kto, rft, margin]
  // What a snippet names under `plugins` is registered here.
  const resolved = resolveConfig(parseConfig({ ...REST, ...config, plugins: [] }), createRegistry(plugins))
  expect(resolved.variants.length).toBeGreaterThan(0)
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
