import { describe, it } from 'node:test'
import { testReader } from '@plumbline/conformance'
import { qaTextReader } from '../src/index'

testReader({
  factory: () => qaTextReader(),
  good: {
    name: 'sums.txt',
    content: 'Q: What is 2 + 3?\nA: Two and three are five.\n#### 5\n\nQ: What is 4 + 4?\nA: #### 8\n',
    records: 2,
  },
  bad: { name: 'broken.txt', content: 'Q: What is 2 + 3?\nA: #### 5\nQ: What is 4 + 4?\n', line: 3 },
  describe,
  it,
})
