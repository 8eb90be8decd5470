import { UserError } from '../errors/user-error'
import type { DataLook } from './look'

/**
 * What can be done with a file. `given`: it brings candidates that can be compared. `sampled`: it has chains to learn from and answers to
 * judge samples by. `judged`: answers alone. `tuned`: chains alone.
 */
export type Kind = 'given' | 'sampled' | 'judged' | 'tuned'

export interface Plan {
  readonly kind: Kind
  readonly loss: string
  /** `answer`, or `math` where answers are formulas. */
  readonly labeler: string
  readonly notices: readonly string[]
}

/**
 * The stages that a training file allows, and the loss that is usual for it where none is named.
 * @throws UserError PLUMB_INIT_DATA where nothing can be learnt from it, PLUMB_INIT_LOSS for a loss that has nothing to compare.
 */
export function planFor(train: DataLook, path: string, loss?: string): Plan {
  const { records, comparable, answered, referenced, candidates, ranked, formulas } = train
  const labeler = formulas > answered / 4 ? 'math' : 'answer'
  if (comparable > 0 && comparable >= candidates / 10) {
    const notices =
      comparable < candidates ? [`${candidates - comparable} of ${candidates} questions have no better and worse candidate.`] : []
    return { kind: 'given', loss: loss ?? (ranked > 0 || train.format !== 'preference' ? 'ca' : 'dpo'), labeler, notices }
  }
  if (answered === records && records > 0) return { kind: referenced > 0 ? 'sampled' : 'judged', loss: loss ?? 'ca', labeler, notices: [] }
  if (referenced === 0) {
    const message = `Nothing can be learnt from this file: of ${records} questions ${answered} have a final answer, none has a chain, and none a better and a worse candidate.`
    throw new UserError('PLUMB_INIT_DATA', message, path)
  }
  const why = `${records - answered} of ${records} questions say no final answer, and none has a better and a worse candidate, so that there is nothing to align on`
  if (loss !== undefined && loss !== 'sft') throw new UserError('PLUMB_INIT_LOSS', `${why}; expected --loss sft.`, path)
  return { kind: 'tuned', loss: 'sft', labeler, notices: [`${why}: fine-tuning alone is written.`] }
}
