import { equationsOf, selectChains } from '../src'

const HUGE = '((((9^64)^64)^64)^64)^64 = 1'

test.each<[string, string, readonly boolean[]]>([
  ['a tower of powers', HUGE, []],
  ['a tower of powers in an annotation', `<<${HUGE}>>`, [false]],
  ['two thousand parentheses', `${'('.repeat(2_000)} = 2`, []],
  ['parentheses that close', `${'('.repeat(2_000)}1 + 1${')'.repeat(2_000)} = 2`, []],
  ['seven thousand signs', `${'-'.repeat(7_000)}1 + 1 = 2`, []],
  ['a hundred digits times themselves', `<<${'9'.repeat(400)}*${'9'.repeat(400)}=1>>`, [false]],
  ['what comes behind one that is beyond the bounds', `${HUGE} and 3 + 4 = 7, 3 + 4 = 8`, [true, false]],
])('%s', (_, chain, holds) => {
  expect(equationsOf(chain).map((equation) => equation.holds)).toEqual(holds)
})

test('a right chain beyond the bounds is kept or dropped, and the selection goes on', () => {
  const chain = (text: string) => ({ text, positive: true })
  expect(selectChains([chain(HUGE), chain(`<<${HUGE}>>`), chain('3 + 4 = 7')]).keep).toEqual([true, false, true])
})

const PIECES = [
  ...[
    '1/2',
    '1/2 ',
    '1/2+',
    'x2',
    'x2 ',
    '-1',
    '- 1 ',
    ')',
    ') ',
    '(',
    '((',
    '<<',
    '<<1',
    '<<1=1>>',
    '<<=',
    '>>',
    '=',
    '1=',
    '1=1 ',
    '= 1 ',
    '1+1=2 ',
    '1+1=',
    '$',
    '$ ',
    ' ',
    'x',
    'x ',
    '1,',
    '1,000',
    '1,000,',
  ],
  ...[
    '9^64',
    '9^64^',
    '9^64+',
    '1/3^64+',
    '1/1234567891^30+',
    '(1/1234567891^30+1/9876543211^31)=1 ',
    '9',
    '.5',
    '5%',
    '%',
    '*',
    '**',
    '//',
    '🙂',
    'a',
    '\n',
    '1+1 1 = 2 ',
    '2*3=6\n',
  ],
]
const TAILS = [' = 2']

/** Processor time of reading `piece` repeated to a length, in milliseconds: the better of two, which other work on the machine disturbs least. */
function cost(piece: string, length: number, tail: string): number {
  const chain = piece.repeat(Math.ceil(length / piece.length)) + tail
  const times = [1, 2].map(() => {
    const start = process.cpuUsage().user
    equationsOf(chain)
    return (process.cpuUsage().user - start) / 1000
  })
  return Math.min(...times)
}

// Four times the length takes sixteen times as long where the time is quadratic. Below 40 ms compiling and collecting garbage weigh more.
test.each(PIECES.map((piece) => [piece]))('%j repeated to 100 kB is read in a time that grows with its length', (piece) => {
  for (const tail of TAILS) {
    expect(cost(piece, 100_000, tail)).toBeLessThan(10 * Math.max(40, cost(piece, 25_000, tail)))
  }
})
