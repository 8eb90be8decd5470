import { compareAnswers, ready } from '../src'
import { labelers, labelPair } from './measure'

beforeAll(ready)

const HOSTILE = [
  ...[
    '9^{9^{9^9}}',
    '((((9^64)^64)^64)^64)^64',
    '9^{9999}^{9999}',
    '170!!',
    '9999999!',
    '((99!)!)!',
    '\\binom{99999}{5000}',
    'e^{e^{e^{e^{e}}}}',
    '\\sin(10^{99999})',
    '\\tan(9^{9999})',
  ],
  ...[
    '1e99999999',
    '10^{99999}',
    '0^{-1}',
    '0^0',
    '\\sqrt{-1}',
    '\\log_1 5',
    '\\ln 0',
    '\\frac{1}{0}',
    '\\sqrt[0]{5}',
    'x^{x^{x^{x^x}}}',
    '(x+y+z)^{9999}',
    '\\lfloor 10^{9999} \\rfloor',
  ],
]
const PIECES = [
  '(',
  '((',
  '[',
  '\\{',
  '{',
  '-',
  '+',
  '\\pm',
  '1+',
  '1,',
  'x',
  'x^',
  '2^',
  '!',
  '|',
  '\\frac',
  '\\frac{1}{',
  '\\sqrt',
  '\\sqrt[',
  '\\text{a}',
  '\\begin{pmatrix}',
  '1&',
  '\\\\',
  '\\cup',
  '=',
  'x=',
  'x<',
  ',',
  'or ',
  '1 ',
  '\\sin',
  '9!',
  '\\ln ',
  'e^{',
  '°',
  '%',
  '_',
  '\\',
  '$',
  '½',
  '🙂',
  '\\binom{9}{',
  '0.\\overline{',
]

test.each(
  [...HOSTILE, ...PIECES.flatMap((piece) => [20, 100, 50_000].map((times) => piece.repeat(times)))].map((text) => [
    text.slice(0, 60),
    text,
  ]),
)('%s is compared within a second, on either side', (_, hostile) => {
  const start = process.cpuUsage().user
  for (const other of ['72', 'x^2+1', hostile]) {
    compareAnswers(hostile, other)
    compareAnswers(other, hostile)
  }
  expect((process.cpuUsage().user - start) / 6 / 1000).toBeLessThan(1000)
})

test('values and sets of many parts are compared within bounds', () => {
  const set = (count: number) => `\\{${Array.from({ length: count }, (_, n) => `${n}x`).join(',')}\\}`
  const start = process.cpuUsage().user
  expect(compareAnswers(set(80), set(80).replace('79x', '79y'))).toBe('different')
  expect((process.cpuUsage().user - start) / 1000).toBeLessThan(5000)
})

test.each<[string, string, string]>([
  ['The answer is $\\sqrt{2}$.', '2^{1/2}', 'right'],
  ['The answer is \\(\\frac{\\pi}{3}\\).', '\\pi/3', 'right'],
  ['#### x = \\frac{1}{2}', '0.5', 'right'],
  ['\\boxed{72 \\text{ km/h}}', '72', 'right'],
  ['#### 72 km/h', '72', 'right'],
  ['#### 24 + 48 = 72', '72', 'right'],
  ['#### 10 (ten)', '10', 'right'],
  ['#### 73', '72', 'wrong'],
  ['\\boxed{8 \\cdot 9}', '72', 'right'],
  ['\\boxed{\\sqrt{2}}. Wait, no.', '\\sqrt{2}', 'unparsed'],
  ['\\boxed{\\text{(B)}}', 'B', 'right'],
  ['\\boxed{50\\%}', '0.5', 'unparsed'],
  ['\\boxed{f(x)}', 'f(y)', 'unparsed'],
  ['\\boxed{1/2x}', '\\frac{x}{2}', 'unparsed'],
  ['\\boxed{2\\frac{3}{2}}', '3', 'unparsed'],
])('%j against %j is %s', async (text, expected, status) => {
  const [label] = await labelers.math.label({ id: 'q', prompt: '?', answer: expected }, [{ text, complete: true }])
  expect(label?.status).toBe(status)
})

test('a marked answer of the pairs is compared as such', async () => {
  expect(await labelPair({ expected: '(1,2)', given: '(2,1)' })).toMatchObject({ status: 'wrong', positive: false })
})
