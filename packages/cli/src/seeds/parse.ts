import { parseOverride } from '@plumbline/core'
import { UserError } from '../errors/user-error'

/** One swept key with its values, as they were written. */
export interface Sweep {
  readonly key: string
  readonly values: readonly string[]
  /** As it was given, for messages. */
  readonly text: string
}

/** More runs than this are a slip of the keyboard. */
export const MOST_RUNS = 1000

/**
 * Reads `0..4`, `0,2,5`, `0..2,7`.
 * @throws UserError PLUMB_SEEDS
 */
export function parseSeeds(text: string): readonly number[] {
  const refused = (why: string) => new UserError('PLUMB_SEEDS', `${why}; expected seeds as in 0..4, or 0,2,5.`, `--seeds ${text}`)
  const seeds: number[] = []
  for (const part of text.split(',')) {
    const found = /^\s*(\d+)(?:\.\.(\d+))?\s*$/.exec(part)
    if (found === null) throw refused(part.trim() === '' ? 'A seed is missing' : `"${part.trim()}" is neither a whole number nor a range`)
    const from = Number(found[1])
    const to = found[2] === undefined ? from : Number(found[2])
    if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to)) throw refused(`"${part.trim()}" is too large`)
    if (to < from) throw refused(`"${part.trim()}" ends before it begins`)
    if (to - from >= MOST_RUNS) throw refused(`"${part.trim()}" is ${to - from + 1} seeds, and at most ${MOST_RUNS} runs are made at once`)
    for (let seed = from; seed <= to; seed++) {
      if (seeds.includes(seed)) throw refused(`Seed ${seed} stands twice, and a seed counts once`)
      seeds.push(seed)
    }
  }
  return seeds
}

/** What cannot differ between the runs of one sweep, and why. */
const REFUSED: Readonly<Record<string, string>> = {
  seed: 'Seeds are swept by --seeds, which gives means over them',
  run: 'All runs of a sweep lie in one run folder, where they share their stages',
}

/**
 * Reads `align.0.beta=0.05,0.15`. Commas in brackets, braces and quotes belong to a value: `align.0.betas=[0.9, 0.99],[0.9, 0.999]`.
 * @throws UserError PLUMB_SWEEP; PlumbError PLUMB_CONFIG_OVERRIDE where the key is none.
 */
export function parseSweep(text: string): Sweep {
  const refused = (why: string) =>
    new UserError('PLUMB_SWEEP', `${why}; expected a key and its values, as in align.0.beta=0.05,0.15.`, `--sweep ${text}`)
  const equals = text.indexOf('=')
  const key = text.slice(0, Math.max(0, equals)).trim()
  if (key === '') throw refused('There is no key with an equals sign behind it')
  const reason = REFUSED[key]
  if (reason !== undefined) throw refused(reason)
  const values = splitValues(text.slice(equals + 1)).map((value) => value.trim())
  if (values.includes('')) throw refused('A value is missing')
  const seen = new Set<string>()
  for (const value of values) {
    const read = JSON.stringify(parseOverride(`${key}=${value}`).value)
    if (seen.has(read)) throw refused(`The value ${value} stands twice`)
    seen.add(read)
  }
  return { key, values, text }
}

function splitValues(text: string): string[] {
  const values: string[] = []
  let depth = 0
  let quote: string | undefined
  let value = ''
  for (const character of text) {
    if (quote !== undefined) {
      if (character === quote) quote = undefined
    } else if (character === '"' || character === "'") quote = character
    else if ('[{'.includes(character)) depth++
    else if (']}'.includes(character)) depth--
    else if (character === ',' && depth <= 0) {
      values.push(value)
      value = ''
      continue
    }
    value += character
  }
  return [...values, value]
}
