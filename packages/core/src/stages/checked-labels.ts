import { PlumbError } from '../errors'
import type { CandidateText, Label, Labeler } from '../seams/labeler'
import type { Question } from '../seams/records'

const STATUS: ReadonlySet<unknown> = new Set<Label['status']>(['right', 'wrong', 'unparsed', 'ranked'])

/**
 * A labeler's labels, which become training data: one for each candidate, each of which says something.
 * @throws PlumbError PLUMB_LABEL_INVALID, naming the labeler and the question.
 */
export async function checkedLabels(labeler: Labeler, question: Question, candidates: readonly CandidateText[]): Promise<readonly Label[]> {
  const labels: unknown = await labeler.label(question, candidates)
  const refuse = (what: string) =>
    new PlumbError('PLUMB_LABEL_INVALID', `The labeler "${labeler.name}" ${what} of question "${question.id}".`)
  if (!Array.isArray(labels)) throw refuse(`gave no list of labels for the ${candidates.length} candidates`)
  if (labels.length !== candidates.length) throw refuse(`gave ${labels.length} labels for the ${candidates.length} candidates`)
  for (const [c, label] of (labels as unknown[]).entries()) {
    const problem = problemOf(label)
    if (problem !== undefined) throw refuse(`gave ${problem} for candidate ${c + 1}`)
  }
  return labels as readonly Label[]
}

function problemOf(label: unknown): string | undefined {
  if (typeof label !== 'object' || label === null) return 'no label'
  const { status, positive, reward, answer } = label as Partial<Record<keyof Label, unknown>>
  if (!STATUS.has(status)) return `the status ${shown(status)}, which is not one of ${[...STATUS].join(', ')},`
  if (positive !== undefined && typeof positive !== 'boolean') return `${shown(positive)} for "positive", which is true or false,`
  if (reward !== undefined && !(typeof reward === 'number' && Number.isFinite(reward)))
    return `the reward ${shown(reward)}, which is not a finite number,`
  if (status === 'ranked' && reward === undefined) return 'the status "ranked" without a reward'
  if (status === 'right' && positive === false) return 'the status "right" with "positive" false'
  if ((status === 'wrong' || status === 'unparsed') && positive === true) return `the status "${status}" with "positive" true`
  if (answer !== undefined && typeof answer !== 'string') return `${shown(answer)} for "answer", which is a text,`
  return undefined
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined
  return typeof value === 'number' || text === undefined ? String(value) : text
}
