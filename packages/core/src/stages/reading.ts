import type { PromptConfig } from '../config/schema'
import { renderPrompt } from '../prompt/render'
import { opensThinking, splitThinking, thinkingTags } from '../prompt/thinking'
import type { Generation } from '../seams/policy'
import type { CandidateText } from '../seams/labeler'
import type { GroupRecord } from '../seams/records'
import type { ThinkingTags, Tokenizer } from '../seams/tokenizer'
import type { Encoder } from './encoding'
import type { AskedAs } from './records'

const SHOWN = 64

/** What labelling needs to know of how a question was put; see `SampledQuestion.asked`. */
export function askedAs(encoder: Encoder, record: GroupRecord): AskedAs | undefined {
  const { thinking } = encoder.model.tokenizer
  const shown = thinking?.every((tag) => isShown(encoder.model.tokenizer, tag)) ? thinking : undefined
  const asked = encoder.asked(record)
  if (asked === undefined || (shown === undefined && !asked.isChat)) return undefined
  return { promptEnd: asked.text.slice(-SHOWN), ...(shown === undefined ? {} : { thinking: shown }) }
}

/** Whether a tag stands in texts: a special token does not. */
export function isShown(tokenizer: Tokenizer, tag: string): boolean {
  return tokenizer.decode(tokenizer.encode(tag)).includes(tag)
}

/** Finds the answers in completions of one question, as labelers are shown them. */
export class AnswerReader {
  private readonly tags: ThinkingTags | undefined
  private readonly isOpen: boolean

  constructor(prompt: PromptConfig, record: GroupRecord, asked: AskedAs | undefined) {
    this.tags = thinkingTags(prompt, asked?.thinking)
    // without a chat template the text of a prompt is the configuration's alone
    this.isOpen = this.tags !== undefined && opensThinking(asked?.promptEnd ?? renderPrompt(record, prompt).text, this.tags)
  }

  /** What a model wrote behind the prompt. */
  sampled({ text, finish }: Pick<Generation, 'text' | 'finish'>): CandidateText {
    return this.read(text, finish !== 'length', this.isOpen)
  }

  /** A text of the data, which stands behind the prompt as a whole. */
  written(text: string, complete = true): CandidateText {
    return this.read(text, complete, false)
  }

  private read(text: string, complete: boolean, isOpen: boolean): CandidateText {
    if (this.tags === undefined) return { text, complete }
    const { answer, reasoning, isFinished } = splitThinking(text, this.tags, isOpen)
    if (reasoning === undefined) return { text: answer, complete }
    return { text: answer, reasoning, complete: complete && isFinished }
  }
}

/** Whether a text ends within its reasoning, and so says nothing. */
export const isUnfinishedThought = ({ text, reasoning, complete }: CandidateText): boolean =>
  !complete && reasoning !== undefined && text === ''
