import { AnswerLabeler, answerOptions, definePlugin, type CandidateText, type Label, type Labeler, type Question } from '@plumbline/core'
import { z } from 'zod'

const EQUATION = /(?<![\w.])(\d+) ([-+*/]) (\d+) = (\d+)(?![\w.])/g

/** Of the equations of a chain, the fraction that hold; 0 where there is none. */
export function fractionThatHolds(text: string): number {
  const equations = [...text.matchAll(EQUATION)]
  const right = equations.filter(([, left, operator, of, result]) => {
    const [a, b] = [Number(left), Number(of)]
    const value = operator === '+' ? a + b : operator === '-' ? a - b : operator === '*' ? a * b : a / b
    return value === Number(result)
  })
  return equations.length === 0 ? 0 : right.length / equations.length
}

/**
 * Ranked feedback: a chain with the right answer is worth 1, one with a wrong answer half the fraction of its equations that hold. So a
 * chain that reads the question wrongly and works it out rightly stands above one that cannot add.
 */
class StepsLabeler implements Labeler {
  readonly name = 'steps'
  readonly feedback = 'ranked'
  private readonly answer = new AnswerLabeler(answerOptions.parse({}))

  async label(question: Question, candidates: readonly CandidateText[]): Promise<readonly Label[]> {
    const labels = await this.answer.label(question, candidates)
    return candidates.map(({ text }, c): Label => {
      const isRight = labels[c]?.status === 'right'
      return { status: 'ranked', positive: isRight, reward: isRight ? 1 : fractionThatHolds(text) / 2 }
    })
  }
}

export default definePlugin({
  name: 'paper-steps',
  apiVersion: 1,
  register: (registry) => registry.labeler('steps', { options: z.strictObject({}), create: () => new StepsLabeler() }),
})
