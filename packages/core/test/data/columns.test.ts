import { read, refusal } from './support'

const message = (role: string, content: string) => ({ role, content })

/** The least record of each format. */
const LEAST = {
  groups: { prompt: 'q', candidates: [{ text: 'x', positive: true }] },
  qa: { question: 'q', answer: 'x' },
  gsm8k: { question: 'q', answer: '#### 1' },
  preference: { prompt: 'q', chosen: 'x', rejected: 'y' },
  messages: { messages: [message('user', 'q'), message('assistant', 'x')] },
  ranked: { question: 'q', candidates: [{ text: 'x', rating: 1 }] },
  aqua: { question: 'q', options: ['A)1', 'B)2'], rationale: 'x', correct: 'A' },
  ecqa: {
    question: 'q',
    choices: [
      { label: 'A', text: 'x' },
      { label: 'B', text: 'y' },
    ],
    answerKey: 'A',
    explanation: 'x',
  },
} as const
const FORMATS = Object.keys(LEAST) as (keyof typeof LEAST)[]

/** Columns that change what the model reads, and a value of each. */
const MEANINGFUL: Readonly<Record<string, unknown>> = {
  images: ['a.png'],
  image: 'a.png',
  videos: ['a.mp4'],
  audios: [{ path: 'a.wav' }],
  tools: [{ name: 'f' }],
  tool_calls: [{ id: '1' }],
  functions: '[{"name":"f"}]',
  documents: [{ text: 'x' }],
  chatTemplateKwargs: { enable_thinking: false },
  toolCalls: [{ id: '1' }],
  System: 'Be brief.',
  system_message: 'Be brief.',
}

describe.each(FORMATS)('%s', (format) => {
  test.each(Object.entries(MEANINGFUL))('%s is refused, and let through where it is empty', async (name, value) => {
    const found = await refusal(format, [LEAST[format], { ...LEAST[format], [name]: value }])
    expect([found.code, found.where?.slice(-2)]).toEqual(['PLUMB_DATA_FIELD', ':2'])
    expect(found.message).toContain(`"${name}" is not read by format "${format}", and leaving it out would change the record: `)
    const [plain] = await read(format, [LEAST[format]])
    for (const empty of [null, '', '  ', [], {}, [null], '[]']) {
      expect(await read(format, [{ ...LEAST[format], [name]: empty }])).toEqual([plain])
    }
  })

  test('what describes a record is let through', async () => {
    const [plain] = await read(format, [LEAST[format]])
    const described = {
      source: 'book',
      split: 'train',
      metadata: { tools: ['x'] },
      prompt_id: 'a',
      category: 'maths',
      level: 3,
      type: 'x',
      url: 'x',
      language: 'en',
      created_at: '2026-01-01',
      num_tokens: 12,
      subject: 'algebra',
      difficulty: 0.5,
      score_chosen: 1,
    }
    expect(await read(format, [{ ...LEAST[format], ...described }])).toEqual([plain])
  })
})

const NO_SYSTEM = ['groups', 'gsm8k', 'ranked', 'aqua', 'ecqa'] as const
test.each(NO_SYSTEM.flatMap((format) => ['system', 'system_prompt', 'history', 'input'].map((name) => [format, name] as const)))(
  '%s: %s is refused',
  async (format, name) => {
    const found = await refusal(format, [{ ...LEAST[format], [name]: name === 'history' ? [['a', 'b']] : 'text' }])
    expect(found.message).toContain(`"${name}" is not read by format "${format}"`)
  },
)

describe('marks of single answers are not trained over', () => {
  test.each([
    ['qa', { prompt: 'q', completion: 'x', label: true }],
    ['qa', { prompt: 'q', completion: 'x', label: false }],
    ['qa', { prompt: 'q', completion: 'x', label: 0 }],
    ['qa', { prompt: 'q', completion: 'x', label: 'undesirable' }],
    ['qa', { prompt: 'q', completion: 'x', labels: [true, false] }],
    ['qa', { prompt: 'q', completion: 'x', score: 0.2 }],
    ['qa', { instruction: 'q', output: 'x', kto_tag: false }],
    ['qa', { question: 'q', response: 'x', scores: { help: 1 } }],
    ['qa', { prompt: [message('user', 'q')], completion: [message('assistant', 'x')], label: false }],
    ['gsm8k', { ...LEAST.gsm8k, label: 1 }],
    ['messages', { ...LEAST.messages, rating: 5 }],
  ])('%s: %j', async (format, row) => {
    const found = await refusal(format, [row])
    expect([found.code, found.message]).toEqual(['PLUMB_DATA_FIELD', expect.stringMatching(/seems to say how good the answer is/)])
  })

  test('a label in words is a description', async () => {
    expect(await read('qa', [{ question: 'q', answer: 'x', label: 'algebra' }])).toHaveLength(1)
  })
})

