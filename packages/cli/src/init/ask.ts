import { createInterface } from 'node:readline/promises'
import { INTERRUPTED, UserError } from '../errors/user-error'

export interface Question {
  readonly text: string
  /** What an empty line stands for. */
  readonly standard: string
  /** Why an answer cannot be taken; it is then asked again. */
  readonly refuse?: (answer: string) => Promise<string | undefined>
}

/** Asks one question after the other. */
export interface Dialogue {
  ask(question: Question): Promise<string>
  close(): void
}

/** A dialogue on the terminal. Its questions reject with UserError PLUMB_INTERRUPTED at Ctrl-C and at the end of the input. */
export function openDialogue(): Dialogue {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const left = new AbortController()
  terminal.once('close', () => left.abort())
  return {
    async ask({ text, standard, refuse }) {
      try {
        for (;;) {
          const answer = (await terminal.question(`${text} [${standard}] `, { signal: left.signal })).trim() || standard
          const reason = await refuse?.(answer)
          if (reason === undefined) return answer
          process.stderr.write(`  ${reason}\n`)
        }
      } catch (error) {
        if (!left.signal.aborted) throw error
        process.stderr.write('\n')
        throw new UserError(INTERRUPTED, 'Nothing was written.', undefined, { cause: error })
      }
    },
    close: () => terminal.close(),
  }
}
