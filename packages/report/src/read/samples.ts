import { streamLines, type LabelledQuestion, type SampledQuestion, type TestQuestion } from '@plumbline/core'
import { artifact, type FoundStage } from './stages'

/** What the figures of the manifests do not say of samples. */
export interface SampleFigures {
  /** Tokens of all completions, repeated ones each time; of given candidates their tokens. */
  readonly tokens: number
  readonly promptTokens: number
  /** Tokens of each distinct completion. */
  readonly lengths: readonly number[]
}

export async function sampleFigures(sample: FoundStage): Promise<SampleFigures | undefined> {
  const file = await artifact(sample, 'samples.jsonl')
  if (file === undefined) return undefined
  let [tokens, promptTokens] = [0, 0]
  const lengths: number[] = []
  for await (const question of streamLines<SampledQuestion>(file)) {
    promptTokens += question.promptTokens.length
    for (const candidate of question.candidates) {
      tokens += candidate.tokens.length * candidate.times
      lengths.push(candidate.tokens.length)
    }
  }
  return { tokens, promptTokens, lengths }
}

/** How many of a question's completions are right, of how many; repeated ones each time, references not. Undefined of ranked candidates. */
export interface Difficulty {
  readonly right: number
  readonly of: number
}

export async function difficulties(label: FoundStage): Promise<readonly Difficulty[] | undefined> {
  const file = await artifact(label, 'groups.jsonl')
  if (file === undefined) return undefined
  const found: Difficulty[] = []
  for await (const { candidates } of streamLines<LabelledQuestion>(file)) {
    const own = candidates.filter(({ times }) => times !== undefined)
    if (own.some(({ status }) => status === 'ranked')) return undefined
    const count = (of: typeof own) => of.reduce((sum, { times = 1 }) => sum + times, 0)
    found.push({ right: count(own.filter(({ positive }) => positive)), of: count(own) })
  }
  return found
}

/** Tokens of the test candidates, each distinct one once. */
export async function candidateTokens(candidates: FoundStage): Promise<number> {
  const file = await artifact(candidates, 'candidates.jsonl')
  if (file === undefined) return 0
  let tokens = 0
  for await (const question of streamLines<TestQuestion>(file))
    for (const candidate of question.candidates) tokens += candidate.tokens.length
  return tokens
}
