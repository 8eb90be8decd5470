import { isDeepStrictEqual } from 'node:util'
import type { CandidateText, Label, Labeler, Question } from '@plumbline/core'
import { contractCheck, type Check } from '../check'
import { declareSuite, type SuiteOptions } from '../runner'

/** What the suite is told about a labeler. */
export interface LabelerSubject {
  readonly factory: () => Labeler | Promise<Labeler>
  /** Texts whose status is known; for a binary labeler of final answers the suite brings its own. */
  readonly examples?: readonly LabelerExample[]
}

export interface LabelerExample {
  readonly question: Question
  readonly text: string
  readonly status: Label['status']
}

const question: Question = { id: 'clips', prompt: 'Natalia sold 48 clips in April and half as many in May. How many in all?', answer: '72' }
const complete = (text: string): CandidateText => ({ text, complete: true })
const candidates: readonly CandidateText[] = [
  complete('48 / 2 = 24. 48 + 24 = 72. #### 72'),
  complete('48 / 2 = 22. 48 + 22 = 70. #### 70'),
  complete('That cannot be known.'),
  { text: '48 / 2 = 24. 48 +', complete: false },
  complete('48 / 2 = 24. 48 + 24 = 72. #### 72'),
]
const ODD_TEXTS = ['', ' ', '\n\n', '####', '#### ', 'ﬀ 七十二 🙂\u0000', '#'.repeat(5_000), '((((', '1e999', '-', '{"answer": 72}']
const examples: readonly LabelerExample[] = [
  { question, text: candidates[0]!.text, status: 'right' },
  { question, text: candidates[1]!.text, status: 'wrong' },
]

/** The contract of a labeler. */
export const labelerChecks: readonly Check<LabelerSubject>[] = [
  labelerCheck('labeler/one-label-per-candidate', 'There is one label per candidate, none for none.', async (labeler) => {
    for (const asked of [candidates, candidates.slice(0, 1), []]) {
      const labels = await labeler.label(question, asked)
      if (labels.length !== asked.length) return `For ${asked.length} candidates there were ${labels.length} labels.`
    }
    return undefined
  }),

  labelerCheck(
    'labeler/labels-fit-the-feedback',
    'A binary labeler says right, wrong or unparsed, with `positive` true for right alone; a ranked one says ranked, with a finite reward.',
    async (labeler) => {
      const labels = await labeler.label(question, candidates)
      const wrong = labels.findIndex(({ status, positive, reward }) =>
        labeler.feedback === 'binary'
          ? !['right', 'wrong', 'unparsed'].includes(status) || (positive ?? false) !== (status === 'right')
          : status !== 'ranked' || !Number.isFinite(reward),
      )
      return wrong < 0
        ? undefined
        : `The ${labeler.feedback} labeler says ${JSON.stringify(labels[wrong])} of ${JSON.stringify(candidates[wrong]!.text)}.`
    },
  ),

  labelerCheck('labeler/is-deterministic', 'The same candidates get the same labels.', async (labeler) => {
    const [first, second] = [await labeler.label(question, candidates), await labeler.label(question, candidates)]
    return isDeepStrictEqual(first, second) ? undefined : `First ${JSON.stringify(first)}, then ${JSON.stringify(second)}.`
  }),

  labelerCheck(
    'labeler/labels-belong-to-their-texts',
    'A label moves with its candidate when the order changes; right and wrong do not depend on the other candidates.',
    async (labeler) => {
      const labels = await labeler.label(question, candidates)
      const backwards = (await labeler.label(question, [...candidates].reverse())).toReversed()
      const moved = labels.findIndex((label, c) => !isDeepStrictEqual(label, backwards[c]))
      if (moved >= 0)
        return `Of ${JSON.stringify(candidates[moved]!.text)} it says ${JSON.stringify(labels[moved])}, in another order ${JSON.stringify(backwards[moved])}.`
      if (labeler.feedback === 'ranked') return undefined
      for (const [c, candidate] of candidates.entries()) {
        const [alone] = await labeler.label(question, [candidate])
        if (!isDeepStrictEqual(alone, labels[c]))
          return `Of ${JSON.stringify(candidate.text)} it says ${JSON.stringify(labels[c])}, alone ${JSON.stringify(alone)}.`
      }
      return undefined
    },
  ),

  labelerCheck(
    'labeler/takes-any-text',
    'No text makes it fail: a candidate without an answer is a label, not an error.',
    async (labeler) => {
      for (const text of ODD_TEXTS) {
        for (const whole of [true, false]) {
          const labels = await labeler.label(question, [{ text, complete: whole }])
          if (labels.length !== 1) return `Of ${JSON.stringify(text)} it says nothing.`
        }
      }
      return undefined
    },
  ),

  labelerCheck('labeler/leaves-its-input-alone', 'It changes nothing that it is given.', async (labeler) => {
    const [asked, of] = [candidates.map((c) => ({ ...c })), { ...question }]
    await labeler.label(of, asked)
    return isDeepStrictEqual(asked, candidates) && isDeepStrictEqual(of, question)
      ? undefined
      : `Afterwards the candidates are ${JSON.stringify(asked)}.`
  }),

  labelerCheck('labeler/tells-right-from-wrong', 'Texts whose status is known get that status.', async (labeler, subject) => {
    const known = subject.examples ?? (labeler.feedback === 'binary' ? examples : [])
    for (const { question: of, text, status } of known) {
      const [label] = await labeler.label(of, [complete(text)])
      if (label?.status !== status)
        return `Of ${JSON.stringify(text)}, where ${of.answer ?? 'no answer'} is expected, it says ${label?.status ?? 'nothing'} instead of ${status}.`
    }
    return undefined
  }),
]

/** Declares the conformance tests of a labeler. */
export function testLabeler({ factory, examples: known, ...options }: LabelerSubject & SuiteOptions): void {
  declareSuite(options.name ?? 'labeler', labelerChecks, { factory, examples: known }, options)
}

function labelerCheck(
  id: string,
  contract: string,
  problem: (labeler: Labeler, subject: LabelerSubject) => Promise<string | undefined>,
): Check<LabelerSubject> {
  return contractCheck(id, contract, async (subject) => problem(await subject.factory(), subject))
}
