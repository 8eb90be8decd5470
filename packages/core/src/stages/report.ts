import { printable } from '../util/printable'
import { pairedDifference, wilsonInterval } from '../diagnostics/intervals'
import { VFT } from '../config/consistency'
import type { ReportRow, RunReport, SourceFigures, UnparsedAnswers } from '../seams/run-events'
import { hashJson } from '../run/hash'
import { roundName } from '../run/round-name'
import type { AnswerMarks } from './assess'
import { countSeen, type RunData } from './data'
import type { Evaluation } from './evaluate'

/** The row of the stage-1 model. */
export const VFT_ROW = VFT

export interface ReportInput {
  readonly evaluations: readonly Evaluation[]
  /** The row that differences are against. */
  readonly control: string
  readonly data: Pick<RunData, 'train' | 'questions'> & { readonly sources?: RunData['sources'] }
  /** Whether candidates come from the data files. */
  readonly given?: boolean
  readonly samples: Readonly<Record<string, number>> | undefined
  readonly furtherSamples?: RunReport['furtherSamples']
  readonly unparsed?: UnparsedAnswers
  readonly notices: readonly string[]
}

/** The report without what differs from machine to machine: where it lies, how long it took. */
export type ReportContent = Omit<RunReport, 'run' | 'seconds'>

export function makeReport(input: ReportInput): ReportContent {
  const { evaluations, control, data, given = false, samples, furtherSamples, unparsed, notices } = input
  const baseOf = ({ round = 1 }: Evaluation) =>
    evaluations.find(({ name }) => name === (control === VFT_ROW ? control : roundName(control, round)))
  const keys = evaluations.map(({ name, key, sets }) => [name, sets === undefined ? key : sets.map((set) => [set.name, set.key])])
  const { sources = [] } = data
  return {
    ...(keys.length > 0 ? { key: hashJson({ keys, control }).slice(0, 8) } : {}),
    control,
    design: given ? GIVEN_DESIGN : designOf(data),
    rows: evaluations.map((evaluation) => row(evaluation, baseOf(evaluation))),
    ...(sources.some(isWorthTelling) ? { sources } : {}),
    ...(samples ? { samples } : {}),
    ...(furtherSamples && Object.keys(furtherSamples).length > 0 ? { furtherSamples } : {}),
    ...(unparsed ? { unparsed } : {}),
    notices: [...new Set(notices)],
  }
}

/** Whether a source is one of several, or lost records: of the others there is nothing to say. */
const isWorthTelling = ({ source, leftOut }: SourceFigures): boolean => source.split('.').length > 2 || Object.keys(leftOut).length > 0

export function row(evaluation: Evaluation, control: Evaluation | undefined): ReportRow {
  const { sets, round } = evaluation
  const figures = figuresOf(evaluation, control?.name === evaluation.name ? undefined : control)
  const all = round === undefined ? figures : { ...figures, round }
  if (sets === undefined) return all
  return {
    ...all,
    sets: sets.map((set, s) => figuresOf(set, control?.name === evaluation.name ? undefined : control?.sets?.[s])),
  }
}

function figuresOf(
  { name, answers, assessmentAccuracy, positivePerplexity, negativePerplexity }: Evaluation,
  control: Evaluation | undefined,
): ReportRow {
  let right = 0
  let unparsed = 0
  for (const answer of answers) {
    if (answer.right) right++
    if (answer.status === 'unparsed') unparsed++
  }
  const n = answers.length
  const assessment = { assessmentAccuracy, positivePerplexity, negativePerplexity }
  if (n === 0) return { name, questions: 0, ...assessment }
  return {
    name,
    questions: n,
    accuracy: right / n,
    interval: wilsonInterval(right, n),
    ...(control ? { versusControl: pairedDifference(hits(answers), hits(control.answers)) } : {}),
    parseFailures: unparsed / n,
    ...assessment,
  }
}

const hits = (answers: AnswerMarks) => Array.from(answers, ({ right }) => Number(right))

const GIVEN_DESIGN = 'alignment on the candidates of the data file, none sampled'

/** Which questions alignment saw. */
function designOf({ train, questions }: ReportInput['data']): string {
  const again = questions === train ? train.records.length : countSeen(questions.records, train.records)
  const n = questions.records.length
  if (again === n) return 'alignment on the questions of stage 1 (the paper’s design)'
  if (again === 0) return 'alignment on fresh questions, not seen in stage 1'
  return `alignment on ${n} questions, of which ${again} were seen in stage 1`
}

/**
 * The report as a page to read.
 *
 * @param k how many candidates were sampled for each test question; undefined where they are given.
 */
