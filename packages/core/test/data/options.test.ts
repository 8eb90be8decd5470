import { read, refusal } from './support'

const bees = (labels: readonly unknown[], answerKey: unknown = 'B') => ({
  question: 'What do bees make?',
  choices: ['wool', 'milk', 'honey'].map((text, index) => ({ label: labels[index], text })),
  answerKey,
  explanation: 'Bees make honey.',
})

describe('letters are those of the file', () => {
  test.each<[string, object, string, string]>([
    ['in order', bees(['A', 'B', 'C'], 'C'), '(A) wool\n(B) milk\n(C) honey', 'C'],
    ['not in order', bees(['C', 'A', 'B']), '(C) wool\n(A) milk\n(B) honey', 'B'],
    ['with a gap', bees(['A', 'C', 'E'], 'E'), '(A) wool\n(C) milk\n(E) honey', 'E'],
    ['small', bees(['c', 'a', 'b'], 'b'), '(C) wool\n(A) milk\n(B) honey', 'B'],
    ['in parentheses', bees(['(A)', '(B)', '(C)'], '(C)'), '(A) wool\n(B) milk\n(C) honey', 'C'],
    ['numbers', bees(['1', '2', '3'], '3'), '(A) wool\n(B) milk\n(C) honey', 'C'],
    ['numbers not in order', bees([3, 1, 2], 2), '(C) wool\n(A) milk\n(B) honey', 'B'],
    [
      'two columns (ARC)',
      { ...bees([]), choices: { text: ['wool', 'milk', 'honey'], label: ['C', 'A', 'B'] } },
      '(C) wool\n(A) milk\n(B) honey',
      'B',
    ],
  ])('ecqa: %s', async (_, row, options, key) => {
    expect(await read('ecqa', [row])).toEqual([
      {
        id: 'data-1',
        prompt: `What do bees make?\nOptions:\n${options}`,
        answer: key,
        candidates: [{ text: `Bees make honey.\n#### ${key}`, positive: true, reference: true }],
      },
    ])
  })

  const aqua = (options: readonly string[], correct: string) => ({ question: 'q', options, rationale: 'so', correct })
  test.each<[string, object, string]>([
    ['written', aqua(['A)21', 'B)22'], 'B'), '(A) 21\n(B) 22'],
    ['written, not in order', aqua(['C)wool', 'A)milk', 'B)honey'], 'B'), '(C) wool\n(A) milk\n(B) honey'],
    ['written in parentheses', aqua(['(B) 1', '(A) 2'], 'A'), '(B) 1\n(A) 2'],
    ['not written', aqua(['21', '22 km'], 'B'), '(A) 21\n(B) 22 km'],
    ['a letter in an option', aqua(['A) f(A) = 1', 'B) B) is none'], 'A'), '(A) f(A) = 1\n(B) B) is none'],
  ])('aqua: %s', async (_, row, options) => {
    const [record] = await read('aqua', [row])
    expect(record?.prompt).toBe(`q\nOptions:\n${options}`)
  })

  test.each<[string, object, string, string | undefined]>([
    ['an answer in words', { choices: ['x', 'y'], answer: 'y' }, '(A) x\n(B) y', 'B'],
    ['texts', { choices: ['x', 'y'], answer: 'b' }, '(A) x\n(B) y', 'B'],
    [
      'labels',
      {
        choices: [
          { label: 'B', text: 'x' },
          { label: 'A', text: 'y' },
        ],
        answer: 'B',
      },
      '(B) x\n(A) y',
      'B',
    ],
    ['written letters', { choices: ['B) x', 'A) y'] }, '(B) x\n(A) y', undefined],
  ])('ranked: %s', async (_, fields, options, answer) => {
    const [record] = await read('ranked', [{ question: 'q', ...fields, candidates: [{ text: 't', rating: 1 }] }])
    expect([record?.prompt, record?.answer]).toEqual([`q\nOptions:\n${options}`, answer])
  })
})

