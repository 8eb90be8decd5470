import { AnswerLabeler, answerOptions } from '../../src/labelers/answer'

type Status = 'right' | 'wrong' | 'unparsed'
/** text, expected answer, status, and the answer as it is read */
type Case = readonly [text: string, expected: string, status: Status, read?: string]

async function label(text: string, expected: string, options: object = {}, complete = true) {
  const labeler = new AnswerLabeler(answerOptions.parse(options))
  const [result] = await labeler.label({ id: 'q', prompt: '?', answer: expected }, [{ text, complete }])
  return result!
}

function table(title: string, cases: readonly Case[], options: object = {}, complete = true) {
  describe(title, () => {
    // One argument: jest would take a fourth parameter that a row leaves empty for its `done` callback.
    test.each(cases.map((row) => [row]))('%j', async ([text, expected, status, read]) => {
      const result = await label(text, expected, options, complete)
      expect(result.status).toBe(status)
      expect(result.positive).toBe(status === 'right')
      if (read !== undefined) expect(result.answer).toBe(read)
    })
  })
}

table('#### as GSM8K writes it', [
  ['48/2 = 24\n48+24 = 72\n#### 72', '72', 'right', '72'],
  ['#### 72', '73', 'wrong', '72'],
  ['####72', '72', 'right'],
  ['####   72   ', '72', 'right'],
  ['#### 72\n', '72', 'right'],
  ['#### 72\r\nmore', '72', 'right'],
  ['6 * 5 = 30 ; 32 + 30 = 62 #### 62', '62', 'right'],
  ['#### 5\nNo, wait.\n#### 7', '7', 'right'],
  ['#### 7\nNo, wait.\n#### 5', '7', 'wrong', '5'],
  ['#### 72\nQuestion: What is 3 + 4?', '72', 'right'],
  ['#### 72.', '72', 'right'],
  ['#### 72 apples', '72', 'right'],
  ['#### **72**', '72', 'right'],
  ['#### x = 72', '72', 'right', '72'],
  ['#### 30 + 42 = 72', '72', 'right'],
  ['#### 30 + 42', '30', 'wrong'],
  ['#### The answer is 72', '72', 'right'],
  ['####\n72', '72', 'right'],
  ['#### seventy-two', '72', 'wrong', 'seventy-two'],
  ['####', '72', 'unparsed'],
  ['### 72', '72', 'unparsed'],
  ['The answer is 5.\n#### 6', '6', 'right'],
  ['\\boxed{5}\n#### 6', '5', 'wrong', '6'],
])

table('numbers, compared exactly', [
  ['#### 72', '72.0', 'right'],
  ['#### 72.00', '72', 'right', '72'],
  ['#### 072', '72', 'right', '72'],
  ['#### 0.3', '0.30', 'right', '0.3'],
  ['#### 0.30000000000000004', '0.3', 'wrong'],
  ['#### 9007199254740993', '9007199254740992', 'wrong', '9007199254740993'],
  ['#### .5', '0.5', 'right', '0.5'],
  ['#### 1,234', '1234', 'right', '1234'],
  ['#### 1234', '1,234', 'right'],
  ['#### 1,234,567.89', '1234567.89', 'right'],
  ['#### 1,00,000', '100000', 'right'],
  ['#### 12,34', '12', 'wrong'],
  ['#### 1, 2 and 3', '1', 'unparsed'],
  ['#### 1,2,3', '1', 'wrong'],
  ['#### 1.2.3', '1.2', 'wrong'],
  ['#### -5', '-5', 'right', '-5'],
  ['#### −5', '-5', 'right', '-5'],
  ['#### - 5', '-5', 'right'],
  ['#### 5', '-5', 'wrong'],
  ['#### +5', '5', 'right'],
  ['#### 1e3', '1000', 'right', '1000'],
  ['#### 2.5E-1', '0.25', 'right'],
  ['#### 1/2', '0.5', 'right', '0.5'],
  ['#### 2/4', '1/2', 'right'],
  ['#### 1/3', '0.333', 'wrong', '1/3'],
  ['#### 1/3', '1/3', 'right'],
  ['#### 1 1/2', '1.5', 'right'],
  ['#### 1½', '3/2', 'right'],
  ['#### -3/4', '-0.75', 'right'],
  ['#### 5/0', '5', 'wrong'],
  ['#### 0', '-0', 'right', '0'],
  ['#### 10:30', '10', 'wrong'],
  ['#### 10:30', '10:30', 'right'],
  ['#### 10-15', '10', 'wrong'],
  ['#### 2^5', '2', 'wrong'],
  ['#### 2x', '2', 'wrong', '2x'],
  ['#### 2x', '2x', 'right'],
  ['#### Q3 brings 40', '40', 'right'],
  ['#### 3 million', '3000000', 'right'],
  ['#### $1.5 million', '1,500,000', 'right'],
  ['#### (2, 3)', '2', 'wrong'],
  ['#### (2, 3)', '(2,  3)', 'right'],
])

