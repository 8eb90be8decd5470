import { tmpdir } from 'node:os'
import { z } from 'zod'
import { PlumbError } from '../errors'
import { Spools } from '../run/spool'
import type { DatasetReader } from '../seams/dataset'
import type { CandidateRecord, GroupRecord } from '../seams/records'
import { KeyTable } from '../util/key-table'
import { NumberList, valueAt } from '../util/sequence'
import { conversationAround, headOf, messagesOf, onlyAnswer, splitAnswer, SYSTEM_FIELDS, withSystem } from './conversation'
import { answerSchema, describe, idSchema, isBlank, isEmpty } from './fields'
import type { FoundRow } from './found-row'
import { markOf, MARKS } from './formats'
import { questionKey } from './question-key'
import type { Row } from './row'
import { attempt, Ids, readFields, type Draft } from './rows'

export const unpairedOptions = z.strictObject({
  desirableIsReference: z.boolean().default(true).describe('Whether desirable answers also serve as reference chains of L_VFT.'),
})

const rowSchema = z.looseObject({ id: idSchema, answer: answerSchema })

const COLUMNS = {
  fields: ['id', 'prompt', 'completion', ...MARKS, 'messages', 'conversations', 'answer', ...SYSTEM_FIELDS, 'history'],
  read: [...MARKS, ...SYSTEM_FIELDS, 'history', 'messages', 'conversations'],
  answers: ['chosen', 'rejected', 'candidates', 'completions', 'responses'],
}

/** A row: a question, one answer to it, and whether it is wanted. */
interface Judged {
  readonly head: Draft
  readonly candidate: CandidateRecord
  readonly found: Pick<FoundRow, 'where' | 'unit' | 'place'>
}

/**
 * TRL's unpaired preference, the data of KTO (Ethayarajh et al., arXiv:2402.01306): `{ prompt, completion, label }`, as texts or lists of
 * messages, or a whole conversation (`messages`, `conversations`) with `label` or LLaMA-Factory's `kto_tag`. Rows of the same prompt,
 * wherever they stand, are one question with right and wrong candidates, at the place of the first of them. The whole file is read before
 * the first question is known; until then the rows are in a file without a name in the system's temporary folder.
 */
export function unpairedReader({ desirableIsReference }: z.output<typeof unpairedOptions>): DatasetReader {
  return {
    name: 'unpaired',
    fields: COLUMNS.fields,
    async *read(file, options = {}) {
      const spools = new Spools(tmpdir())
      try {
        const rows = spools.create<Judged>(file)
        const groups = new Groups()
        for await (const { row, found } of readFields('unpaired', file, options, COLUMNS)) {
          const { where, unit, place } = found
          const judged = attempt(options, () => judgedOf(row, desirableIsReference))
          if (judged === undefined) continue
          groups.add(questionKey(judged.head) + (judged.head.literal ? ' literal' : ''))
          rows.add({ ...judged, found: { where, unit, place } })
        }
        const ids = new Ids(file)
        for (const group of groups.all()) {
          const record = attempt(options, () =>
            recordOf(
              group.map((at) => valueAt(rows, at)),
              ids,
            ),
          )
          if (record !== undefined) yield record
        }
      } finally {
        spools.close()
      }
    },
  }
}

/** Which rows ask the same: 8 bytes a row beside the table of keys. */
class Groups {
  private readonly keys = new KeyTable()
  /** Of each group the first and, so far, the last row. */
  private readonly first = new NumberList(Uint32Array)
  private readonly last = new NumberList(Uint32Array)
  /** Of each row the next one of its group; itself where there is none. */
  private readonly next = new NumberList(Uint32Array)

  add(key: string): void {
    const row = this.next.length
    this.next.push(row)
    const group = this.keys.add(key, this.first.length)
    if (group === undefined) {
      this.first.push(row)
      this.last.push(row)
      return
    }
    this.next.set(valueAt(this.last, group), row)
    this.last.set(group, row)
  }

