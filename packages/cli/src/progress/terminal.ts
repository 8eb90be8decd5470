import { styleText } from 'node:util'
import type { Output } from './output'

type Environment = Readonly<Record<string, string | undefined>>

/** How text is marked for the eye; each gives its text back where there is no colour. */
export interface Paint {
  good(text: string): string
  bad(text: string): string
  warn(text: string): string
  active(text: string): string
  faint(text: string): string
}

/** The signs that a terminal can show. */
export interface Signs {
  readonly done: string
  readonly working: string
  readonly waiting: string
  readonly stopped: string
  readonly full: string
  readonly empty: string
  /** From the lowest to the highest; none where there is nothing to draw with. */
  readonly spark: readonly string[]
}

/** Whether colour is wanted: NO_COLOR (no-color.org) and FORCE_COLOR, the second before the first, as Node has it; else where a terminal is that has it. */
export function hasColor({ isTTY }: Pick<Output, 'isTTY'>, env: Environment): boolean {
  const { FORCE_COLOR: force } = env
  if (force !== undefined) return !['0', 'false'].includes(force)
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false
  return isTTY === true && env.TERM !== 'dumb' && !isCi(env)
}

/** Whether a block of lines can be drawn over and over. */
export function canRedraw({ isTTY }: Pick<Output, 'isTTY'>, env: Environment): boolean {
  return isTTY === true && env.TERM !== 'dumb' && !isCi(env)
}

/** Logs of continuous integration are read later, by people and machines. */
function isCi({ CI: ci }: Environment): boolean {
  return ci !== undefined && !['', '0', 'false'].includes(ci)
}

export function paintOf(color: boolean): Paint {
  type Format = Parameters<typeof styleText>[0]
  const painted = (format: Format) => (text: string) => (text === '' ? '' : styleText(format, text, { validateStream: false }))
  const plain = (text: string) => text
  return color
    ? { good: painted('green'), bad: painted('red'), warn: painted('yellow'), active: painted('cyan'), faint: painted('dim') }
    : { good: plain, bad: plain, warn: plain, active: plain, faint: plain }
}

const UNICODE: Signs = {
  done: '✓',
  working: '▸',
  waiting: '·',
  stopped: '✗',
  full: '━',
  empty: '─',
  spark: ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
}
const ASCII: Signs = { done: '+', working: '>', waiting: '.', stopped: 'x', full: '=', empty: '-', spark: [] }

/** The console of Linux lacks most signs, and a locale of plain C says that only ASCII is understood. */
export function signsOf(env: Environment, platform: NodeJS.Platform = process.platform): Signs {
  if (platform === 'win32') return env.WT_SESSION !== undefined || env.TERM_PROGRAM !== undefined ? UNICODE : ASCII
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find((value) => value !== undefined && value !== '')
  const isPlain = env.TERM === 'linux' || locale === 'C' || locale === 'POSIX'
  return isPlain ? ASCII : UNICODE
}
