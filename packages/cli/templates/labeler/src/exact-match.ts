import type { CandidateText, Label, Labeler, Question } from '@plumbline/core'
import { z } from 'zod'

export const exactMatchOptions = z.strictObject({
  marker: z.string().min(1).default('####').describe('The final answer stands behind the last of these.'),
  ignoreCase: z.boolean().default(true).describe('Take "Yes" for "yes".'),
})

/** Right is a candidate whose final answer is the question's, white space aside. One without an answer is `unparsed`, which counts as wrong. */
export class ExactMatch implements Labeler {
  readonly name = 'template-name'
  readonly feedback = 'binary'

  constructor(private readonly options: z.output<typeof exactMatchOptions> = exactMatchOptions.parse({})) {}

  /** One label per candidate, in order. Must not depend on the other candidates, on the time, or on anything random. */
  async label({ answer }: Question, candidates: readonly CandidateText[]): Promise<readonly Label[]> {
    return candidates.map((candidate) => this.one(candidate, answer))
  }

  private one({ text }: CandidateText, expected: string | undefined): Label {
    const at = text.lastIndexOf(this.options.marker)
    const found = at < 0 ? '' : this.normal(text.slice(at + this.options.marker.length).split('\n')[0] ?? '')
    if (found === '') return { status: 'unparsed', positive: false }
    const positive = expected !== undefined && found === this.normal(expected)
    return { status: positive ? 'right' : 'wrong', positive, answer: found }
  }

  private normal(text: string): string {
    const trimmed = text.trim().replace(/\s+/g, ' ')
    return this.options.ignoreCase ? trimmed.toLowerCase() : trimmed
  }
}