table('currency and units', [
  ['#### $72', '72', 'right', '72'],
  ['#### 72', '$72', 'right'],
  ['#### $1,234.50', '1234.5', 'right', '1234.5'],
  ['#### -$5', '-5', 'right'],
  ['#### $-5', '-5', 'right'],
  ['#### €3.20', '3.2', 'right'],
  ['#### US$ 12', '12', 'right'],
  ['#### 12 USD', '12', 'right'],
  ['#### Rs. 500', '500', 'right'],
  ['#### 15%', '15', 'right', '15'],
  ['#### 15 percent', '15%', 'right'],
  ['#### 15%', '0.15', 'wrong'],
  ['#### 5km', '5', 'right'],
  ['#### 5 km/h', '5 km', 'right'],
  ['#### 5 m', '5m', 'right'],
  ['#### 90°', '90', 'right'],
  ['#### 72 apples', '72 pears', 'right'],
  ['#### about 72 dollars', '72', 'right'],
])

table('phrases', [
  ['So the answer is 72.', '72', 'right', '72'],
  ['The final answer is: 72', '72', 'right'],
  ['The answer is $3.50.', '3.5', 'right'],
  ['The answer is 3.5, because it is.', '3.5', 'right'],
  ['The answer is that there are 72 apples left.', '72', 'right'],
  ['Answer: 72', '72', 'right'],
  ['**Answer:** 72', '72', 'right'],
  ['The answer is **72**.', '72', 'right'],
  ['answer = 72', '72', 'right'],
  ['The answer to the first question is 72.', '72', 'right'],
  ['The answer is 5. No: the answer is 7.', '7', 'right'],
  ['The answer is:\n72 apples', '72', 'right'],
  ['The answer is 3 + 4 = 7.', '7', 'right'],
  ['The answers are 7', '7', 'right'],
  ['The answer is 72. I hope this answer is helpful.', '72', 'right'],
  ['The answer is unknown.', '72', 'wrong', 'unknown'],
  ['#### Conclusion\nThe answer is 72.', '72', 'right'],
  ['#### Conclusion\nIt is 72.', '72', 'wrong', 'conclusion'],
  ['I will answer this later. There are 72.', '72', 'unparsed'],
  ['There are 72.', '72', 'unparsed'],
  ['', '72', 'unparsed'],
  ['The answer is', '72', 'unparsed'],
])

table('\\boxed', [
  ['Thus $\\boxed{72}$.', '72', 'right', '72'],
  ['\\boxed{5} and then \\boxed{7}', '7', 'right'],
  ['\\boxed{\\frac{3}{4}}', '0.75', 'right', '0.75'],
  ['\\boxed{\\dfrac{3}{4}}', '3/4', 'right'],
  ['\\boxed{\\frac34}', '3/4', 'right'],
  ['\\boxed{-\\frac{1}{2}}', '-1/2', 'right'],
  ['\\boxed{1{,}234}', '1234', 'right'],
  ['\\boxed{10\\,000}', '10000', 'right'],
  ['\\boxed{\\$4.50}', '4.5', 'right'],
  ['\\boxed{15\\%}', '15', 'right'],
  ['\\boxed{72\\text{ apples}}', '72', 'right'],
  ['\\boxed{90^\\circ}', '90', 'right'],
  ['\\boxed{\\sqrt{2}}', '2', 'wrong'],
  ['\\boxed{2\\pi}', '2', 'wrong'],
  ['\\boxed{\\sqrt{2}}', '\\sqrt{2}', 'right'],
  ['\\boxed{x = \\frac{a}{b}}', '1', 'wrong'],
  ['\\boxed{\\text{(B)}}', 'B', 'right', 'B'],
  ['\\boxed{72', '72', 'unparsed'],
  ['\\boxed{5} then \\boxed{7', '5', 'right'],
  ['The answer is 5, that is \\boxed{6}', '6', 'right'],
  ['\\fbox{6}', '6', 'right'],
  ['\\boxed{}', '6', 'unparsed'],
])

