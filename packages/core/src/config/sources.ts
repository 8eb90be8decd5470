import path from 'node:path'
import type { Config, DataSource } from './schema'
import type { KeyPath, Problem } from './source'

/** The keys of `data` that name files. */
export const DATA_KEYS = ['train', 'questions', 'validation', 'test'] as const
export type DataKey = (typeof DATA_KEYS)[number]

/** Those whose sources may have weights: what is measured is measured on every record once. */
const WEIGHTED: readonly DataKey[] = ['train', 'questions']

/** One source or several, each with the path of its section. */
export function sourcesOf(
  written: DataSource | readonly DataSource[],
  at: KeyPath,
): { readonly source: DataSource; readonly path: KeyPath }[] {
  return isList(written) ? written.map((source, index) => ({ source, path: [...at, index] })) : [{ source: written, path: at }]
}

export const isList = <T>(value: T | readonly T[]): value is readonly T[] => Array.isArray(value)

/** What a source is called: its `name`, or its file without folder and extension. */
export function nameOfSource({ name, path: file }: Pick<DataSource, 'name' | 'path'>): string {
  const stem = path
    .basename(file)
    .replace(/\.gz$/i, '')
    .replace(/(?<=.)\.[^.]*$/, '')
  return name ?? (stem.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'data')
}

interface Places {
  shown(path: KeyPath): string
  where(path: KeyPath): string | undefined
}

/** Rules between the sources of one list, and between lists and `mixStrategy`. */
export function checkSources(data: Config['data'], { shown, where }: Places): Problem[] {
  const problems: Problem[] = []
  const report = (at: KeyPath, message: string): void => {
    problems.push({ code: 'PLUMB_CONFIG_INVALID', where: where(at), message })
  }
  let isMixed = false
  for (const key of DATA_KEYS) {
    const written = data[key]
    if (written === undefined) continue
    const sources = sourcesOf(written, ['data', key])
    const named = new Map<string, KeyPath>()
    for (const { source, path: at } of sources) {
      const name = nameOfSource(source)
      const earlier = named.get(name)
      if (earlier !== undefined) report(at, `${shown(earlier)} and ${shown(at)} are both called "${name}"; give one of them another name.`)
      else named.set(name, at)
    }
    const weighted = sources.filter(({ source }) => source.weight !== undefined)
    const [first] = weighted
    if (first === undefined) continue
    isMixed = true
    const at = [...first.path, 'weight']
    if (!WEIGHTED.includes(key)) {
      report(
        at,
        `${shown(at)} cannot be: every record of data.${key} counts once. Weights are for ${WEIGHTED.map((each) => `data.${each}`).join(' and ')}.`,
      )
    } else if (sources.length === 1) {
      report(at, `${shown(at)} shares between several sources, and data.${key} has one; leave it out.`)
    } else if (weighted.length < sources.length) {
      const without = sources.find(({ source }) => source.weight === undefined)
      report(
        without?.path ?? at,
        `${shown(without?.path ?? at)} needs a weight, as ${shown(first.path)} has one: either all sources of data.${key} have one or none.`,
      )
    }
  }
  if (data.mixStrategy !== undefined && !isMixed) {
    report(['data', 'mixStrategy'], 'data.mixStrategy is about sources with weights, and there are none; leave it out.')
  }
  return problems
}
