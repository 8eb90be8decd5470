import { open } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { PlumbError, shownPath, type DatasetReader, type GroupRecord, type ReadOptions } from '@plumbline/core'
import { z } from 'zod'

export const qaTextOptions = z.strictObject({
  marker: z.string().min(1).default('####').describe('The final answer stands behind the last of these.'),
})

/** A question with its answer's lines, and where it begins. */
interface Block {
  readonly line: number
  readonly question: string
  readonly answer: string[]
}

/**
 * Reads a plain text file of questions and answers:
 *
 *     Q: What is 2 + 3?
 *     A: Two and three are five.
 *     #### 5
 *
 * A line that begins with `Q:` begins a record, and `A:` its chain of thought, which goes on until the next `Q:`.
 */
export function qaTextReader({ marker }: z.output<typeof qaTextOptions> = qaTextOptions.parse({})): DatasetReader {
  return {
    name: 'template-name',
    /** With these, `read` is given options: a source may say `onInvalid: skip`. */
    fields: ['question', 'answer'],
    async *read(file: string, options: ReadOptions = {}): AsyncGenerator<GroupRecord> {
      if (options.columns !== undefined) throw refusal('This format has no columns, so that "columns" cannot name them.', shownPath(file))
      const stem = basename(file, extname(file))
      for await (const block of blocksOf(file)) {
        const where = `${shownPath(file)}:${block.line}`
        const chain = block.answer.join('\n').trim()
        const problem = problemOf(block, chain)
        if (problem === undefined) {
          const at = chain.lastIndexOf(marker)
          const answer = at < 0 ? undefined : chain.slice(at + marker.length).trim()
          const candidates = [{ text: chain, positive: true, reference: true }]
          yield { id: `${stem}-${block.line}`, prompt: block.question, ...(answer ? { answer } : {}), candidates }
        } else {
          const error = refusal(problem, where)
          if (options.onRefused === undefined) throw error
          options.onRefused(error)
        }
      }
    },
  }
}

function problemOf({ question }: Block, chain: string): string | undefined {
  if (question === '') return 'The question behind "Q:" is empty.'
  return chain === '' ? 'The question has no answer; expected a line that begins with "A:".' : undefined
}

/** One block after the other: the file is never in memory as a whole. */
async function* blocksOf(file: string): AsyncGenerator<Block> {
  const handle = await open(file)
  let line = 0
  let block: Block | undefined
  try {
    for await (const text of handle.readLines({ encoding: 'utf8' })) {
      line++
      if (text.startsWith('Q:')) {
        if (block) yield block
        block = { line, question: text.slice(2).trim(), answer: [] }
      } else if (block === undefined) {
        if (text.trim() !== '') throw refusal('Expected a line that begins with "Q:".', `${shownPath(file)}:${line}`)
      } else {
        block.answer.push(text.startsWith('A:') && block.answer.length === 0 ? text.slice(2) : text)
      }
    }
    if (block) yield block
  } finally {
    await handle.close() // also where whoever reads has had enough
  }
}

function refusal(message: string, where: string): PlumbError {
  return new PlumbError('PLUMB_DATA_FIELD', message, where)
}
