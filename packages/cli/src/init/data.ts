import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { UserError } from '../errors/user-error'

export interface DataChoice {
  readonly train: string
  readonly test: string
  readonly format: string
  /** False for conversations and literal prompts, which go to the model as they are. */
  readonly takesTemplate: boolean
  /** Whether the file holds labelled candidates (pairs, ranked answers), so that none are sampled. */
  readonly hasCandidates: boolean
}

/**
 * Finds the training and the held-out file behind `--data`: a folder with train.jsonl and test.jsonl, or a training file with
 * test.jsonl beside it. The format is read off the first record.
 *
 * @throws UserError PLUMB_INIT_DATA where the path, or a held-out file, does not exist.
 */
export async function findData(path: string, test?: string): Promise<DataChoice> {
  if (!existsSync(path)) throw new UserError('PLUMB_INIT_DATA', 'There is no such file or folder.', path)
  const isFolder = statSync(path).isDirectory()
  const train = isFolder ? join(path, 'train.jsonl') : path
  if (!existsSync(train)) throw new UserError('PLUMB_INIT_DATA', 'The folder has no train.jsonl; name the training file itself.', path)
  const heldOut = test ?? join(isFolder ? path : dirname(path), 'test.jsonl')
  if (!existsSync(heldOut)) {
    throw new UserError('PLUMB_INIT_DATA', `There is no held-out file ${heldOut}; name it with --test.`, path)
  }
  return { train, test: heldOut, ...(await shapeOf(train)) }
}

/** The format of the first record, and how its prompts and candidates are to be used; what is wrong with the file is its reader's to say. */
async function shapeOf(path: string): Promise<Pick<DataChoice, 'format' | 'takesTemplate' | 'hasCandidates'>> {
  const { fittingFormat } = await import('@plumbline/core')
  const record = await firstRecord(path)
  const format = fittingFormat(record) ?? 'groups'
  const says = (name: string) =>
    ![undefined, null, ''].includes(record[name] as string) && !(Array.isArray(record[name]) && record[name].length === 0)
  const isConversation =
    ['messages', 'conversations', 'context', 'system', 'system_prompt', 'history'].some(says) ||
    Array.isArray(record.prompt) ||
    Array.isArray(record.chosen)
  const isLiteral =
    record.literal === true ||
    (['qa', 'unpaired'].includes(format) && says('prompt') && says('completion')) ||
    (format === 'preference' && !says('question') && !says('instruction'))
  const hasCandidates = ['preference', 'ranked', 'unpaired'].includes(format) || (format === 'groups' && isLabelled(record.candidates))
  return { format, takesTemplate: !isConversation && !isLiteral, hasCandidates }
}

/** Whether the candidates are more than a reference chain: two or more, each with its label. */
function isLabelled(candidates: unknown): boolean {
  if (!Array.isArray(candidates) || candidates.length < 2) return false
  return candidates.every(
    (one: unknown) => typeof one === 'object' && one !== null && ('positive' in one || 'reward' in one || 'reference' in one),
  )
}

/** Read as data files are, so packed and JSON arrays too. */
async function firstRecord(path: string): Promise<Readonly<Record<string, unknown>>> {
  const { jsonLinesReader } = await import('@plumbline/core')
  let first: unknown
  const reader = jsonLinesReader('any', (row) => {
    first = row.value
    return { prompt: '', candidates: [] }
  })
  try {
    for await (const { prompt } of reader.read(path)) if (prompt === '') break
  } catch {
    // What is wrong with the file is its reader's to say, with the line.
  }
  return typeof first === 'object' && first !== null ? (first as Record<string, unknown>) : {}
}
