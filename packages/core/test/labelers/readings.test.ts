import { AnswerLabeler, answerOptions } from '../../src/labelers/answer'
import { READINGS } from './readings'

const labeler = new AnswerLabeler(answerOptions.parse({}))

async function status(text: string, answer: string): Promise<string> {
  const [label] = await labeler.label({ id: 'q', prompt: '?', answer }, [{ text, complete: true }])
  return label?.status ?? 'none'
}

describe.each(Object.entries(READINGS))('%s', (_, readings) => {
  test.each(readings)('%j against %j is %s', async (text, expected, wanted) => {
    expect(await status(text, expected)).toBe(wanted)
  })
})

describe('an answer is read the same way on both sides', () => {
  const answers = Object.values(READINGS).flatMap((readings) => readings.map(([, expected]) => expected))
  test.each([...new Set(answers)])('%j is right against itself', async (answer) => {
    expect(await status(`#### ${answer}`, answer)).toBe('right')
  })
})
