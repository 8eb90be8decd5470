import type { Plugin } from '../seams/plugin'

/**
 * A plugin, or the module whose default export it is: what `import * as` gives, and what `import … from` gives of a CommonJS module,
 * where `module.exports` is the default and the plugin lies one deeper.
 */
export type PluginModule = Plugin | { readonly default: PluginModule }

export function isPlugin(value: unknown): value is Plugin {
  if (typeof value !== 'object' || value === null) return false
  const { name, apiVersion, register } = value as Partial<Record<keyof Plugin, unknown>>
  return typeof name === 'string' && typeof apiVersion === 'number' && typeof register === 'function'
}

/** The plugin inside a module, however the module system wrapped it; the value itself where there is none. */
export function unwrapped(value: PluginModule): Plugin
export function unwrapped(value: unknown): unknown
export function unwrapped(value: unknown): unknown {
  let candidate = value
  for (let depth = 0; depth < 3; depth++) {
    if (isPlugin(candidate)) return candidate
    if (typeof candidate !== 'object' || candidate === null || !('default' in candidate)) break
    candidate = candidate.default
  }
  return value
}
