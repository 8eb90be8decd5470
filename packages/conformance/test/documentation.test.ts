import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { backendChecks, labelerChecks, lossChecks, readerChecks, reporterChecks, samplerChecks } from '../src'
import { namedBlocks, runBlocks } from './support/code-blocks'

const root = join(__dirname, '../../..')
const PAGES = ['docs/write-your-own-loss.md', 'docs/reporters.md', 'examples/third-party-loss/README.md', 'packages/conformance/README.md']

// the blocks that are tests declare them here, and run
for (const page of PAGES) describe(page, () => runBlocks(page))

it.each(PAGES)('%s has blocks that run', (page) => {
  expect([...namedBlocks(page).keys()].some((file) => file.endsWith('.test.ts'))).toBe(true)
})

it('the example’s README shows the test that is there', () => {
  const shown = namedBlocks('examples/third-party-loss/README.md').get('test/margin.test.ts')
  expect(shown).toBe(readFileSync(join(root, 'examples/third-party-loss/test/margin.test.ts'), 'utf8'))
})

it('docs/conformance.md explains every check, in the words of its contract, and no other', () => {
  const page = readFileSync(join(root, 'docs/conformance.md'), 'utf8')
  const checks = [...lossChecks, ...labelerChecks, ...samplerChecks, ...readerChecks, ...backendChecks, ...reporterChecks]
  const explained = [...page.matchAll(/^### `([^`]+)`\n\n(.+)$/gm)].map(([, id, contract]) => [id, contract])
  const capital = (sentence: string) => sentence[0]!.toUpperCase() + sentence.slice(1)
  expect(explained).toEqual(checks.map(({ id, contract }) => [id, capital(contract)]))
})