  *all(): Generator<number[]> {
    for (let group = 0; group < this.first.length; group++) {
      const rows = [valueAt(this.first, group)]
      for (let next = valueAt(this.next, rows[0] ?? 0); next !== rows.at(-1); next = valueAt(this.next, next)) rows.push(next)
      yield rows
    }
  }
}

function recordOf(rows: readonly Judged[], ids: Ids): GroupRecord {
  const first = valueAt(rows, 0)
  const answered = rows.filter(({ head }) => head.answer !== undefined)
  const answer = answered[0]?.head.answer
  const other = answered.find(({ head }) => head.answer !== answer)
  if (other !== undefined) {
    const earlier = `${describe(answer)} at ${first.found.unit} ${first.found.place}`
    const message = `"answer" is ${describe(other.head.answer)}, and the same prompt has the answer ${earlier}.`
    throw new PlumbError('PLUMB_DATA_FIELD', message, other.found.where)
  }
  const head = { ...first.head, ...(answer === undefined ? {} : { answer }) }
  return ids.named({ ...head, candidates: rows.map(({ candidate }) => candidate) }, first.found)
}

function judgedOf(row: Row, desirableIsReference: boolean): Omit<Judged, 'found'> {
  const { id, answer } = row.as(rowSchema)
  const positive = labelOf(row)
  const { text, ...head } = exchangeOf(row)
  const reference = positive && desirableIsReference
  if (reference && isBlank(text)) throw row.error('PLUMB_DATA_FIELD', 'A desirable answer is a reference chain and must not be empty.')
  return {
    head: { id, ...head, ...(answer === undefined ? {} : { answer }), candidates: [] },
    candidate: { text, positive, reward: Number(positive), ...(reference ? { reference } : {}) },
  }
}

function labelOf(row: Row): boolean {
  const [field, other] = MARKS.filter((name) => row.field(name) !== undefined && row.field(name) !== null)
  if (field === undefined) throw row.misfit('"label" is missing; it must be true for a desirable answer, or false.')
  const label = markOf(row.field(field))
  if (label === undefined) throw row.error('PLUMB_DATA_FIELD', `"${field}" must be true or false, but is ${describe(row.field(field))}.`)
  if (other !== undefined && markOf(row.field(other)) !== label) throw row.error('PLUMB_DATA_FIELD', `"${field}" and "${other}" differ.`)
  return label
}

type Exchange = Pick<GroupRecord, 'prompt' | 'messages' | 'literal'> & { readonly text: string }

function exchangeOf(row: Row): Exchange {
  const [field, other] = ['prompt', 'messages', 'conversations'].filter((name) => !isEmpty(row.field(name)))
  if (field === undefined) throw row.misfit('"prompt" is missing; it must be a text or a list of messages.')
  if (other !== undefined) throw row.error('PLUMB_DATA_FIELD', `"${field}" and "${other}" are both given; expected one of them.`)
  if (field !== 'prompt') {
    if (!isEmpty(row.field('completion'))) {
      throw row.error('PLUMB_DATA_FIELD', `"completion" stands beside "${field}", which ends with the answer; expected one of them.`)
    }
    const { before, answer } = splitAnswer(row, messagesOf(row, row.field(field), field), field)
    return { ...headOf(row, withSystem(row, before), field), text: answer }
  }
  const prompt = row.field('prompt')
  const completion = row.field('completion')
  if (completion === undefined || completion === null) throw row.misfit('"completion" is missing; it must be a text or a list of messages.')
  if (typeof prompt === 'string' && typeof completion === 'string') {
    const conversation = conversationAround(row, prompt)
    return { ...(conversation ?? { prompt, literal: true as const }), text: completion }
  }
  if (Array.isArray(prompt) && Array.isArray(completion)) {
    const head = headOf(row, withSystem(row, messagesOf(row, prompt, 'prompt')), 'prompt')
    return { ...head, text: onlyAnswer(row, messagesOf(row, completion, 'completion'), 'completion') }
  }
  throw row.error('PLUMB_DATA_FIELD', '"prompt" and "completion" must both be texts or both be lists of messages.')
}
