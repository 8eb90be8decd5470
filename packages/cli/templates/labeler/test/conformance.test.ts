import { describe, it } from 'node:test'
import { testLabeler } from '@plumbline/conformance'
import { ExactMatch } from '../src/index'

const question = { id: 'capital', prompt: 'What is the capital of France?', answer: 'Paris' }

testLabeler({
  factory: () => new ExactMatch(),
  examples: [
    { question, text: 'France is a country, and its capital is #### paris', status: 'right' },
    { question, text: '#### Paris, I think', status: 'wrong' },
    { question, text: 'first #### Lyon, or rather\n####  Paris \nfor sure', status: 'right' },
    { question, text: 'That would be Paris.', status: 'unparsed' },
    { question, text: '####', status: 'unparsed' },
  ],
  describe,
  it,
})
