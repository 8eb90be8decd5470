import { canShare, pathOf, sharedPackage } from './shared-version'

// Hooks of Node's loader of ES modules for the versions of Node that run them in a thread of their own (before 22.15): see shared-modules.ts.

interface Resolved {
  readonly url: string
}

interface Context {
  readonly parentURL?: string
}

type NextResolve = (specifier: string, context: Context) => Promise<Resolved>

let own = ''

/** @param file the URL of a module of this process's core, as which shared packages are resolved. */
export async function initialize(file: string): Promise<void> {
  own = file
}

export async function resolve(specifier: string, context: Context, next: NextResolve): Promise<Resolved> {
  const name = sharedPackage(specifier)
  if (name === undefined || context.parentURL === own) return next(specifier, context)
  const [theirs, ours] = await Promise.allSettled([next(specifier, context), next(specifier, { ...context, parentURL: own })])
  if (ours.status === 'rejected') return next(specifier, context)
  if (theirs.status === 'rejected') return ours.value
  return canShare(name, pathOf(theirs.value), pathOf(ours.value)) ? ours.value : theirs.value
}
