import { labelledChains } from '../../src/progress/chains'
import { folderWith } from '../cli'

const group = (prompt: string, ...candidates: readonly (readonly [status: string, text: string])[]) =>
  JSON.stringify({
    prompt,
    answer: '3',
    candidates: [...candidates.map(([status, text]) => ({ status, text })), { text: 'own', reference: true }],
  })

it('shows the first question with right and wrong chains, right ones first, each chain once', () => {
  const folder = folderWith({
    'groups.jsonl': [
      group('Q1', ['wrong', 'a']),
      group('Q2\nsecond line', ['wrong', '1 + 1 = 3'], ['right', '1 + 2 = 3\n#### 3'], ['wrong', '1 + 1 = 3'], ['unparsed', '1 + ']),
      '{"cut off',
    ].join('\n'),
  })
  expect(labelledChains(folder)).toEqual([
    '  Q2 ⏎ second line  (3)',
    '    right      1 + 2 = 3 ⏎ #### 3',
    '    wrong      1 + 1 = 3',
    '    no answer  1 +',
  ])
})

it('shows four chains at most, wrong ones among them, and cuts long ones', () => {
  const right = Array.from({ length: 5 }, (_, n) => ['right', `right ${n}`] as const)
  const [, ...lines] = labelledChains(folderWith({ 'groups.jsonl': `${group('Q', ...right, ['wrong', 'x'.repeat(500)])}\n` }))
  expect(lines.slice(0, 3)).toEqual(['    right      right 0', '    right      right 1', '    right      right 2'])
  expect(lines[3]).toMatch(/^ {4}wrong {6}x{109}…$/)
})

it('shows the references of a data file, which stand among its candidates', () => {
  const candidates = [
    { text: 'chosen', status: 'right', reference: true, times: 1 },
    { text: 'rejected', status: 'wrong', times: 1 },
  ]
  const folder = folderWith({ 'groups.jsonl': `${JSON.stringify({ prompt: 'Q', candidates })}\n` })
  expect(labelledChains(folder)).toEqual(['  Q', '    right      chosen', '    wrong      rejected'])
})

it('shows nothing where there is no file', () => expect(labelledChains(folderWith({}))).toEqual([]))

it('shows the rewards of ranked candidates', () => {
  const candidates = [
    { text: 'good', status: 'ranked', reward: 0.88889, times: 1 },
    { text: 'bad', status: 'ranked', reward: -2, times: 1 },
  ]
  const folder = folderWith({ 'groups.jsonl': `${JSON.stringify({ prompt: 'Q', candidates })}\n` })
  expect(labelledChains(folder)).toEqual(['  Q', '    0.8889     good', '    -2         bad'])
})
