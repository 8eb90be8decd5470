import { PlumbError } from '../errors'
import type { KeyPath, Problem } from './source'

const REFERENCE = /\$\{env:([^}]*)\}/g

/** Whether a text asks for the environment. */
export const hasReference = (value: unknown): value is string => typeof value === 'string' && value.includes('${env:')

/**
 * A value with every `${env:NAME}` in its texts replaced by what the environment holds; what is written down keeps the reference.
 * @param report is told of each variable that is not set.
 */
export function expanded(value: unknown, report: (path: KeyPath, name: string) => void, path: KeyPath = []): unknown {
  if (hasReference(value)) {
    return value.replace(REFERENCE, (_, name: string) => {
      const found = process.env[name]
      if (found === undefined) report(path, name)
      return found ?? ''
    })
  }
  if (Array.isArray(value)) return value.map((inner: unknown, index) => expanded(inner, report, [...path, index]))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, expanded(inner, report, [...path, key])]))
}

/** The places below a value whose text asks for the environment. */
export function references(value: unknown, path: KeyPath = []): { readonly path: KeyPath; readonly text: string }[] {
  if (hasReference(value)) return [{ path, text: value }]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => references(inner, [...path, key]))
}

export function missingVariable(name: string, shown: string, where: string | undefined): Problem {
  return {
    code: 'PLUMB_CONFIG_ENV',
    where,
    message: `${shown} asks for the environment variable ${name || '(without a name)'}, which is not set.`,
  }
}

/** @throws PlumbError PLUMB_CONFIG_ENV for a path whose variable is not set. */
export function expandedPath(text: string, shown: string, where: string | undefined): string {
  return expanded(text, (_, name) => {
    const { code, message } = missingVariable(name, shown, where)
    throw new PlumbError(code, message, where)
  }) as string
}
