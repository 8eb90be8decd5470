import { streamLines, type Answer, type AskedQuestion, type ScoredQuestion, type TestQuestion } from '@plumbline/core'
import type { TestLineage } from './lineage'
import { artifact } from './stages'

/** What changed for a question, of all variants the first that applies. */
export const CHANGES = ['right→wrong', 'wrong→right', 'wrong', 'right', 'unasked'] as const
export type Change = (typeof CHANGES)[number]

/** One test question, as far as figures need it. */
export interface Marks {
  readonly id: string
  readonly set?: string
  /** Of the candidates. */
  readonly positive: readonly boolean[]
  /** How good each candidate is, where that is what is known. */
  readonly rewards?: readonly number[]
  /** [models][candidates], nats per token; of a model that was not evaluated none. */
  readonly scores: readonly (readonly number[] | undefined)[]
  /** [models] whether the greedy answer is right; undefined where there is none. */
  readonly right: readonly (boolean | undefined)[]
}

/** The texts of a question. */
export interface Shown {
  readonly marks: Marks
  /** Absent in runs of versions that did not keep it. */
  readonly prompt?: string
  readonly expected?: string
  readonly candidates: readonly string[]
  readonly answers: readonly (Answer | undefined)[]
}

/** Marks of all questions of all test sets, in the order of the files. `models`: names, stage 1 first. */
export async function marksOf(tests: readonly TestLineage[], models: readonly string[]): Promise<Marks[]> {
  const all: Marks[] = []
  for (const test of tests) {
    const places = new Map<string, Marks>()
    const scores = new Map<string, (readonly number[] | undefined)[]>()
    const right = new Map<string, (boolean | undefined)[]>()
    const nothing = () => models.map(() => undefined)
    const file = test.candidates && (await artifact(test.candidates, 'candidates.jsonl'))
    for await (const { id, candidates } of lines<TestQuestion>(file)) {
      const isRanked = candidates.some(({ reward }) => reward !== undefined)
      scores.set(id, nothing())
      right.set(id, nothing())
      const [ofScores, ofAnswers] = [scores.get(id) ?? [], right.get(id) ?? []]
      const rewards = isRanked ? { rewards: candidates.map(({ reward = 0 }) => reward) } : {}
      places.set(id, {
        id,
        set: test.set,
        positive: candidates.map(({ positive }) => positive),
        ...rewards,
        scores: ofScores,
        right: ofAnswers,
      })
    }
    for (const [m, name] of models.entries()) {
      const evaluation = test.evaluations.get(name)
      if (evaluation?.manifest === undefined) continue
      for await (const { id, scores: own } of lines<ScoredQuestion>(await artifact(evaluation, 'scores.jsonl'))) {
        const of = scores.get(id)
        if (of) of[m] = own
      }
      for await (const answer of lines<Answer>(await artifact(evaluation, 'answers.jsonl'))) {
        // a question without a candidate has an answer all the same
        if (!places.has(answer.id)) {
          right.set(answer.id, nothing())
          places.set(answer.id, { id: answer.id, set: test.set, positive: [], scores: nothing(), right: right.get(answer.id) ?? [] })
        }
        const of = right.get(answer.id)
        if (of) of[m] = answer.right
      }
    }
    // one at a time: there may be more than a call takes arguments
    for (const marks of places.values()) all.push(marks)
  }
  return all
}

/** What became of the answer of stage 1 (`right[0]`) in a variant. */
export function changeOf({ right: [before] }: Marks, after: boolean | undefined): Change {
  if (before === undefined || after === undefined) return 'unasked'
  if (before === after) return after ? 'right' : 'wrong'
  return before ? 'right→wrong' : 'wrong→right'
}

/** The first change that any variant shows; of a run without variants whether stage 1 is right. */
export function overallChange(marks: Marks): Change {
  const [before, ...after] = marks.right
  const seen = (after.length === 0 ? [before] : after).map((each) => changeOf(marks, each))
  return CHANGES.find((change) => seen.includes(change)) ?? 'unasked'
}

/** The questions to show, changed ones first, at most so many; within one kind in the order of the files. */
export function chosen(all: readonly Marks[], most: number): Marks[] {
  const kinds = all.map(overallChange)
  return CHANGES.flatMap((change) => all.filter((_, q) => kinds[q] === change)).slice(0, most)
}

/** The texts of some questions, in their order. */
export async function textsOf(tests: readonly TestLineage[], models: readonly string[], questions: readonly Marks[]): Promise<Shown[]> {
  const texts = new Map<Marks, Mutable>()
  for (const test of tests) {
    const own = new Map(questions.filter(({ set }) => set === test.set).map((marks) => [marks.id, marks]))
    for (const marks of own.values()) texts.set(marks, { candidates: [], answers: models.map(() => undefined) })
    const of = (id: string): Mutable | undefined => {
      const marks = own.get(id)
      return marks && texts.get(marks)
    }
    const file = async (name: string) => test.candidates && artifact(test.candidates, name)
    for await (const { id, candidates } of lines<TestQuestion>(await file('candidates.jsonl'))) {
      Object.assign(of(id) ?? {}, { candidates: candidates.map(({ text }) => text) })
    }
    for await (const { id, prompt, answer } of lines<AskedQuestion>(await file('questions.jsonl'))) {
      Object.assign(of(id) ?? {}, { prompt, expected: answer })
    }
    for (const [m, name] of models.entries()) {
      const evaluation = test.evaluations.get(name)
      if (evaluation?.manifest === undefined) continue
      for await (const answer of lines<Answer>(await artifact(evaluation, 'answers.jsonl'))) {
        const shown = of(answer.id)
        if (shown) shown.answers[m] = answer
      }
    }
  }
  return questions.map((marks) => ({ candidates: [], answers: [], ...texts.get(marks), marks }))
}

interface Mutable {
  prompt?: string
  expected?: string
  candidates: string[]
  answers: (Answer | undefined)[]
}

async function* lines<T>(file: string | undefined): AsyncGenerator<T> {
  if (file !== undefined) yield* streamLines<T>(file)
}