describe('a key that is no option, and options that are none, are refused', () => {
  const choice = (choices: unknown, answerKey: unknown = 'A') => ({ question: 'q', choices, answerKey, explanation: 'x' })
  const two = [
    { label: 'A', text: 'x' },
    { label: 'B', text: 'y' },
  ]
  test.each<[string, string, object, RegExp]>([
    ['ecqa', 'key E of three', bees(['A', 'B', 'C'], 'E'), /"answerKey" is "E", but the options are A, B, C\./],
    ['ecqa', 'a number where letters are', choice(two, 1), /"answerKey" is 1, but the options are A, B/],
    ['ecqa', 'a letter where numbers are', bees(['1', '2', '3'], 'A'), /"answerKey" is "A", but the options are 1, 2, 3/],
    ['ecqa', 'a number too large', bees(['1', '2', '3'], '4'), /"answerKey" is "4"/],
    ['ecqa', 'no key', choice(two, ''), /"answerKey" must be a letter/],
    ['ecqa', 'a text as key', choice(two, 'honey'), /"answerKey" must be a letter/],
    ['ecqa', 'a letter twice', bees(['A', 'B', 'A']), /"choices" has two options A\./],
    ['ecqa', 'a letter twice in both cases', bees(['A', 'B', 'a']), /two options A/],
    ['ecqa', 'a number twice', bees(['1', '2', '2'], '1'), /two options B/],
    ['ecqa', 'numbers from 0', bees(['0', '1', '2'], '1'), /must be letters, or the numbers from 1 to 3, but one is "0"/],
    ['ecqa', 'numbers with a gap', bees(['1', '2', '5'], '1'), /numbers from 1 to 3/],
    ['ecqa', 'a label missing', bees(['A', undefined, 'C'], 'A'), /but one is missing/],
    ['ecqa', 'words as labels', bees(['yes', 'no', 'maybe']), /but one is "yes"/],
    [
      'ecqa',
      'an empty option',
      choice([
        { label: 'A', text: ' ' },
        { label: 'B', text: 'y' },
      ]),
      /Option A of "choices" must not be empty/,
    ],
    ['ecqa', 'one option', choice([{ label: 'A', text: 'x' }]), /at least 2 entries/],
    ['ecqa', 'no options', { question: 'q', answerKey: 'A' }, /"choices" is missing/],
    ['ecqa', 'columns of different length', choice({ label: ['A', 'B'], text: ['x'] }), /must be a list of options, but is an object/],
    [
      'ecqa',
      'a number as text',
      choice([
        { label: 'A', text: 1 },
        { label: 'B', text: 2 },
      ]),
      /"choices\.0" must be an option's text, but is 1/,
    ],
    [
      'aqua',
      'key D of two',
      { question: 'q', options: ['A)1', 'B)2'], rationale: '', correct: 'D' },
      /"correct" is "D", but the options are A, B\./,
    ],
    ['aqua', 'key Z of two without letters', { question: 'q', options: ['1', '2'], rationale: '', correct: 'Z' }, /"correct" is "Z"/],
    ['aqua', 'a letter twice', { question: 'q', options: ['A)1', 'A)2'], rationale: '', correct: 'A' }, /two options A/],
    ['aqua', 'letters for some', { question: 'q', options: ['A)1', '2'], rationale: '', correct: 'A' }, /some begin with a letter/],
    [
      'aqua',
      'an option that is a letter alone',
      { question: 'q', options: ['A)', 'B)2'], rationale: '', correct: 'B' },
      /Option A of "options" must not be empty/,
    ],
    [
      'aqua',
      'more options than letters',
      { question: 'q', options: Array.from({ length: 27 }, (_, n) => `${n}`), rationale: '', correct: 'B' },
      /27 options, and there are 26 letters/,
    ],
    [
      'ranked',
      'another answer',
      { question: 'q', choices: ['x', 'y'], answer: 'C', candidates: [{ text: 't', rating: 1 }] },
      /"answer" is "C", but the options are A, B/,
    ],
  ])('%s: %s', async (format, _, row, message) => {
    const found = await refusal(format, [row])
    expect([found.code, found.where?.slice(-2)]).toEqual(['PLUMB_DATA_FIELD', ':1'])
    expect(found.message).toMatch(message)
  })

  test('FLAN’s key must be among the options of its text', async () => {
    const found = await refusal('aqua', 'q\\nOptions:\\n(A) 1\\n(B) 2\t(C)\tso\n', {}, 'data.tsv')
    expect([found.code, found.message]).toEqual(['PLUMB_DATA_FIELD', 'The answer is (C), but the options are A, B.'])
  })

  test('a blank explanation gives way to a short one', async () => {
    const row = { ...bees(['A', 'B', 'C'], 'C'), explanation: ' ', shortExplanation: 'Short.' }
    expect((await read('ecqa', [row]))[0]?.candidates[0]?.text).toBe('Short.\n#### C')
  })
})