describe('a record of another format says which one fits', () => {
  const kto = { prompt: 'q', completion: 'x', label: true }
  const pair = LEAST.preference
  test.each<[string, object, string]>([
    ['groups', pair, 'preference'],
    [
      'groups',
      { chosen: [message('user', 'q'), message('assistant', 'x')], rejected: [message('user', 'q'), message('assistant', 'y')] },
      'preference',
    ],
    ['groups', { prompt: 'q', completion: 'x' }, 'qa'],
    ['groups', { prompt: 'q', response: 'x' }, 'qa'],
    ['groups', LEAST.qa, 'qa'],
    ['groups', LEAST.gsm8k, 'gsm8k'],
    ['groups', LEAST.aqua, 'aqua'],
    ['groups', LEAST.ecqa, 'ecqa'],
    ['groups', LEAST.ranked, 'ranked'],
    ['groups', { conversations: [{ from: 'human', value: 'q' }] }, 'messages'],
    ['groups', { instruction: 'q', input: '', output: 'x' }, 'qa'],
    ['qa', pair, 'preference'],
    ['qa', { question: 'q', chosen: 'x', rejected: 'y' }, 'preference'],
    ['qa', LEAST.messages, 'messages'],
    ['qa', LEAST.aqua, 'aqua'],
    ['qa', LEAST.ecqa, 'ecqa'],
    ['qa', LEAST.groups, 'groups'],
    ['gsm8k', { question: 'q', answer: '7' }, 'qa'],
    ['gsm8k', pair, 'preference'],
    ['gsm8k', LEAST.messages, 'messages'],
    ['preference', LEAST.qa, 'qa'],
    ['preference', LEAST.groups, 'groups'],
    ['preference', LEAST.messages, 'messages'],
    ['preference', { context: [message('user', 'q')], completions: [{ rank: 0, completion: [message('assistant', 'x')] }] }, 'ranked'],
    ['messages', LEAST.qa, 'qa'],
    ['messages', pair, 'preference'],
    ['ranked', pair, 'preference'],
    ['ranked', LEAST.groups, 'groups'],
    ['aqua', LEAST.ecqa, 'ecqa'],
    ['ecqa', LEAST.aqua, 'aqua'],
    ['aqua', LEAST.gsm8k, 'gsm8k'],
  ])('%s: %j', async (format, row, fitting) => {
    const found = await refusal(format, [row])
    expect(found.code).toMatch(/^PLUMB_DATA_(FIELD|NO_ANSWER)$/)
    expect(found.message).toContain(`format "${fitting}"`)
  })

  test.each(FORMATS.filter((format) => format !== 'qa'))('unpaired preference is refused by %s too', async (format) => {
    expect((await refusal(format, [kto])).code).toMatch(/^PLUMB_DATA_FIELD$/)
  })
})