export function renderMarkdown(content: ReportContent, k: number | undefined): string {
  const { control, design, rows, sources, samples, furtherSamples = {}, unparsed, notices } = content
  const hasRounds = rows.some(({ round }) => round !== undefined)
  const lines = ['# Report', '', `Design: ${design}.`, '']
  if (rows.length > 0) {
    lines.push(...table(rows, control), '')
    const candidates = k === undefined ? 'those of the test file' : `up to ${k} per test question, sampled once from ${VFT_ROW}`
    lines.push(
      rows[0]!.questions === 0
        ? 'No test question has an answer to compare with, so there is no accuracy.'
        : `Greedy answers to ${rows[0]!.questions} test questions; in brackets the Wilson 95 % interval. Δ: paired difference to ${control}, ± its standard error over questions.`,
      ...(hasRounds ? [`A row with "+2" is that variant after its second round. Δ is to ${control} after as many rounds.`] : []),
      `Assessment (fraction of right/wrong pairs that the model puts in order) and perplexities (exp of minus the mean candidate score) are measured on the same candidates for every row: ${candidates}.`,
      '',
    )
    lines.push(...setTables(rows, control))
  }
  if (sources) lines.push(...sourceTable(sources))
  if (samples) {
    lines.push(
      '## Samples',
      '',
      '| | |',
      '|---|---|',
      ...Object.entries(samples).map(([name, value]) => `| ${name} | ${rounded(value)} |`),
      '',
    )
  }
  lines.push(...furtherTable(samples ?? {}, furtherSamples))
  if (unparsed) {
    const rate = ((100 * unparsed.count) / unparsed.of).toFixed(1)
    lines.push(
      '## Without an answer',
      '',
      `In ${unparsed.count} of ${unparsed.of} candidates (${rate} %) no final answer was found. How some of them end:`,
      '',
    )
    lines.push(
      ...unparsed.examples.flatMap(({ id, text }) => [
        `- ${inline(id)}:`,
        '',
        ...text.split(/\r\n|[\n\r\u2028\u2029]/).map((line) => `      ${line}`),
        '',
      ]),
    )
  }
  if (notices.length > 0) lines.push('## Notices', '', ...notices.map((notice) => `- ${notice}`), '')
  return printable(lines.join('\n'))
}

/** What each model sampled in the rounds behind the first. */
function furtherTable(first: Readonly<Record<string, number>>, further: NonNullable<RunReport['furtherSamples']>): string[] {
  const models = Object.keys(further)
  if (models.length === 0) return []
  const figures = [...new Set([first, ...Object.values(further)].flatMap((own) => Object.keys(own)))]
  const cell = (value: number | undefined) => (value === undefined ? '–' : rounded(value))
  return [
    '## Samples of further rounds',
    '',
    `| | ${models.join(' | ')} |`,
    `|---|${models.map(() => '---|').join('')}`,
    ...figures.map((figure) => `| ${figure} | ${models.map((model) => cell(further[model]?.[figure])).join(' | ')} |`),
    '',
  ]
}

/** A table for each test set, where there are several. */
function setTables(rows: readonly ReportRow[], control: string): string[] {
  const [first] = rows
  if (first?.sets === undefined) return []
  const tables = first.sets.flatMap(({ name, questions }, s) => [
    `## ${name}`,
    '',
    questions === 0 ? 'No question of this test set has an answer to compare with.' : `The ${questions} questions of this test set alone.`,
    '',
    ...table(
      rows.flatMap((row) => (row.sets?.[s] ? [{ ...row.sets[s], name: row.name, round: row.round }] : [])),
      control,
    ),
    '',
  ])
  return [`The figures above are of all ${first.sets.length} test sets together, every question counting once.`, '', ...tables]
}

function sourceTable(sources: readonly SourceFigures[]): string[] {
  return [
    '## Data',
    '',
    '| source | records | weight | drawn | left out |',
    '|---|---|---|---|---|',
    ...sources.map(({ source, records, weight, drawn, leftOut }) => {
      const reasons = Object.entries(leftOut).map(([code, count]) => `${count} ${code}`)
      return `| ${source} | ${records} | ${weight ?? '–'} | ${drawn} | ${reasons.length === 0 ? '–' : reasons.join(', ')} |`
    }),
    '',
  ]
}

function table(rows: readonly ReportRow[], control: string): string[] {
  const percent = (value: number | undefined) => (value === undefined ? '–' : (100 * value).toFixed(1))
  const figure = (value: number | undefined) => (value === undefined ? '–' : value.toFixed(3))
  const hasRounds = rows.some(({ round }) => round !== undefined)
  return [
    `| | ${hasRounds ? 'round | ' : ''}accuracy % | Δ to ${control} | no answer % | assessment | perplexity right | perplexity wrong |`,
    `|---|---|---|---|---|---|---|${hasRounds ? '---|' : ''}`,
    ...rows.map(({ name, round, accuracy, interval, versusControl, parseFailures, ...more }) =>
      [
        '',
        name,
        ...(hasRounds ? [round === undefined ? '–' : String(round)] : []),
        interval ? `${percent(accuracy)} [${percent(interval[0])}, ${percent(interval[1])}]` : '–',
        versusControl ? `${signed(versusControl.difference)} ± ${percent(versusControl.standardError)}` : '–',
        percent(parseFailures),
        figure(more.assessmentAccuracy),
        figure(more.positivePerplexity),
        figure(more.negativePerplexity),
        '',
      ]
        .join(' | ')
        .trim(),
    ),
  ]
}

/** A text within a line of Markdown, as it is. */
const inline = (text: string) => `\`${text.replace(/[`\s]+/g, ' ')}\``

const signed = (value: number) => `${value < 0 ? '−' : '+'}${(100 * Math.abs(value)).toFixed(1)}`
const rounded = (value: number) => (Number.isInteger(value) ? String(value) : value.toFixed(3))
