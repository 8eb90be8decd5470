import type { CandidateText, Label, Labeler } from '@plumbline/core'

/** A labeler with one thing wrong, and the check that must say so. */
export interface PlantedLabeler {
  readonly name: string
  readonly caughtBy: string
  readonly factory: () => Labeler
}

/** A sound labeler of final answers, as small as it gets: the last number of the text, behind `####` or not. */
export class LastNumberLabeler implements Labeler {
  readonly name: string = 'last-number'
  readonly feedback = 'binary'

  async label({ answer }: { readonly answer?: string }, candidates: readonly CandidateText[]): Promise<readonly Label[]> {
    return candidates.map(({ text }) => this.one(text, answer))
  }

  protected one(text: string, expected?: string): Label {
    const found = text.match(/-?\d+/g)?.at(-1)
    if (found === undefined) return { status: 'unparsed', positive: false }
    const positive = found === expected
    return { status: positive ? 'right' : 'wrong', positive, answer: found }
  }
}

function planted(name: string, caughtBy: string, label: Labeler['label']): PlantedLabeler {
  return { name, caughtBy, factory: () => ({ name, feedback: 'binary', label }) }
}

const sound = new LastNumberLabeler()

export const plantedLabelers: readonly PlantedLabeler[] = [
  planted('skips-unparsed', 'labeler/one-label-per-candidate', async (question, candidates) =>
    (await sound.label(question, candidates)).filter(({ status }) => status !== 'unparsed'),
  ),
  planted('right-but-not-positive', 'labeler/labels-fit-the-feedback', async (question, candidates) =>
    (await sound.label(question, candidates)).map((label) => ({ ...label, positive: undefined })),
  ),
  planted('hidden-randomness', 'labeler/is-deterministic', async (question, candidates) =>
    (await sound.label(question, candidates)).map((label) => ({ ...label, answer: String(Math.random()) })),
  ),
  planted('duplicates-are-wrong', 'labeler/labels-belong-to-their-texts', async (question, candidates) => {
    const labels = await sound.label(question, candidates)
    return labels.map((label, c): Label => {
      const seen = candidates.slice(0, c).some(({ text }) => text === candidates[c]!.text)
      return seen ? { status: 'wrong', positive: false } : label
    })
  }),
  planted('needs-an-answer', 'labeler/takes-any-text', async (question, candidates) => {
    for (const { text } of candidates) if (text.trim() === '') throw new Error('empty text')
    return sound.label(question, candidates)
  }),
  planted('sorts-in-place', 'labeler/leaves-its-input-alone', async (question, candidates) => {
    ;(candidates as CandidateText[]).sort((a, b) => a.text.length - b.text.length)
    return sound.label(question, candidates)
  }),
  planted('looks-for-the-answer-anywhere', 'labeler/tells-right-from-wrong', async ({ answer = '' }, candidates) =>
    candidates.map(({ text }): Label => {
      const positive = /\d/.test(text) && (text.includes(answer) || text.includes('48'))
      return { status: positive ? 'right' : 'wrong', positive }
    }),
  ),
]
