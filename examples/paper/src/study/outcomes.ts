import { existsSync } from 'node:fs'
import path from 'node:path'
import { assessmentAccuracy, streamLines, type Answer, type ScoredQuestion, type TestQuestion } from '@plumbline/core'

/** What is measured of a model on one test question. */
export interface Measured {
  readonly right: number
  /** 1 where no final answer was found, or an equation or a step stands three times in the answer. */
  readonly degenerate: number
  /** Fraction of (right, wrong) pairs of the test candidates that are in order; absent where there are not both. */
  readonly assessment?: number
  /** 1 where a wrong candidate is likelier than every right one; absent where there are not both. */
  readonly misled?: number
  /** Mean of −s_c over the wrong candidates, nats a token: the logarithm of their perplexity. Absent where there is none. */
  readonly negatives?: number
  /** The same of the right ones. */
  readonly positives?: number
}

export type Figure = keyof Measured

/** Of one test set, by question. */
export type MeasuredSet = ReadonlyMap<string, Measured>

/**
 * Reads what an evaluation left.
 *
 * @param candidates the stage folder with the test candidates
 * @param evaluation the stage folder with answers and scores
 */
export async function measured(candidates: string, evaluation: string): Promise<MeasuredSet> {
  const assessed = new Map<string, Omit<Measured, 'right' | 'degenerate'>>()
  const scores = new Map<string, readonly number[]>()
  for await (const line of streamLines<ScoredQuestion>(path.join(evaluation, 'scores.jsonl'))) scores.set(line.id, line.scores)
  for await (const question of streamLines<TestQuestion>(path.join(candidates, 'candidates.jsonl'))) {
    assessed.set(question.id, assessmentOf(question, scores.get(question.id) ?? []))
  }
  const all = new Map<string, Measured>()
  for await (const { id, right, status, text } of streamLines<Answer>(path.join(evaluation, 'answers.jsonl'))) {
    all.set(id, { right: Number(right), degenerate: Number(status === 'unparsed' || repeatsItself(text)), ...assessed.get(id) })
  }
  return all
}

function assessmentOf({ candidates }: TestQuestion, scores: readonly number[]): Omit<Measured, 'right' | 'degenerate'> {
  const of = (wanted: boolean) => scores.filter((_, c) => candidates[c]?.positive === wanted)
  const [right, wrong] = [of(true), of(false)]
  const assessment = assessmentAccuracy([{ scores, positive: candidates.map(({ positive }) => positive) }])
  return {
    ...(assessment === undefined ? {} : { assessment, misled: Number(Math.max(...wrong) > Math.max(...right)) }),
    ...(wrong.length === 0 ? {} : { negatives: -mean(wrong) }),
    ...(right.length === 0 ? {} : { positives: -mean(right) }),
  }
}

/** Whether a step of the chain stands in it three times. */
export function repeatsItself(text: string): boolean {
  const counts = new Map<string, number>()
  for (const step of text.split(' ; ').map((each) => each.trim())) counts.set(step, (counts.get(step) ?? 0) + 1)
  return [...counts].some(([step, count]) => step !== '' && count >= 3)
}

/** Means of each figure over the questions that have it. */
export function meansOf(set: MeasuredSet): Partial<Record<Figure, number>> {
  const figures: readonly Figure[] = ['right', 'degenerate', 'assessment', 'misled', 'negatives', 'positives']
  return Object.fromEntries(
    figures.flatMap((figure) => {
      const values = [...set.values()].flatMap((question) => question[figure] ?? [])
      return values.length === 0 ? [] : [[figure, mean(values)] as const]
    }),
  )
}

/** A curve of a training: the mean score of wrong candidates in each step's batch. */
export interface Point {
  readonly step: number
  readonly negative: number
}

export async function curveOf(stage: string): Promise<readonly Point[]> {
  const file = path.join(stage, 'metrics.jsonl')
  if (!existsSync(file)) return []
  const points: Point[] = []
  for await (const line of streamLines<Record<string, number>>(file)) {
    const { step, 'score/negative': negative } = line
    if (step !== undefined && negative !== undefined) points.push({ step, negative })
  }
  return points
}

export const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
