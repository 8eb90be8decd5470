import { fittingFormat, isPlumbError, jsonLinesReader, type DatasetReader, type GroupRecord, type PluginRegistry } from '@plumbline/core'
import { UserError } from '../errors/user-error'

/** What a data file turned out to hold. */
export interface DataLook {
  /** A registered reader. */
  readonly format: string
  /** Fields of the format that the file calls otherwise. */
  readonly columns?: Readonly<Record<string, string>>
  /** Records that were read, at most {@link MOST_RECORDS}. */
  readonly records: number
  /** Records that the format refuses, and why the first is. */
  readonly refused: number
  readonly firstRefusal?: string
  /** Records with a final answer. */
  readonly answered: number
  /** Records with a reference chain. */
  readonly referenced: number
  /** Records of which one candidate is known to be better than another. */
  readonly comparable: number
  /** Records with a candidate. */
  readonly candidates: number
  /** Questions that are neither conversations nor texts to continue. */
  readonly plain: number
  readonly conversations: number
  /** Answers that are written in LaTeX. */
  readonly formulas: number
  /** Whether rewards, and not marks of right and wrong, tell candidates apart. */
  readonly ranked: number
}

/** Enough to see what a file is like; of a larger one the rest may hold surprises, which a run tells of. */
export const MOST_RECORDS = 20_000
const TRIED = 50

/**
 * The format that reads a file, found by reading it: what its fields speak for first, then every registered one, then the ones of questions
 * and of pairs with columns that are called otherwise.
 * @throws UserError PLUMB_INIT_DATA where none does; a PlumbError of the file itself (empty, another kind of file).
 */
export async function lookAt(path: string, registry: PluginRegistry): Promise<DataLook> {
  const sample = await firstRows(path)
  const [first = {}] = sample
  const evident = fittingFormat(first)
  const names = [...new Set([...(evident === undefined ? [] : [evident]), ...registry.names('dataset')])]
  let best: { readonly choice: Choice; readonly share: number } | undefined
  let refusal: string | undefined
  for (const choice of [...names.map((format): Choice => ({ format })), ...renamings(first)]) {
    const { accepted, refused, firstRefusal } = await tryOut(path, readerOf(registry, choice.format), choice)
    if (choice.format === evident || refusal === undefined) refusal = firstRefusal ?? refusal
    const share = accepted / Math.max(1, accepted + refused)
    if (share > (best?.share ?? 0)) best = { choice, share }
    if (share > 0.9 || (share > 0.5 && choice.format === evident)) break
  }
  if (best === undefined) throw unreadable(path, Object.keys(first), refusal)
  return count(path, readerOf(registry, best.choice.format), best.choice)
}

interface Choice {
  readonly format: string
  readonly columns?: Readonly<Record<string, string>>
}

function readerOf(registry: PluginRegistry, format: string): DatasetReader {
  const { factory } = registry.find('dataset', format)
  const context = registry.openRun({ folder: process.cwd(), configFolder: process.cwd(), seed: 0 })
  return factory.create(factory.options.parse({}), context)
}

/** The first objects of a file, whatever their fields; none where it holds something else. */
async function firstRows(path: string): Promise<Readonly<Record<string, unknown>>[]> {
  const rows: Readonly<Record<string, unknown>>[] = []
  const reader = jsonLinesReader('any', (row) => {
    rows.push(row.value as Readonly<Record<string, unknown>>)
    return { prompt: '', candidates: [] }
  })
  try {
    for await (const { prompt } of reader.read(path)) if (prompt !== '' || rows.length >= TRIED) break
  } catch (error) {
    // What is wrong with a record is its format's to say; what is wrong with the file, no format can help.
    if (isPlumbError(error) && /^PLUMB_DATA_(FORMAT|EMPTY|MISSING|NOT_FOUND|ENCODING|PARQUET)/.test(error.code)) throw error
  }
  return rows
}

async function tryOut(
  path: string,
  reader: DatasetReader,
  { columns }: Choice,
): Promise<{ readonly accepted: number; readonly refused: number; readonly firstRefusal?: string }> {
  let [accepted, refused] = [0, 0]
  let firstRefusal: string | undefined
  const stop = new Error('enough')
  const onRefused = ({ message }: Error): void => {
    firstRefusal ??= message
    refused++
    if (refused + accepted >= TRIED) throw stop
  }
  try {
    for await (const { id } of reader.read(path, reader.fields === undefined ? { onRefused } : { onRefused, columns })) {
      if (id !== '') accepted++
      if (refused + accepted >= TRIED) break
    }
  } catch (error) {
    if (error !== stop) {
      if (!isPlumbError(error)) throw error
      firstRefusal ??= error.message
      refused++
    }
  }
  return { accepted, refused, ...(firstRefusal === undefined ? {} : { firstRefusal }) }
}

