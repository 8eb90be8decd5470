import Module, { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { canShare, pathOf, sharedPackage } from './shared-version'

interface Resolved {
  readonly url: string
  readonly shortCircuit?: boolean
}

interface Context {
  readonly parentURL?: string
  readonly conditions?: readonly string[]
}

/** The parts of Node's module system that are used here; which of them there are depends on its version. */
interface Loader {
  registerHooks?(hooks: {
    resolve(specifier: string, context: Context, next: (specifier: string, context: Context) => Resolved): Resolved
  }): unknown
  register?(specifier: string, options: { readonly parentURL: string; readonly data: string }): void
  _resolveFilename?: (request: string, ...rest: unknown[]) => string
}

let isShared = false

/**
 * From now on, whoever in this process imports core, tfjs or zod gets the copy that is here, where the copy that it would get is of a
 * compatible release, or there is none. A plugin that was linked has a copy of its own beside it, for its tests, and one that was
 * installed for the command line lies in another folder: their losses must use the tensors, kernels and tokens of this process.
 */
export function shareModules(): void {
  if (isShared) return
  isShared = true
  // jest refuses hooks: its module system is not Node's, and has one copy of each.
  attempt(() => hook(Module as unknown as Loader))
}

function hook(loader: Loader): void {
  const own = pathToFileURL(__filename).href
  const here = createRequire(__filename)
  if (loader.registerHooks !== undefined) {
    loader.registerHooks({
      resolve(specifier, context, next) {
        const name = sharedPackage(specifier)
        if (name === undefined || context.parentURL === own) return next(specifier, context)
        // A require's parent is not taken from the context.
        const ours = context.conditions?.includes('require')
          ? attempt(() => ({ url: pathToFileURL(here.resolve(specifier)).href, shortCircuit: true }))
          : attempt(() => next(specifier, { ...context, parentURL: own }))
        if (ours === undefined) return next(specifier, context)
        const theirs = attempt(() => next(specifier, context))
        return theirs !== undefined && !canShare(name, pathOf(theirs), pathOf(ours)) ? theirs : ours
      },
    })
    return
  }
  const { _resolveFilename: original } = loader
  if (original === undefined) return
  loader._resolveFilename = function (request, parent, ...rest) {
    const name = sharedPackage(request)
    if (name === undefined || (parent as { readonly filename?: unknown } | undefined)?.filename === __filename)
      return original.call(this, request, parent, ...rest)
    const ours = attempt(() => here.resolve(request))
    if (ours === undefined) return original.call(this, request, parent, ...rest)
    const theirs = attempt(() => original.call(this, request, parent, ...rest))
    return theirs !== undefined && !canShare(name, theirs, ours) ? theirs : ours
  }
  if (path.extname(__filename) === '.js')
    loader.register?.(pathToFileURL(path.join(__dirname, 'shared-hooks.js')).href, { parentURL: own, data: own })
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
