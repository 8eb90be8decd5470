import { readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { transformSync } from '@swc/core'

const root = join(__dirname, '../../../..')

/** The fenced TypeScript blocks of a page that name their file (` ```ts file=src/x.ts `), in order. */
export function namedBlocks(page: string): Map<string, string> {
  const text = readFileSync(join(root, page), 'utf8')
  return new Map([...text.matchAll(/^```ts file=(\S+)\n([\s\S]*?)^```$/gm)].map(([, file, code]) => [file!, code!]))
}

/**
 * Runs a page's blocks as the modules that they say they are. Relative imports find other blocks, or else files beside the page; everything
 * else is what a test may import.
 */
export function runBlocks(page: string): void {
  const blocks = namedBlocks(page)
  const loaded = new Map<string, { exports: unknown }>()

  const load = (file: string): unknown => {
    const known = loaded.get(file)
    if (known) return known.exports
    const module = { exports: {} }
    loaded.set(file, module)
    const { code } = transformSync(blocks.get(file)!, {
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      module: { type: 'commonjs' },
    })
    const find = (specifier: string): unknown => {
      // oxlint-disable-next-line typescript/no-require-imports -- jest's own, so that packages are found as in any test
      if (!specifier.startsWith('.')) return require(specifier)
      const target = posix.join(posix.dirname(file), specifier)
      // oxlint-disable-next-line typescript/no-require-imports
      return blocks.has(`${target}.ts`) ? load(`${target}.ts`) : require(join(root, dirname(page), target))
    }
    // oxlint-disable-next-line typescript/no-implied-eval -- running what a page shows is what this is for
    const body = new Function('require', 'module', 'exports', code) as (...scope: unknown[]) => void
    body(find, module, module.exports)
    return module.exports
  }
  for (const file of blocks.keys()) load(file)
}
