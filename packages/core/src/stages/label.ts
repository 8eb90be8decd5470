import type { GroupRecord } from '../seams/records'
import { writeJsonLines } from '../data/write'
import { IndexedLines } from '../run/indexed-lines'
import type { StageExample } from '../run/store'
import { WindowJournal } from '../run/window-journal'
import type { Label, Labeler } from '../seams/labeler'
import { readingIdentity } from '../prompt/identity'
import { isGiven } from '../seams/sampler'
import { concurrently } from '../util/concurrently'
import { valueAt, type Sequence } from '../util/sequence'
import { checkedLabels } from './checked-labels'
import { Pace, type Finished, type StageContext, type StageDesk } from './context'
import type { RunData } from './data'
import { isUnparsed, LabelCounts, type LabelFigures, type Source } from './label-counts'
import { cutOffNotice, isCutOff, labelledWrong, type CutOff } from './cut-off'
import { AnswerReader, isUnfinishedThought } from './reading'
import type { LabelledCandidate, LabelledQuestion, SampledQuestion } from './records'
import type { Round } from './round'
import { mapped } from './slices'

/** Questions that a labeler is asked at the same time: one that asks a server waits for it most of the time. */
const AT_ONCE = 8

/** Stage 3: which candidates are right, or how good they are. After sampling, a question's own chains join them as references. */
export async function labelStage(context: StageContext, data: RunData, samples: Finished, round?: Round): Promise<Finished> {
  const { labeler, sampler } = context.resolved
  const source = isGiven(sampler.made) ? 'given' : 'sampled'
  const { hash: questions, records } = data.questions
  const { prompt, sample } = context.config
  const cutOff = source === 'given' ? 'keep' : sample.cutOff
  const determinedBy = {
    label: labeler.identity,
    samples: samples.manifest.artifacts['samples.jsonl'],
    questions,
    ...readingIdentity(prompt),
    ...(source === 'given' ? {} : { cutOff }),
  }
  return context.run({ stage: 'label', variant: round?.name, determinedBy, code: [labeler.code], backend: false }, async (desk) => {
    const sampled = await IndexedLines.open<SampledQuestion>(samples.folder.file('samples.jsonl'))
    const counts = new LabelCounts(source)
    const file = desk.folder.file('groups.jsonl')
    try {
      const lines = labelAll(context, desk, labeler.made, records, sampled, cutOff)
      await writeJsonLines(
        file,
        mapped(lines, (line) => counts.add(line)),
      )
    } finally {
      await sampled.close()
    }
    const figures = counts.figures()
    const { notice, isAll } = cutOffNotice(counts, cutOff)
    if (notice !== undefined) desk.notice(notice.level, notice.message)
    if (!isAll) noteLabels(figures, desk, source)
    if (Array.isArray(prompt.thinking) && counts.thought === 0 && figures.labelled > 0) {
      const tags = prompt.thinking.join(' or ')
      desk.notice(
        'warning',
        `None of the ${figures.labelled} candidates holds ${tags} (prompt.thinking); a special token stands in no text.`,
      )
    }
    if (counts.unfinished > 0) {
      const how = counts.unfinished > figures.labelled / 2 ? 'warning' : 'info'
      desk.notice(how, `In ${counts.unfinished} of ${figures.labelled} candidates the reasoning never ends, so they hold no answer.`)
    }
    const { right, wrong, unparsed, ranked, mixed, questions } = figures
    const summary =
      ranked > 0
        ? `${ranked} candidates ranked; ${mixed} of ${questions} questions with different rewards`
        : `${right} right, ${wrong} wrong, ${unparsed} without an answer; ${mixed} of ${questions} questions with both kinds`
    const examples = unparsed > 0 ? { unparsed: await examplesOf(file, counts.unparsedLines.values()) } : undefined
    return { artifacts: ['groups.jsonl'], summary, examples, figures: Object.fromEntries(Object.entries(figures).filter(shown)) }
  })
}

/** Questions whose candidates are in memory at once: the more there are, the seldomer the last ones of a window keep the next one waiting. */
const WINDOW = 128

/**
 * Labels every question, several at the same time, and writes each down as it comes: an interrupted stage asks only for the rest. The
 * samples stand in the order of the records that they are of.
 */
