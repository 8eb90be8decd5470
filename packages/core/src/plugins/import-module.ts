import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { importTypeScript, isTypeScript } from './import-typescript'
import { manifestOf } from './package-manifest'

/** The exports of a file, TypeScript, CommonJS or ES module: the second through `require`, so that it shares the process's module cache. */
export async function importModule(file: string): Promise<unknown> {
  if (isTypeScript(file)) return importTypeScript(file)
  if (!isEsModule(file)) {
    try {
      return createRequire(file)(file) as unknown
    } catch (error) {
      // ES syntax in a file that nothing declares to be an ES module, or one with a top-level await.
      if (!['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
  return (await import(pathToFileURL(file).href)) as unknown
}

function isEsModule(file: string): boolean {
  const extension = path.extname(file)
  if (extension !== '.js') return extension === '.mjs'
  return manifestOf(file)?.type === 'module'
}