describe('qa', () => {
  test.each<[object, object, string, string, string | undefined]>([
    [{ prompt: 'Lily said: ', completion: 'hello' }, {}, 'Lily said: ', 'hello', undefined],
    [{ prompt: 'The sky is', completion: ' blue.' }, {}, 'The sky is', ' blue.', undefined],
    [{ prompt: 'def f():\n', completion: '    return 1\n' }, {}, 'def f():\n', '    return 1\n', undefined],
    [{ question: ' q\n', answer: ' 7 ' }, {}, ' q\n', ' 7 ', '7'],
    [{ question: 'q', solution: '\tso\n', answer: ' 7\n' }, {}, 'q', '\tso\n', '7'],
    [{ question: 'q', answer: 'so it is', final_answer: 7 }, {}, 'q', 'so it is', '7'],
    [{ question: 'q', completion: '', answer: '7' }, {}, 'q', '7', '7'],
    [{ question: '', prompt: 'q', answer: '7' }, {}, 'q', '7', '7'],
    [{ question: 'q', prompt: 'q', answer: '7' }, {}, 'q', '7', '7'],
    [{ input: 'q', target: 'x' }, { promptField: 'input', chainField: 'target' }, 'q', 'x', undefined],
    [{ instruction: 'do', input: 'this', output: 'x' }, { promptField: 'instruction' }, 'do\nthis', 'x', undefined],
    [{ context: 'q', answer: 'x' }, { promptField: 'context' }, 'q', 'x', 'x'],
    [{ question: 'The sky is blue. Is it?', context: 'The sky is blue.', answer: 'yes' }, {}, 'The sky is blue. Is it?', 'yes', 'yes'],
    [{ question: 'Pick.\n(A) x\n(B) y', options: ['x', 'y'], answer: 'A' }, {}, 'Pick.\n(A) x\n(B) y', 'A', 'A'],
  ])('%j with %j', async (row, options, prompt, text, answer) => {
    const [record] = await read('qa', [row], options)
    expect([record?.prompt, record?.candidates[0]?.text, record?.answer]).toEqual([prompt, text, answer])
  })

  test('prompt and completion in text are continued, whatever else is a question', async () => {
    const literal = async (row: object, options = {}) => (await read('qa', [row], options))[0]?.literal
    expect(await literal({ prompt: 'q', completion: 'x' })).toBe(true)
    expect(await literal({ prompt: 'q', completion: 'x', answer: 7 })).toBe(true)
    expect(await literal({ prompt: 'q', response: 'x' })).toBeUndefined()
    expect(await literal({ question: 'q', completion: 'x' })).toBeUndefined()
    expect(await literal({ instruction: 'q', completion: 'x' })).toBeUndefined()
    expect(await literal({ prompt: 'q', completion: 'x', input: 'y' })).toBeUndefined()
    expect(await literal({ text: 'q', completion: 'x' }, { promptField: 'text' })).toBeUndefined()
  })

  test.each<[object, object, RegExp]>([
    [{ question: 'q', prompt: 'r', answer: '7' }, {}, /Both "question" and "prompt" may hold a question, and they differ/],
    [{ question: 'q', completion: 'x', solution: 'y' }, {}, /Both "completion" and "solution" may hold a chain/],
    [{ question: 'q', solution: 'x', answer: '7', final_answer: '8' }, {}, /Both "answer" and "final_answer" may hold an answer/],
    [{ question: 'q', context: 'The sky is blue.', answer: '7' }, {}, /"context" is not read.*join it to the question/],
    [
      { Body: 'Ann has 3 pens.', Question: 'How many?', Answer: 3 },
      { promptField: 'Question', answerField: 'Answer' },
      /"Body" is not read.*join it/,
    ],
    [{ question: 'q', passage: 'The sky is blue.', answer: '7' }, {}, /"passage" is not read/],
    [{ data: [{ question: 'q', answer: '7' }] }, {}, /records seem to stand in "data"/],
    [{ question: 'q', options: ['x', 'y'], answer: 'A' }, {}, /"options" is not read.*options would be lost/],
    [{ question: 'q', choices: ['x', 'y'], answer: 0 }, {}, /"choices" is not read/],
    [{ text: 'q', input: 'x', answer: '7' }, { promptField: 'text' }, /"input" is not read beside promptField "text"/],
    [{ instruction: 'q', input: ['x'], output: '7' }, {}, /"input" must be a string, but is a list/],
    [{ question: ' \n', answer: '7' }, {}, /expected a question/],
    [{ prompt: 'q', responses: ['x', 'y'], scores: [1, 2] }, {}, /"responses" is not read by format "qa"/],
    [{ question: true, answer: '7' }, {}, /"question" must be a string, but is true/],
  ])('%j with %j is refused', async (row, options, message) => {
    expect((await refusal('qa', [row], options)).message).toMatch(message)
  })

  test('named fields settle which text counts', async () => {
    const row = { question: 'q', prompt: 'r', completion: 'x', solution: 'y' }
    const [record] = await read('qa', [row], { promptField: 'prompt', chainField: 'solution' })
    expect([record?.prompt, record?.candidates[0]?.text]).toEqual(['r', 'y'])
  })
})
