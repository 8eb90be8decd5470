import { AnswerLabeler, answerOptions } from '../../src/labelers/answer'
import { MORE_READINGS } from './more-readings'

const OPTIONS = 'Which colour?\n(A) green\n(B) red\n(C) blue\n(D) white\n(I) black'

describe.each(Object.entries(MORE_READINGS))('further texts: %s', (kind, readings) => {
  const labeler = new AnswerLabeler(answerOptions.parse({}))
  const prompt = kind.startsWith('letters') ? OPTIONS : 'How many?'

  it.each(readings)('%j against %j is %s', async (text, expected, statuses) => {
    const [label] = await labeler.label({ id: 'q', prompt, answer: expected }, [{ text, complete: true }])
    expect(statuses.split('|')).toContain(label?.status)
  })
})
