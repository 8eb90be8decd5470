import { AnswerLabeler, answerOptions } from '../../src/labelers/answer'

/** What a model that has fallen apart writes without end; each piece is repeated to the length asked for. */
const PIECES = [
  ...[
    'a',
    ' ',
    '1',
    '1 ',
    '1,',
    '1.',
    '1/',
    "1'",
    '1_',
    '-',
    '--',
    '(',
    ')',
    '((',
    '{',
    '}',
    '[',
    '#',
    '#### ',
    '####\n',
    '#### 1 ',
    '#### Step 1: ',
    '\n',
    '\t',
  ],
  ...[
    '\\boxed{',
    '\\boxed{}',
    '\\boxed ',
    '\\boxed 1',
    '{}',
    '{\\boxed{1}',
    '\\frac',
    '\\frac{',
    '\\frac{1}{',
    '\\text{',
    '\\text{a',
    '\\',
    '\\\\',
    '$',
    '$1',
    '$$',
  ],
  ...[
    'answer',
    'answer ',
    'answer is ',
    'answer: ',
    'answer to ',
    'answer*',
    'the answer is 1 ',
    'the answer is 1. ',
    '答案',
    'Answer\n',
    '**',
    '**Answer**\n',
    '*',
    '*1',
    '_',
    '_1_',
    '`',
  ],
  ...[
    '(A)',
    '(A) ',
    'A ',
    'A or ',
    'not A, ',
    'A) ',
    'so A ',
    'option ',
    'because ',
    'so ',
    'so 1 ',
    'therefore',
    '= ',
    '1 = ',
    '=',
    '1^',
    '2^2^',
    '10^',
    '1e',
    '1e9',
    '9',
  ],
  ...[
    '½',
    '1½',
    '１',
    '，',
    '%',
    '1%',
    '1 million ',
    'not ',
    'or ',
    '1 or ',
    'x ',
    'x1',
    'x 1',
    '.',
    ', ',
    '. ',
    '!',
    '?',
    "n't ",
    '🙂',
    '\u0301',
    'ﷺ',
    '\ud83d',
    '\u00a0',
    '\u202f1',
    '<b>',
    '<sup>',
    '<<',
  ],
]
const SHAPES: readonly ((filler: string) => string)[] = [
  (filler) => `${filler} `,
  (filler) => `#### ${filler}`,
  (filler) => `The answer is ${filler}`,
  (filler) => `\\boxed{${filler}} `,
  (filler) => `= 2${filler}1`,
]
const LABELER = new AnswerLabeler(answerOptions.parse({ fallback: 'last-number' }))

async function labelTwice(text: string): Promise<void> {
  for (const answer of ['72', '(B)']) {
    await LABELER.label({ id: 'q', prompt: '(A) 1\n(B) 2', answer }, [{ text, complete: false }])
  }
}

// A quadratic step over 100 kB takes several seconds; a linear one some milliseconds.
test.each(PIECES.map((piece) => [piece]))('%j repeated to 100 kB is labelled within a second', async (piece) => {
  let longest = 0
  for (const shape of SHAPES) {
    const text = shape(piece.repeat(Math.ceil(100_000 / piece.length)))
    const start = process.cpuUsage().user
    await labelTwice(text)
    longest = Math.max(longest, (process.cpuUsage().user - start) / 2 / 1000)
  }
  expect(longest).toBeLessThan(1000)
})

test('what is expected may be as long', async () => {
  const labeler = new AnswerLabeler(answerOptions.parse({}))
  const [label] = await labeler.label({ id: 'q', prompt: '?', answer: '1 '.repeat(50_000) }, [{ text: '#### 1', complete: true }])
  expect(label?.positive).toBe(false)
})

describe('patterns of the configuration', () => {
  test.each(['(a+)+$', '(a|aa)+$', '(.*)*x', '^(\\w+\\s?)*$', '(a*)*b'])('%j cannot blow up', async (pattern) => {
    const labeler = new AnswerLabeler(answerOptions.parse({ patterns: [pattern] }))
    const start = process.cpuUsage().user
    await labeler.label({ id: 'q', prompt: '?', answer: '5' }, [{ text: `${'a'.repeat(20_000)}!`, complete: true }])
    expect((process.cpuUsage().user - start) / 1000).toBeLessThan(2000)
  })

  test.each(['(?=a)b', '(?!a)b', '(a)\\1'])('%j needs backtracking and is refused by name', (pattern) => {
    const { error } = answerOptions.safeParse({ patterns: [pattern] })
    expect(error?.issues[0]?.message).toContain(JSON.stringify(pattern))
    expect(error?.issues[0]?.message).toMatch(/without look-ahead and back-references/)
  })

  test.each<[string, string]>([
    ['(?<=Result: )\\d+', '7'],
    ['^Result: (\\d+)$', '7'],
    ['Result: (?<value>\\d+)', '7'],
    ['\\u0052esult: ([^\\s]+)', '7'],
  ])('%j is read as JavaScript reads it', async (pattern, answer) => {
    const labeler = new AnswerLabeler(answerOptions.parse({ patterns: [pattern] }))
    const [label] = await labeler.label({ id: 'q', prompt: '?', answer }, [{ text: 'Result: 3\nno\nResult: 7', complete: true }])
    expect(label).toMatchObject({ status: 'right', answer: '7' })
  })
})
