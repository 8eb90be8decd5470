import { readFile } from 'node:fs/promises'
import { UserError } from '../errors/user-error'

export interface QuestionSources {
  /** On the command line. */
  readonly argument?: string
  readonly file?: string
  readonly stdin: AsyncIterable<Buffer | string> & { readonly isTTY?: boolean }
}

/**
 * The question: from the command line, a file, or the standard input; undefined where a person sits there and can be asked.
 * @throws UserError PLUMB_ANSWER_TWO_QUESTIONS, PLUMB_ANSWER_NO_QUESTION
 */
export async function readQuestion({ argument, file, stdin }: QuestionSources): Promise<string | undefined> {
  if (argument !== undefined && file !== undefined) {
    throw new UserError('PLUMB_ANSWER_TWO_QUESTIONS', 'The question stands on the command line and in a file; leave one of them out.')
  }
  if (argument !== undefined) return notEmpty(argument, undefined)
  if (file !== undefined) return notEmpty(decoded(await readFile(file), file), file)
  if (stdin.isTTY) return undefined
  const chunks: Buffer[] = []
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk))
  return notEmpty(decoded(Buffer.concat(chunks), 'stdin'), 'stdin')
}

function decoded(bytes: Uint8Array, where: string): string {
  try {
    // the line break at the end of a file is none of the question's
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '')
  } catch (cause) {
    throw new UserError('PLUMB_ANSWER_NO_QUESTION', 'Expected a question as text in UTF-8, but this is something else.', where, { cause })
  }
}

function notEmpty(question: string, where: string | undefined): string {
  if (question.trim() !== '') return question
  throw new UserError('PLUMB_ANSWER_NO_QUESTION', 'The question is empty; plumb answer "What is 2 + 2?" asks one.', where)
}
