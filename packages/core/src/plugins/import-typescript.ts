import { createRequire } from 'node:module'
import path from 'node:path'

/** Files that are compiled while they are loaded. */
export const isTypeScript = (file: string): boolean => /\.[cm]?ts$/.test(file) && !/\.d\.[cm]?ts$/.test(file)

/**
 * The exports of a TypeScript file, and of those that it imports, without a build step: jiti strips types and compiles enums and the like on
 * every Node that is supported, where Node's own type stripping came later and knows less. Loaded when it is needed first.
 *
 * Core and what it shares with plugins are this process's own, so that a file needs no installation beside it, and its tensors are ours.
 *
 * @param again whether a file that this process loaded before is read again.
 */
export async function importTypeScript(file: string, { again = false } = {}): Promise<unknown> {
  const { createJiti } = await import('jiti')
  // Nothing is kept on the disk: what is compiled is small.
  try {
    return await createJiti(file, { fsCache: false, moduleCache: !again, interopDefault: false, alias: shared() }).import(file)
  } catch (error) {
    // What the compiler says of a mistake stands on several lines, with the place on the last one.
    if (error instanceof Error && /^ParseError/.test(error.message)) error.message = error.message.replace(/\s*\n\s*/g, ' ').trim()
    throw error
  }
}

function shared(): Record<string, string> {
  const here = createRequire(__filename)
  const extension = path.extname(__filename)
  return {
    '@plumbline/core/base': path.join(__dirname, '..', `base${extension}`),
    '@plumbline/core': path.join(__dirname, '..', `index${extension}`),
    '@tensorflow/tfjs-core': here.resolve('@tensorflow/tfjs-core'),
    zod: here.resolve('zod'),
  }
}