async function* labelAll(
  context: StageContext,
  desk: StageDesk,
  labeler: Labeler,
  records: Sequence<GroupRecord>,
  sampled: IndexedLines<SampledQuestion>,
  cutOff: CutOff,
): AsyncGenerator<LabelledQuestion> {
  const { signal } = context
  const journal = await WindowJournal.open<LabelledQuestion>(desk.folder.work('labels.jsonl'), (message) => desk.say(message))
  try {
    const total = sampled.length
    let done = Math.min(journal.length, total)
    const pace = new Pace(done, total)
    desk.start(total, done)
    let place = -1
    for (let from = 0; from < total; from += WINDOW) {
      const window = await sampled.range(from, from + WINDOW)
      const ids = new Set(window.map(({ id }) => id))
      // of the records that were skipped there are no samples
      const places = window.map(({ id }) => {
        do place++
        while (valueAt(records, place).id !== id)
        return place
      })
      const known = new Map((await journal.take(({ id }) => ids.has(id))).map((line) => [line.id, line]))
      const missing = [...window.entries()].filter(([, { id }]) => !known.has(id))
      await concurrently(missing, AT_ONCE, async ([n, question]) => {
        signal?.throwIfAborted()
        const line = await labelQuestion(context, labeler, valueAt(records, valueAt(places, n)), question, cutOff)
        known.set(line.id, line)
        await journal.append(line)
        done++
        if (done % 50 === 0 || done === total) desk.progress({ done, total, unit: 'questions', ...pace.at(done) })
      })
      for (const { id } of window) {
        const line = known.get(id)
        if (line !== undefined) yield line
      }
    }
  } finally {
    await journal.close()
  }
}

const EXAMPLES = 3
const SHOWN_CHARACTERS = 240

/** The ends of a few texts in which no answer was found, from questions apart from each other. */
async function examplesOf(file: string, without: Uint32Array): Promise<StageExample[]> {
  const stride = Math.max(1, Math.floor(without.length / EXAMPLES))
  const lines = await IndexedLines.open<LabelledQuestion>(file)
  try {
    const shown = await Promise.all(
      [...without.filter((_, n) => n % stride === 0).subarray(0, EXAMPLES)].map(async (index) => lines.get(index)),
    )
    return shown.map(({ id, candidates }) => ({ id, text: ending(candidates.find(isUnparsed)?.text ?? '') }))
  } finally {
    await lines.close()
  }
}

function ending(text: string): string {
  const letters = Array.from(text)
  return letters.length <= SHOWN_CHARACTERS ? text : `…${letters.slice(1 - SHOWN_CHARACTERS).join('')}`
}

async function labelQuestion(
  { config }: StageContext,
  labeler: Labeler,
  record: GroupRecord,
  sampled: SampledQuestion,
  cutOff: CutOff,
): Promise<LabelledQuestion> {
  const { id, prompt, answer } = record
  const { references, promptTokens } = sampled
  const reader = new AnswerReader(config.prompt, record, sampled.asked)
  const cut = sampled.candidates.filter(isCutOff).reduce((sum, { times }) => sum + times, 0)
  const candidates = cutOff === 'drop' ? sampled.candidates.filter((candidate) => !isCutOff(candidate)) : sampled.candidates
  const texts = candidates.map(({ text, finish, given }) => {
    return given ? { ...reader.written(text, finish !== 'length'), given } : reader.sampled({ text, finish })
  })
  // A reference is right by definition, here and below; how good it is among ranked candidates is for the labeler to say.
  const judged = labeler.feedback === 'ranked' ? references.map(({ text }) => reader.written(text)) : []
  const said = await checkedLabels(labeler, { id, prompt, answer }, [...texts, ...judged])
  const labels =
    cutOff === 'wrong' ? said.map((label, c) => (candidates[c] && isCutOff(candidates[c]) ? labelledWrong(label, said) : label)) : said
  const own = candidates.map(({ text, tokens, times, given }, c) => {
    const isReference = given?.reference ?? false
    const right: Label = labeler.feedback === 'ranked' ? { positive: true, ...labels[c]! } : { status: 'right', positive: true }
    const label = isReference ? right : labels[c]!
    return { ...labelled(text, tokens, label), times, ...(isReference ? { reference: true as const } : {}) }
  })
  const chains = references.map(({ text, tokens, reward }, c) => {
    const label = labels[candidates.length + c] ?? { status: 'right', positive: true }
    return { ...labelled(text, tokens, { ...label, positive: true, reward: reward ?? label.reward }), reference: true as const }
  })
  const thought = texts.filter(({ reasoning }) => reasoning !== undefined).length
  const unfinished = texts.filter(isUnfinishedThought).length
  return {
    id,
    prompt,
    ...(answer === undefined ? {} : { answer }),
    promptTokens,
    sampled: sampled.sampled,
    ...(cut > 0 ? { cutOff: cut } : {}),
    ...(thought > 0 ? { thought } : {}),
    ...(unfinished > 0 ? { unfinished } : {}),
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

/** Says plainly when there is little or nothing for a loss to compare. */
function noteLabels(
  { questions, labelled: n, right, wrong, unparsed, ranked, mixed, references }: LabelFigures,
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
