import { createWriteStream } from 'node:fs'
import { once } from 'node:events'

/**
 * A file of `count` questions with a chain each, and, where candidates are to be given, a wrong one.
 * @param size words of a question and of a chain, and the letters that each has at least
 */
export async function writeQuestions(file, count, name, given, { words, letters }) {
  const out = createWriteStream(file)
  for (let n = 0; n < count; n++) {
    const text = (what) => Array.from({ length: words }, (_, w) => `${what}${(n * 31 + w * 7) % 997}`.padEnd(letters, what)).join(' ')
    const answer = String(n % 10)
    const candidates = [{ text: `${text('c')} #### ${answer}`, positive: true, reference: true }]
    if (given) candidates.push({ text: `${text('d')} #### ${(n + 1) % 10}`, positive: false })
    const record = { id: `${name}-${n}`, prompt: `${text('q')} ${n}?`, answer, candidates }
    if (!out.write(`${JSON.stringify(record)}\n`)) await once(out, 'drain')
  }
  out.end()
  await once(out, 'finish')
}