table('multiple choice', [
  ['#### B', 'B', 'right', 'B'],
  ['#### (B)', 'B', 'right'],
  ['#### B', '(B)', 'right'],
  ['#### B) 42', 'B', 'right'],
  ['#### B. 42', 'B', 'right'],
  ['#### B: 42', 'B', 'right'],
  ['#### b', 'B', 'right'],
  ['#### (b) 42', 'B', 'right'],
  ['#### C', 'B', 'wrong', 'C'],
  ['The answer is (B).', 'B', 'right'],
  ['The answer is B.', 'B', 'right'],
  ['The answer is option B', 'B', 'right'],
  ['The answer is B because it is.', 'B', 'right'],
  ['The answer is A because it is.', 'A', 'right'],
  ['The answer is A train.', 'A', 'wrong'],
  ['The answer is B-52.', 'B', 'wrong'],
  ['The answer is BC.', 'B', 'wrong'],
  ['The correct answer is: (B) 42 apples', 'B', 'right'],
  ['Answer: B', 'B', 'right'],
  ['#### A train leaves', 'A', 'wrong'],
  ['#### a train leaves', 'A', 'wrong'],
  ['#### 42', 'B', 'wrong', '42'],
  ['It must be (B)', 'B', 'unparsed'],
])

table('texts', [
  ['#### Paris', 'paris', 'right', 'paris'],
  ['#### "Paris".', 'Paris', 'right'],
  ['The answer is anxiety  and fear.', 'anxiety and fear', 'right'],
  ['The answer is fear.', 'anxiety and fear', 'wrong', 'fear'],
  ['The answer is yes, because it is.', 'yes', 'right', 'yes'],
  ['The answer is No.', 'yes', 'wrong', 'no'],
  ['#### 3:4', '3:4', 'right'],
])

table('an expected answer that is itself a chain', [
  ['#### 72', '24 + 48 = 72\n#### 72', 'right'],
  ['#### 24', '24 + 48 = 72\n#### 72', 'wrong'],
])

table(
  'a completion that was cut off',
  [
    ['24 + 48 = 7', '7', 'unparsed'],
    ['#### 7', '7', 'unparsed'],
    ['#### 72 app', '72', 'right'],
    ['#### 72\nNow', '72', 'right'],
    ['#### 72 ', '72', 'right'],
    ['The answer is 7', '7', 'unparsed'],
    ['The answer is 72 appl', '72', 'right'],
    ['\\boxed{72', '72', 'unparsed'],
    ['\\boxed{72} ', '72', 'right'],
  ],
  {},
  false,
)

table(
  'the last number as a fallback',
  [
    ['There are 24 and then 72.', '72', 'right', '72'],
    ['24 + 48 = 72', '72', 'right'],
    ['so it costs $1,234.50 in all', '1234.5', 'right'],
    ['10 - 15 = -5', '-5', 'right', '-5'],
    ['10-5', '5', 'right', '5'],
    ['It must be (C), not (B)', 'B', 'wrong', 'C'],
    ['It must be (C), not (B)', 'C', 'right', 'C'],
    ['no number', '72', 'unparsed'],
    ['#### 7, although 8', '7', 'right'],
  ],
  { fallback: 'last-number' },
)

table(
  'own patterns come first',
  [
    ['Result <ans>7</ans> #### 8', '7', 'right'],
    ['#### 8', '8', 'right'],
  ],
  { patterns: ['<ans>(.*?)</ans>'] },
)
table('a pattern without a group', [['r:7 r:9', '9', 'right']], { patterns: ['(?<=r:)\\d+'] })
table(
  'markers that are not asked for are not read',
  [
    ['#### 7', '7', 'unparsed'],
    ['\\boxed{7}', '7', 'right'],
  ],
  { markers: ['boxed'] },
)

test('a pattern that is no regular expression is refused', () => {
  expect(answerOptions.safeParse({ patterns: ['('] }).error?.issues[0]?.message).toMatch(/must be a regular expression/)
})

test('without an expected answer there is nothing to compare with', async () => {
  const labeler = new AnswerLabeler(answerOptions.parse({}))
  await expect(labeler.label({ id: 'q-7', prompt: '?' }, [])).rejects.toMatchObject({
    code: 'PLUMB_DATA_NO_ANSWER',
    message: expect.stringContaining('q-7'),
  })
})

test('labels come in the order of the candidates', async () => {
  const labeler = new AnswerLabeler(answerOptions.parse({}))
  const texts = ['#### 1', 'nothing', '#### 2'].map((text) => ({ text, complete: true }))
  const labels = await labeler.label({ id: 'q', prompt: '?', answer: '2' }, texts)
  expect(labels.map(({ status }) => status)).toEqual(['wrong', 'unparsed', 'right'])
})
