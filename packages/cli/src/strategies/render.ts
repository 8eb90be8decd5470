import { KIND_TITLES } from '@plumbline/core'
import { KIND_PLURALS } from '../plugins/kinds'
import type { OptionReport } from './options'
import type { Strategy } from './collect'

/** All of them in one list: a line each, and a line of options. */
export function renderStrategies(strategies: readonly Strategy[]): string {
  const width = Math.max(...strategies.map(({ name }) => name.length))
  const origins = Math.max(...strategies.map((strategy) => originOf(strategy).length))
  const kinds = [...new Set(strategies.map(({ kind }) => kind))]
  return kinds
    .map((kind) => {
      const lines = strategies
        .filter((strategy) => strategy.kind === kind)
        .map((strategy) => {
          const head = `  ${strategy.name.padEnd(width)}  ${originOf(strategy).padEnd(origins)}  ${strategy.paper ?? ''}`.trimEnd()
          return strategy.options.length === 0 ? head : `${head}\n  ${' '.repeat(width)}    ${strategy.options.map(short).join(', ')}`
        })
      return `${KIND_PLURALS[kind]}\n${lines.join('\n')}`
    })
    .join('\n\n')
}

/** One in full. */
export function renderStrategy(strategy: Strategy): string {
  const { kind, name, options, paper, notes } = strategy
  const head = `${KIND_TITLES[kind]} ${name}  (${originOf(strategy)})`
  const facts = [...(paper === undefined ? [] : [`paper: ${paper}`]), ...notes].map((note) => `  ${note}`)
  const width = Math.max(0, ...options.map((option) => option.name.length))
  const rows = options.map((option) => {
    const byDefault = option.required ? 'required' : option.default === undefined ? 'optional' : `default ${shown(option.default)}`
    const text = option.description === undefined ? '' : `\n  ${' '.repeat(width)}  ${option.description}`
    return `  ${option.name.padEnd(width)}  ${option.type}; ${byDefault}${text}`
  })
  return [head, ...facts, ...(rows.length > 0 ? ['', ...rows] : ['  no options'])].join('\n')
}

function short({ name, required, default: byDefault }: OptionReport): string {
  if (required) return `${name} (required)`
  return byDefault === undefined ? name : `${name}=${shown(byDefault)}`
}

const originOf = ({ plugin, version }: Strategy): string => [plugin, version].filter(Boolean).join(' ')

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
