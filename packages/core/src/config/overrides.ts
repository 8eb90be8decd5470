import { PlumbError } from '../errors'
import { definition, keysOf, schemaAt } from './schema-shape'
import { configSchema } from './schema'
import { yamlValue } from './yaml'

/** One `path.to.key=value` given on the command line. */
export interface Override {
  /** As it was given. */
  readonly text: string
  readonly path: readonly string[]
  readonly value: unknown
}

/**
 * Reads `sample.k=4`, `align.0.learningRate=1e-4`, `evaluate.stop=["\n\n"]`: a path of keys and list indices, and a YAML value.
 * @throws PlumbError PLUMB_CONFIG_OVERRIDE
 */
export function parseOverride(text: string): Override {
  const equals = text.indexOf('=')
  const path = text.slice(0, Math.max(0, equals)).trim().split('.')
  if (path.some((key) => !/^[A-Za-z0-9_$-]+$/.test(key)) || path.some((key) => key === '__proto__')) {
    throw new PlumbError('PLUMB_CONFIG_OVERRIDE', `Expected path.to.key=value, as in sample.k=4, but got "${text}".`, `--set ${text}`)
  }
  const written = text.slice(equals + 1)
  if (isText(path)) return { text, path, value: textValue(path, written) }
  let value: unknown
  try {
    value = written.trim() === '' ? '' : yamlValue(written)
  } catch {
    // Not YAML (a lone bracket, say), so it is meant as it stands.
    value = written
  }
  return { text, path, value }
}

/** Whether the key at a path holds a text and nothing else. */
function isText(path: readonly string[]): boolean {
  return definition(schemaAt(configSchema, path))?.type === 'string'
}

/** Where a line break or a tab is meant, as it is written in double quotes; in a path a backslash is a backslash. */
const WITH_ESCAPES = 'prompt.template'

/** A text stands for itself: `{prompt}` is no section and `2024` no number. In quotes it is read as YAML. */
function textValue(path: readonly string[], written: string): string {
  const isQuoted = /^\s*(["']).*\1\s*$/s.test(written)
  const yaml = isQuoted
    ? written
    : path.join('.') === WITH_ESCAPES
      ? `"${written.replace(/(\\.)|"/gs, (_, escape?: string) => escape ?? '\\"')}"`
      : undefined
  if (yaml === undefined) return written
  try {
    return String(yamlValue(yaml))
  } catch {
    return written
  }
}

/**
 * The raw config with the overrides in their order; the input stays as it is. Missing sections are made. A single `align`
 * that is not a list also answers to `align.0`.
 * @throws PlumbError PLUMB_CONFIG_OVERRIDE where a path leads through a plain value or past the end of a list.
 */
export function applyOverrides(raw: unknown, overrides: readonly (string | Override)[]): unknown {
  return overrides.reduce((current: unknown, given) => {
    const override = typeof given === 'string' ? parseOverride(given) : given
    return set(current, override.path, override, 0)
  }, raw)
}

function set(target: unknown, path: readonly string[], override: Override, depth: number): unknown {
  if (depth === path.length) return override.value
  const key = path[depth]!
  if (Array.isArray(target)) {
    const index = Number(key)
    if (!Number.isInteger(index) || index < 0 || index > target.length) {
      throw refused(override, depth, `is a list of ${target.length}, and "${key}" is not an index of it`)
    }
    const copy: unknown[] = [...(target as unknown[])]
    copy[index] = set(copy[index], path, override, depth + 1)
    return copy
  }
  if (target === undefined || target === null) return { [key]: set(undefined, path, override, depth + 1) }
  if (typeof target !== 'object') throw refused(override, depth, `is a plain value and has no "${key}"${asSection(override, depth)}`)
  const object = target as Readonly<Record<string, unknown>>
  if (key === '0' && depth === 1 && path[0] === 'align' && !('0' in object)) return set(object, path, override, depth + 1)
  return { ...object, [key]: set(object[key], path, override, depth + 1) }
}

/** How a thing that stands there by its name alone is given options. */
function asSection({ path, value }: Override, depth: number): string {
  const at = path.slice(0, depth)
  if (depth !== path.length - 1 || !keysOf(schemaAt(configSchema, at)).includes('name')) return ''
  return `; to give it options, set all of it: --set '${at.join('.')}={ name: …, ${path[depth]}: ${JSON.stringify(value)} }'`
}

function refused(override: Override, depth: number, what: string): PlumbError {
  const at = override.path.slice(0, depth).join('.') || 'the config'
  return new PlumbError('PLUMB_CONFIG_OVERRIDE', `${at} ${what}.`, `--set ${override.text}`)
}
