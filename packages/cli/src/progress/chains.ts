import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'

/** What the label stage writes of a question, as far as it is shown. */
interface LabelledGroup {
  readonly prompt: string
  readonly answer?: string
  readonly candidates: readonly {
    readonly text: string
    readonly status?: string
    readonly reward?: number
    readonly reference?: boolean
    readonly times?: number
  }[]
}

const FIRST_BYTES = 1 << 18
const MOST_CHAINS = 4
const CHAIN_WIDTH = 110
const QUESTION_WIDTH = 300

/**
 * One question with its sampled chains and what the labeler said of them, right ones first: the first question that has both
 * kinds, else the first of all. No lines where there is nothing to show.
 */
export function labelledChains(labelFolder: string): string[] {
  const groups = firstGroups(join(labelFolder, 'groups.jsonl'))
  const statuses = ({ candidates }: LabelledGroup) => new Set(sampled(candidates).map(({ status }) => status))
  const shown = groups.find((group) => statuses(group).has('right') && statuses(group).size > 1) ?? groups[0]
  if (shown === undefined) return []
  const distinct = [...new Map(sampled(shown.candidates).map((candidate) => [candidate.text, candidate])).values()]
  const [right, others] = [distinct.filter(({ status }) => status === 'right'), distinct.filter(({ status }) => status !== 'right')]
  const half = MOST_CHAINS / 2
  const chosen = [...right.slice(0, Math.max(half, MOST_CHAINS - others.length)), ...others].slice(0, MOST_CHAINS)
  const expected = shown.answer === undefined ? '' : `  (${shown.answer})`
  return [
    `  ${oneLine(shown.prompt, QUESTION_WIDTH)}${expected}`,
    ...chosen.map(({ status = '', reward, text }) => `    ${saidOf(status, reward).padEnd(9)}  ${oneLine(text, CHAIN_WIDTH)}`),
  ]
}

/** Of a ranked candidate its reward says everything. */
function saidOf(status: string, reward: number | undefined): string {
  if (status === 'ranked' && reward !== undefined) return String(Number(reward.toPrecision(4)))
  return status === 'unparsed' ? 'no answer' : status
}

function sampled(candidates: LabelledGroup['candidates']): LabelledGroup['candidates'] {
  // a reference with a count stands among the candidates of the data file; one without was added to the sampled ones
  return candidates.filter(({ reference, times }) => !reference || times !== undefined)
}

/** The records in the first part of the file; a run may have written many thousands. */
function firstGroups(file: string): LabelledGroup[] {
  const buffer = Buffer.alloc(FIRST_BYTES)
  let length: number
  try {
    const descriptor = openSync(file, 'r')
    length = readSync(descriptor, buffer, 0, FIRST_BYTES, 0)
    closeSync(descriptor)
  } catch {
    return [] // An illustration; whoever needs the file will say what is wrong with it.
  }
  const text = buffer.toString('utf8', 0, length)
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(Boolean)
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as LabelledGroup]
      } catch {
        return []
      }
    })
}

function oneLine(text: string, width: number): string {
  const line = text.trim().replace(/\s*\n\s*/g, ' ⏎ ')
  return line.length > width ? `${line.slice(0, width - 1)}…` : line
}
