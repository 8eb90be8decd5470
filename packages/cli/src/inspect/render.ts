import type { InspectedCompletion, InspectedRecord, InspectedSource, InspectedSpan } from './sources'

/** One source for people: its records' tokens, then what there is of what in the file. */
export function renderSource(inspected: InspectedSource): string {
  const { source, path, format, records, counts, notices } = inspected
  const figures = [
    counted(counts.records, 'record'),
    `(${[counted(counts.conversations, 'conversation'), `${counts.plain} plain`, `${counts.literal} literal`].join(', ')}),`,
    `${counted(counts.chains, 'chain')} (${counted(counts.references, 'reference')}):`,
    [
      `${counts.dropped} too long`,
      `${counts.promptsTooLong} with too long a prompt`,
      `${counts.truncated} truncated`,
      `${counts.promptsTruncated} with a truncated prompt`,
      `${counts.empty} empty`,
      `${counts.repaired} repaired at the boundary`,
      `${counts.reshaped} behind another text than the prompt`,
      `${counts.unended} without an end`,
    ].join(', '),
  ].join(' ')
  return [
    `data.${source}  ${visible(path)} as ${format}`,
    ...records.map(renderRecord),
    `  ${figures}`,
    ...sourceLines(inspected),
    ...notices.map((notice) => `  ${visible(notice)}`),
  ].join('\n')
}

/** What the configuration says of the source beside its file, and what came of it. */
function sourceLines({ counts, leftOut, weight, drawn, columns }: InspectedSource): string[] {
  const pairs = (record: Readonly<Record<string, unknown>>, join: string) =>
    Object.entries(record).map(([key, value]) => visible(`${key}${join}${String(value)}`))
  return [
    ...(columns === undefined ? [] : [`  columns: ${pairs(columns, ' is ').join(', ')}`]),
    ...(leftOut === undefined ? [] : [`  left out for their faults: ${pairs(leftOut, ' ').join(', ')}`]),
    ...(weight === undefined ? [] : [`  weight ${weight}: ${drawn ?? counts.records} of ${counted(counts.records, 'record')} drawn`]),
  ]
}

function renderRecord({ id, where, kind, rendered, prompt, completions }: InspectedRecord): string {
  const title = ['', visible(id), ...(where === undefined ? [] : [visible(where)]), kind].join('  ')
  const lines = [title, `    text    ${visible(rendered)}`]
  if (prompt === undefined) return [...lines, '    The prompt is too long (lengths).'].join('\n')
  return [...lines, `    prompt  ${spanLine(prompt)}`, ...completions.map(completionLine)].join('\n')
}

function completionLine(completion: InspectedCompletion): string {
  const { tooLong, trained, reference, positive, reward } = completion
  const labels = [
    ...(reference ? ['reference'] : []),
    ...(positive === undefined ? [] : [positive ? 'right' : 'wrong']),
    ...(reward === undefined ? [] : [`reward ${reward}`]),
    ...(trained ? [] : ['not trained']),
    ...(completion.cut ? ['cut at the end'] : []),
  ].join(', ')
  const { tokens = [], ids = [] } = completion
  const span = tooLong
    ? 'too long (lengths)'
    : trained
      ? `⟦${spanText(tokens)}⟧  ${counted(ids.length, 'token')}`
      : spanLine({ text: '', tokens, ids })
  return `    +       ${span}${labels === '' ? '' : `  ${labels}`}`
}

const spanLine = ({ tokens, ids }: InspectedSpan) => `${spanText(tokens)}  ${counted(ids.length, 'token')}`
const spanText = (tokens: readonly string[]) => tokens.map(visible).join('·')

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Nothing that moves a terminal's cursor, colours it or turns its text around: such characters are written as escapes. */
export function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]/gu,
    (char) => SHORT[char] ?? `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  )
}
