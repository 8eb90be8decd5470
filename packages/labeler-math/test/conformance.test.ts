import { testLabeler } from '@plumbline/conformance'
import { answerOptions } from '@plumbline/core'
import { MathLabeler } from '../src'

const question = { id: 'diagonal', prompt: 'How long is the diagonal of a square of side 1/√2 … ?', answer: '\\frac{\\sqrt{2}}{2}' }

testLabeler({
  name: 'math',
  factory: () => new MathLabeler(answerOptions.parse({})),
  examples: [
    { question, text: 'It is $\\boxed{\\frac{1}{\\sqrt{2}}}$.', status: 'right' },
    { question, text: 'The answer is $\\sqrt{2}$.', status: 'wrong' },
    { question, text: 'The answer is $\\sqrt{2}/2$ or $\\sqrt{2}$.', status: 'unparsed' },
    { question, text: 'Nobody knows.', status: 'unparsed' },
  ],
})
