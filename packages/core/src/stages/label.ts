import type { GroupRecord } from '../seams/records'
import { writeJsonLines } from '../data/write'
import { majorityAtK, passAtK } from '../diagnostics/samples'
import { readLines } from '../run/files'
import { Journal } from '../run/journal'
import type { StageExample } from '../run/store'
import type { Label, Labeler } from '../seams/labeler'
import { isGiven } from '../seams/sampler'
import { concurrently } from '../util/concurrently'
import { checkedLabels } from './checked-labels'
import { Pace, type Finished, type StageContext, type StageDesk } from './context'
import type { RunData } from './data'
import type { LabelledCandidate, LabelledQuestion, SampledQuestion } from './records'

/** Questions that a labeler is asked at the same time: one that asks a server waits for it most of the time. */
const AT_ONCE = 8

/** Stage 3: which candidates are right, or how good they are. After sampling, a question's own chains join them as references. */
export async function labelStage(context: StageContext, data: RunData, samples: Finished): Promise<Finished> {
  const { labeler, sampler } = context.resolved
  const source = isGiven(sampler.made) ? 'given' : 'sampled'
  const { hash: questions, records } = data.questions
  const determinedBy = { label: labeler.identity, samples: samples.manifest.artifacts['samples.jsonl'], questions }
  return context.run({ stage: 'label', determinedBy, code: [labeler.code], backend: false }, async (desk) => {
    const sampled = await readLines<SampledQuestion>(samples.folder.file('samples.jsonl'))
    const lines = await labelAll(context, desk, labeler.made, records, sampled)
    await writeJsonLines(desk.folder.file('groups.jsonl'), lines)
    const figures = count(lines, source)
    noteLabels(figures, desk, source)
    const { right, wrong, unparsed, ranked, mixed, questions } = figures
    const summary =
      ranked > 0
        ? `${ranked} candidates ranked; ${mixed} of ${questions} questions with different rewards`
        : `${right} right, ${wrong} wrong, ${unparsed} without an answer; ${mixed} of ${questions} questions with both kinds`
    const examples = unparsed > 0 ? { unparsed: examplesOf(lines) } : undefined
    return { artifacts: ['groups.jsonl'], summary, examples, figures: Object.fromEntries(Object.entries(figures).filter(shown)) }
  })
}

/** Labels every question, several at the same time, and writes each down as it comes: an interrupted stage asks only for the rest. */
async function labelAll(
  { signal }: StageContext,
  desk: StageDesk,
  labeler: Labeler,
  records: readonly GroupRecord[],
  sampled: readonly SampledQuestion[],
): Promise<LabelledQuestion[]> {
  const byId = new Map(records.map((record) => [record.id, record]))
  const journal = await Journal.open<LabelledQuestion>(desk.folder.work('labels.jsonl'))
  try {
    const known = new Map(journal.records.map((line) => [line.id, line]))
    const pace = new Pace(known.size, sampled.length)
    desk.start(sampled.length, known.size)
    const missing = sampled.filter(({ id }) => !known.has(id))
    await concurrently(missing, AT_ONCE, async (question) => {
      signal?.throwIfAborted()
      const line = await labelQuestion(labeler, byId.get(question.id)!, question)
      known.set(line.id, line)
      await journal.append(line)
      if (known.size % 50 === 0 || known.size === sampled.length) {
        desk.progress({ done: known.size, total: sampled.length, unit: 'questions', ...pace.at(known.size) })
      }
    })
    return sampled.map(({ id }) => known.get(id)!)
  } finally {
    await journal.close()
  }
}

const EXAMPLES = 3
const SHOWN_CHARACTERS = 240

/** The ends of a few texts in which no answer was found, from questions apart from each other. */
function examplesOf(lines: readonly LabelledQuestion[]): StageExample[] {
  const without = lines.flatMap(({ id, candidates }) => {
    const found = candidates.find(({ status }) => status === 'unparsed')
    return found ? [{ id, text: found.text }] : []
  })
  const stride = Math.max(1, Math.floor(without.length / EXAMPLES))
  return without
    .filter((_, n) => n % stride === 0)
    .slice(0, EXAMPLES)
    .map(({ id, text }) => ({ id, text: ending(text) }))
}

function ending(text: string): string {
  const letters = [...text]
  return letters.length <= SHOWN_CHARACTERS ? text : `…${letters.slice(1 - SHOWN_CHARACTERS).join('')}`
}

async function labelQuestion(labeler: Labeler, record: GroupRecord, sampled: SampledQuestion): Promise<LabelledQuestion> {
  const { id, prompt, answer } = record
  const { candidates, references, promptTokens } = sampled
  const texts = candidates.map(({ text, finish, given }) => ({ text, complete: finish !== 'length', ...(given ? { given } : {}) }))
  // A reference is right by definition, here and below; how good it is among ranked candidates is for the labeler to say.
  const judged = labeler.feedback === 'ranked' ? references.map(({ text }) => ({ text, complete: true })) : []
  const labels = await checkedLabels(labeler, { id, prompt, answer }, [...texts, ...judged])
  const own = candidates.map(({ text, tokens, times, given }, c) => {
    const isReference = given?.reference ?? false
    const right: Label = labeler.feedback === 'ranked' ? { positive: true, ...labels[c] } : { status: 'right', positive: true }
    const label = isReference ? right : labels[c]
    return { ...labelled(text, tokens, label), times, ...(isReference ? { reference: true as const } : {}) }
  })
  const chains = references.map(({ text, tokens, reward }, c) => {
    const label = labels[candidates.length + c] ?? { status: 'right', positive: true }
    return { ...labelled(text, tokens, { ...label, positive: true, reward: reward ?? label.reward }), reference: true as const }
  })
  return {
    id,
    prompt,
    ...(answer === undefined ? {} : { answer }),
    promptTokens,
    sampled: sampled.sampled,
    candidates: [...own, ...chains],
  }
}

