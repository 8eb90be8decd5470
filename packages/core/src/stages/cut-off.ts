import type { Config } from '../config/schema'
import type { StageNotice } from '../run/store'
import type { Label } from '../seams/labeler'
import type { LabelCounts } from './label-counts'
import type { SampledCandidate } from './records'

/** What becomes of completions that were cut off at the length limit. */
export type CutOff = Config['sample']['cutOff']

export const isCutOff = ({ finish }: Pick<SampledCandidate, 'finish'>): boolean => finish === 'length'

/** A cut-off candidate as wrong: among ranked ones it is as bad as the worst of its question. */
export function labelledWrong({ status, reward, answer }: Label, all: readonly Label[]): Label {
  const said = answer === undefined ? {} : { answer }
  if (status !== 'ranked') return { status: 'wrong', positive: false, ...said }
  return { status, positive: false, reward: Math.min(reward ?? 0, ...all.map((label) => label.reward ?? Infinity)), ...said }
}

const SAID: Readonly<Record<CutOff, string>> = {
  drop: 'they are no candidates',
  wrong: 'they count as wrong, whatever they say',
  keep: 'they are labelled by what they say, and those without an answer count as wrong',
}

/** What is to be said of the completions that were cut off; `isAll` where there is no other. */
export function cutOffNotice(
  { cutOff: count, completions }: Pick<LabelCounts, 'cutOff' | 'completions'>,
  cutOff: CutOff,
): { readonly notice?: StageNotice; readonly isAll: boolean } {
  if (count === 0) return { isAll: false }
  const isAll = count === completions && cutOff === 'drop'
  const level = count > completions / 2 ? 'warning' : 'info'
  const rest = isAll ? ' There is no other; a larger sample.maxNewTokens lets the model end.' : ''
  const message = `${count} of ${completions} completions were cut off at the length limit: ${SAID[cutOff]} (sample.cutOff: ${cutOff}).${rest}`
  return { notice: { level, message }, isAll }
}