async function count(path: string, reader: DatasetReader, choice: Choice): Promise<DataLook> {
  const counts = {
    records: 0,
    answered: 0,
    referenced: 0,
    comparable: 0,
    candidates: 0,
    plain: 0,
    conversations: 0,
    formulas: 0,
    ranked: 0,
  }
  let refused = 0
  let firstRefusal: string | undefined
  const onRefused = ({ message }: Error): void => {
    firstRefusal ??= message
    refused++
  }
  for await (const record of reader.read(path, { onRefused, ...(choice.columns ? { columns: choice.columns } : {}) })) {
    counts.records++
    if (record.answer !== undefined) counts.answered++
    if (record.answer !== undefined && /\\[a-zA-Z]+|\^|_\{/.test(record.answer)) counts.formulas++
    if (record.candidates.some(({ reference }) => reference)) counts.referenced++
    if (record.candidates.length > 0) counts.candidates++
    if (isComparable(record)) counts.comparable++
    if (record.candidates.some(({ reward }) => reward !== undefined)) counts.ranked++
    if (record.messages !== undefined) counts.conversations++
    else if (!record.literal) counts.plain++
    if (counts.records >= MOST_RECORDS) break
  }
  return { ...choice, ...counts, refused, ...(firstRefusal === undefined ? {} : { firstRefusal }) }
}

function isComparable({ candidates }: GroupRecord): boolean {
  const value = (candidate: GroupRecord['candidates'][number]) =>
    candidate.reward ?? (candidate.positive === undefined ? undefined : Number(candidate.positive))
  return new Set(candidates.map(value).filter((each) => each !== undefined)).size > 1
}

/** What files call the fields of questions and pairs otherwise, without regard to case. */
const OTHER_NAMES: Readonly<Record<string, readonly string[]>> = {
  prompt: ['prompt', 'question', 'instruction', 'query', 'input', 'inputs', 'problem', 'user', 'source', 'text'],
  chosen: ['chosen', 'preferred', 'accepted', 'better', 'winner', 'win', 'response_chosen', 'chosen_response', 'response_j', 'positive'],
  rejected: ['rejected', 'dispreferred', 'worse', 'loser', 'lose', 'response_rejected', 'rejected_response', 'response_k', 'negative'],
  chain: [
    'completion',
    'response',
    'solution',
    'rationale',
    'explanation',
    'chain_of_thought',
    'cot',
    'generated_solution',
    'output',
    'outputs',
    'target',
    'targets',
  ],
  answer: ['answer', 'final_answer', 'expected_answer', 'ground_truth', 'gold', 'gold_answer', 'label_answer', 'target_answer'],
}

/** Columns for the formats of pairs and of questions, where the file's fields have other names. */
function renamings(record: Readonly<Record<string, unknown>>): Choice[] {
  const names = Object.keys(record)
  const find = (meaning: string): string | undefined => {
    const known = OTHER_NAMES[meaning] ?? []
    return known
      .map((other) => names.find((name) => name.toLowerCase().replace(/[\s-]/g, '_') === other))
      .find((name) => name !== undefined)
  }
  const [prompt, chosen, rejected, chain, answer] = ['prompt', 'chosen', 'rejected', 'chain', 'answer'].map(find)
  const columns = (pairs: readonly (readonly [string, string | undefined])[]): Record<string, string> =>
    Object.fromEntries(pairs.filter((pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== pair[0]))
  if (prompt === undefined) return []
  return [
    ...(chosen === undefined || rejected === undefined
      ? []
      : [
          {
            format: 'preference',
            columns: columns([
              ['question', prompt],
              ['chosen', chosen],
              ['rejected', rejected],
            ]),
          },
        ]),
    ...(chain === undefined && answer === undefined
      ? []
      : [
          {
            format: 'qa',
            columns: columns([
              ['question', prompt],
              ['solution', chain],
              ['answer', answer],
            ]),
          },
        ]),
  ].filter(({ columns: renamed }) => Object.keys(renamed).length > 0)
}

function unreadable(path: string, fields: readonly string[], refusal: string | undefined): UserError {
  const shown = fields.slice(0, 12).map((field) => `"${field}"`)
  const holds =
    fields.length === 0 ? '' : ` Its first record has the fields ${shown.join(', ')}${fields.length > shown.length ? ', …' : ''}.`
  const said = refusal === undefined ? '' : ` What is nearest says: ${refusal}`
  return new UserError(
    'PLUMB_INIT_DATA',
    `No format reads this file.${holds}${said} docs/data-formats.md shows a record of each format; "columns" names fields that a file calls otherwise.`,
    path,
  )
}
