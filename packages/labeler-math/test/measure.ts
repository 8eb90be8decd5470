import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { answerOptions, AnswerLabeler, type Label, type Labeler } from '@plumbline/core'
import { MathLabeler } from '../src'

export interface Pair {
  readonly half: 'tuning' | 'heldout' | 'later'
  readonly kind: string
  readonly expected: string
  readonly given: string
  readonly equal: boolean
}

/** Written by hand, both halves before anything was tried on them. */
export const PAIRS = JSON.parse(readFileSync(join(__dirname, 'pairs.json'), 'utf8')) as readonly Pair[]

export const labelers = {
  math: new MathLabeler(answerOptions.parse({})),
  answer: new AnswerLabeler(answerOptions.parse({})),
}

export async function labelPair({ expected, given }: Pick<Pair, 'expected' | 'given'>, labeler: Labeler = labelers.math): Promise<Label> {
  const [label] = await labeler.label({ id: 'q', prompt: '?', answer: expected }, [
    { text: `So it is $\\boxed{${given}}$.`, complete: true },
  ])
  if (label === undefined) throw new Error('no label')
  return label
}

/** Different answers that were called right, equal ones that were called wrong, and those left open. */
export async function errorsOf(pairs: readonly Pair[], labeler: Labeler) {
  const errors: Record<'falseRight' | 'falseWrong' | 'unparsedEqual' | 'unparsedDifferent', Pair[]> = {
    falseRight: [],
    falseWrong: [],
    unparsedEqual: [],
    unparsedDifferent: [],
  }
  for (const pair of pairs) {
    const { status } = await labelPair(pair, labeler)
    if (status === 'unparsed') errors[pair.equal ? 'unparsedEqual' : 'unparsedDifferent'].push(pair)
    else if (status === 'right' && !pair.equal) errors.falseRight.push(pair)
    else if (status === 'wrong' && pair.equal) errors.falseWrong.push(pair)
  }
  return errors
}
