import { PlumbError } from '../errors'

/**
 * The parameters that patterns name: `*` stands for any characters, `{0..3}` for each number from 0 to 3, everything else for itself.
 *
 * @param where the key that holds the patterns, for errors.
 * @throws PlumbError PLUMB_FREEZE_UNKNOWN for a pattern that fits no name, PLUMB_FREEZE_ALL when nothing is left to train.
 */
export function frozenParameters(patterns: readonly string[], names: readonly string[], where?: string): ReadonlySet<string> {
  const frozen = new Set<string>()
  for (const pattern of patterns) {
    const fits = matcher(pattern)
    const matched = names.filter(fits)
    if (matched.length === 0) {
      throw new PlumbError(
        'PLUMB_FREEZE_UNKNOWN',
        `"${pattern}" fits no parameter of the model. There are: ${inRanges(names).join(', ')}.`,
        where,
      )
    }
    for (const name of matched) frozen.add(name)
  }
  if (frozen.size === names.length && names.length > 0) {
    throw new PlumbError('PLUMB_FREEZE_ALL', 'freeze leaves no parameter to train; use steps: 0 to train nothing.', where)
  }
  return frozen
}

const NUMBER = '(0|[1-9][0-9]*)'

function matcher(pattern: string): (name: string) => boolean {
  const bounds: (readonly [from: number, to: number])[] = []
  const source = pattern
    .split(/(\*|\{[0-9]+\.\.[0-9]+\})/)
    .map((part, n) => {
      if (n % 2 === 0) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
      if (part === '*') return '.*'
      const [from, to] = part.slice(1, -1).split('..').map(Number)
      bounds.push([from!, to!])
      return NUMBER
    })
    .join('')
  const expression = new RegExp(`^${source}$`)
  return (name) => {
    const numbers = expression.exec(name)?.slice(1).map(Number)
    return numbers !== undefined && numbers.every((number, n) => bounds[n]![0] <= number && number <= bounds[n]![1])
  }
}

/** Names that differ in a number alone as one, in the way a pattern says it: `model.layers.{0..29}.mlp.up_proj.weight`. */
export function inRanges(names: readonly string[]): string[] {
  const numbers = new Map<string, number[]>()
  for (const name of names) {
    const number = /(?<=\.)[0-9]+(?=\.)/.exec(name)
    const key = number ? `${name.slice(0, number.index)}\n${name.slice(number.index + number[0].length)}` : name
    numbers.set(key, [...(numbers.get(key) ?? []), ...(number ? [Number(number[0])] : [])])
  }
  return [...numbers].map(([key, found]) => {
    const [from, to] = [Math.min(...found), Math.max(...found)]
    return key.replace('\n', from === to ? `${from}` : `{${from}..${to}}`)
  })
}