function labelled(text: string, tokens: readonly number[], { status, positive, reward, answer }: Label): LabelledCandidate {
  const right = positive ?? status === 'right'
  return { text, tokens, status, positive: right, reward: reward ?? Number(right), ...(answer === undefined ? {} : { given: answer }) }
}

/** Feedback is a ranking or it is not; the figures of the other kind are all zero and say nothing. */
const shown = ([name, value]: [string, number], _: number, all: readonly [string, number][]): boolean => {
  const isRanking = (all.find(([figure]) => figure === 'ranked')?.[1] ?? 0) > 0
  return value !== 0 || !(isRanking ? ['right', 'wrong', 'unparsed'] : ['ranked', 'references']).includes(name)
}

type Source = 'sampled' | 'given'

type Counts = Readonly<Record<'questions' | 'labelled' | 'right' | 'wrong' | 'unparsed' | 'ranked' | 'mixed' | 'references', number>> &
  Readonly<Record<string, number>>

/** Distinct candidates by label; and, for right and wrong, pass@1, pass@k and majority@k over all that were sampled. */
function count(lines: readonly LabelledQuestion[], source: Source): Counts {
  const questions = lines.map(({ sampled, candidates }) => ({ sampled, own: candidates.filter(({ times }) => times !== undefined) }))
  const all = questions.flatMap(({ own }) => own)
  const of = (status: Label['status']) => all.filter((candidate) => candidate.status === status).length
  const counts = {
    questions: lines.length,
    labelled: all.length,
    right: of('right'),
    wrong: of('wrong'),
    unparsed: of('unparsed'),
    ranked: of('ranked'),
    mixed: questions.filter(({ own }) => new Set(own.map(({ reward }) => reward)).size > 1).length,
    references: lines.reduce((sum, { candidates }) => sum + candidates.filter(({ reference }) => reference).length, 0),
  }
  return counts.ranked > 0 || source === 'given' ? counts : { ...counts, ...successRates(questions) }
}

function successRates(
  questions: readonly { readonly sampled: number; readonly own: readonly LabelledCandidate[] }[],
): Record<string, number> {
  const k = questions.reduce((least, { sampled }) => Math.min(least, sampled), Infinity)
  const mean = (rate: (sampled: number, own: readonly LabelledCandidate[]) => number) =>
    questions.reduce((sum, { sampled, own }) => sum + rate(sampled, own), 0) / questions.length
  const right = (own: readonly LabelledCandidate[]) => own.reduce((sum, { positive, times = 1 }) => sum + (positive ? times : 0), 0)
  const votes = (own: readonly LabelledCandidate[]) =>
    own.flatMap(({ given, positive, times = 1 }) => Array.from({ length: times }, () => ({ answer: given, right: positive })))
  return {
    'pass@1': mean((n, own) => passAtK(n, right(own), 1) ?? 0),
    [`pass@${k}`]: mean((n, own) => passAtK(n, right(own), k) ?? 0),
    [`majority@${k}`]: mean((_, own) => majorityAtK(votes(own))),
  }
}

/** Says plainly when there is little or nothing for a loss to compare. */
function noteLabels(
  { questions, labelled: n, right, wrong, unparsed, ranked, mixed, references }: Counts,
  desk: StageDesk,
  source: Source,
): void {
  if (ranked > 0) {
    if (mixed === 0) desk.notice('warning', `Every question's candidates have equal rewards: there is nothing to compare among them.`)
    return
  }
  const chains = references > 0 && source === 'sampled' ? ` Only the ${references} reference chains are positive.` : ''
  if (n === 0) desk.notice('warning', 'No candidate was sampled.')
  else if (right === 0) {
    const how = unparsed === n ? 'in none of them a final answer was found' : `${wrong} wrong, ${unparsed} without a final answer`
    desk.notice('warning', `None of the ${n} ${source} candidates is right (${how}).${chains}`)
  } else if (right === n) desk.notice('warning', `All ${n} ${source} candidates are right: there is nothing wrong to compare them with.`)
  else if (mixed === 0)
    desk.notice('warning', `No question has both right and wrong candidates (${right} right, ${wrong + unparsed} wrong in all).${chains}`)
  else if (mixed < questions / 20) {
    desk.notice('info', `Only ${mixed} of ${questions} questions have both right and wrong candidates.`)
  }
  if (right > 0 && unparsed > n / 2) desk.notice('warning', `In ${unparsed} of ${n} ${source} candidates no final answer was found.`)
}
