import { createInterface } from 'node:readline'
import { isPlumbError, type AskedModel, type AskOptions } from '@plumbline/core'
import { printable } from '@plumbline/core/base'
import { renderAnswer } from './render'

export interface Conversation {
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream
  /** Whether a person types, who gets a prompt and may stop an answer with Ctrl-C. */
  readonly terminal: boolean
}

type Message = Parameters<AskedModel['chat']>[0][number]

const HELP = 'A line is a message. /reset begins anew, /exit (or Ctrl-D) ends; Ctrl-C stops an answer.'

/** Holds a conversation until its input ends. What the model cannot answer is said, and the conversation stays as it was before. */
export async function chat(model: AskedModel, { input, output, terminal }: Conversation, asked: Omit<AskOptions, 'signal'>): Promise<void> {
  const say = (text: string) => void output.write(`${text}\n`)
  const lines = createInterface({ input, output: terminal ? output : undefined, terminal, prompt: '> ' })
  let answering: AbortController | undefined
  lines.on('SIGINT', () => (answering === undefined ? lines.close() : answering.abort()))
  const messages: Message[] = []
  say(`${model.name}. ${HELP}`)
  if (terminal) lines.prompt()
  for await (const line of lines) {
    const text = line.trim()
    if (text === '/exit') break
    if (text === '/reset') {
      messages.length = 0
      say('A new conversation.')
    } else if (text.startsWith('/')) say(`"${printable(text)}" is not a command. ${HELP}`)
    else if (text !== '') {
      answering = new AbortController()
      const question: Message = { role: 'user', content: text }
      try {
        let shown = ''
        const onText = (partial: string) => {
          const whole = printable(partial.trim())
          if (!whole.startsWith(shown)) return
          output.write(whole.slice(shown.length))
          shown = whole
        }
        const answer = await model.chat([...messages, question], { ...asked, signal: answering.signal, onText })
        const { text: content, reasoning } = answer
        messages.push(question, { role: 'assistant', content, ...(reasoning === undefined ? {} : { reasoning }) })
        const whole = renderAnswer(answer)
        say(whole.startsWith(shown) ? whole.slice(shown.length) : `\n${whole}`)
      } catch (error) {
        if (answering.signal.aborted) say(' (stopped)')
        else if (isPlumbError(error)) say(refused(error.code, error.message))
        else throw error
      } finally {
        answering = undefined
      }
    }
    if (terminal) lines.prompt()
  }
  lines.close()
  if (terminal) say('')
}

function refused(code: string, message: string): string {
  if (code !== 'PLUMB_PROMPT_TOO_LONG') return printable(`${code}  ${message}`)
  return `${code}  The conversation has become longer than the model's context allows; /reset begins anew.`
}
