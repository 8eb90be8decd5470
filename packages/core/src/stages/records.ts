import type { Generation } from '../seams/policy'
import type { CandidateText, Label } from '../seams/labeler'
import type { ThinkingTags } from '../seams/tokenizer'

/** A line of `samples.jsonl`: one question's distinct completions, with the tokens they were sampled as, or were given as texts. */
export interface SampledQuestion {
  readonly id: string
  /** Where the completions start; the boundary is never looked for again. */
  readonly promptTokens: readonly number[]
  /** Completions asked for (given, where they come from the data file), duplicates and empty ones included. */
  readonly sampled: number
  readonly candidates: readonly SampledCandidate[]
  /** What the label stage needs to find answers behind reasoning; absent for a plain prompt of a model that is not known to think. */
  readonly asked?: AskedAs
  /** The question's own chains, tokenised; none where they stand among the candidates. */
  readonly references: readonly { readonly text: string; readonly tokens: readonly number[]; readonly reward?: number }[]
}

/** How a question was put, where it may have opened the model's reasoning. */
export interface AskedAs {
  /** The last characters of the prompt's text. */
  readonly promptEnd: string
  /** The tags that the tokenizer knows of. */
  readonly thinking?: ThinkingTags
}

export interface SampledCandidate {
  /** Its index among the completions; the first one's where several are equal. */
  readonly candidate: number
  /** How many of the completions are exactly this one. */
  readonly times: number
  readonly text: string
  readonly tokens: readonly number[]
  readonly finish: Generation['finish']
  /** Its labels in the data file, where it comes from there. */
  readonly given?: CandidateText['given']
}

/** A line of the label stage's `groups.jsonl`: what alignment trains on. Sampled candidates first, then references; candidates of a data file in its order. */
export interface LabelledQuestion {
  readonly id: string
  readonly prompt: string
  readonly answer?: string
  readonly promptTokens: readonly number[]
  /** Completions sampled, duplicates and empty ones included. */
  readonly sampled: number
  /** Completions that were cut off at the length limit, duplicates included; what became of them is `sample.cutOff`'s. */
  readonly cutOff?: number
  /** Candidates with reasoning. */
  readonly thought?: number
  /** Candidates that end within their reasoning, and so hold no answer. */
  readonly unfinished?: number
  readonly candidates: readonly LabelledCandidate[]
}

export interface LabelledCandidate {
  readonly text: string
  readonly tokens: readonly number[]
  readonly reference?: true
  /** How many of the completions were exactly this one; absent for a reference that was added to them. */
  readonly times?: number
  readonly status: Label['status']
  readonly positive: boolean
  /** Larger is better; 1 and 0 for right and wrong. */
  readonly reward: number
  /** The final answer that was read from the text. */
  readonly given?: string
}

/** A line of `questions.jsonl`, beside `candidates.jsonl`: a test question as its data file has it. */
export interface AskedQuestion {
  readonly id: string
  /** Of a conversation, its last user message. */
  readonly prompt: string
  /** The expected final answer, where it is known. */
  readonly answer?: string
}

/** A line of `candidates.jsonl`: what every model's assessment is measured on. */
export interface TestQuestion {
  readonly id: string
  readonly promptTokens: readonly number[]
  readonly candidates: readonly TestCandidate[]
}

export interface TestCandidate {
  readonly text: string
  readonly tokens: readonly number[]
  readonly positive: boolean
  /** Where the candidates are ranked, and not right or wrong. */
  readonly reward?: number
}

/** Whether any labels say right and wrong; of ranked candidates there are no positives and negatives. */
export const isRanked = (candidates: readonly TestCandidate[]): boolean => candidates.some(({ reward }) => reward !== undefined)

/** Whether a label says that an answer is right. */
export const isRight = ({ positive, status }: Label): boolean => positive ?? status === 'right'

/** A line of `answers.jsonl`: the greedy answer to one test question. */
export interface Answer {
  readonly id: string
  readonly text: string
  readonly status: Label['status']
  readonly right: boolean
  readonly given?: string
}

/** A line of `scores.jsonl`: s_c of the test candidates under the model. */
export interface ScoredQuestion {
  readonly id: string
  readonly scores: readonly number[]
}
