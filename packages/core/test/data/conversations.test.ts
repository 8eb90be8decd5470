import type { ChatMessage } from '../../src/seams/tokenizer'
import { questionKey } from '../../src/data/question-key'
import { read, refusal } from './support'

const s = (content: string): ChatMessage => ({ role: 'system', content })
const u = (content: string): ChatMessage => ({ role: 'user', content })
const a = (content: string): ChatMessage => ({ role: 'assistant', content })
const good = a('good')
const bad = a('bad')

/** prompt, messages, literal and the answers' texts */
async function pair(row: object): Promise<[string, readonly ChatMessage[] | undefined, true | undefined, ...string[]]> {
  const [record] = await read('preference', [row])
  if (record === undefined) throw new Error('no record')
  const [chosen, rejected] = record.candidates
  expect([chosen?.positive, chosen?.reward, rejected?.positive, rejected?.reward]).toEqual([true, 1, false, 0])
  return [record.prompt, record.messages, record.literal, ...record.candidates.map(({ text }) => text)]
}

describe('preference pairs beside what TRL defines', () => {
  const whole = [s('Be brief.'), u('q')]
  test.each<[string, object, readonly ChatMessage[]]>([
    ['a text and answers as lists', { prompt: 'q', chosen: [good], rejected: [bad] }, [u('q')]],
    ['a list and answers as texts', { prompt: [u('p'), a('x'), u('q')], chosen: 'good', rejected: 'bad' }, [u('p'), a('x'), u('q')]],
    ['a blank prompt beside conversations', { prompt: '', chosen: [u('q'), good], rejected: [u('q'), bad] }, [u('q')]],
    ['no prompt (null) beside conversations', { prompt: null, chosen: [u('q'), good], rejected: [u('q'), bad] }, [u('q')]],
    ['a system column and texts', { system: 'Be brief.', prompt: 'q', chosen: 'good', rejected: 'bad' }, whole],
    ['a system column and a question (Orca)', { system: 'Be brief.', question: 'q', chosen: 'good', rejected: 'bad' }, whole],
    ['a system_prompt column', { system_prompt: 'Be brief.', prompt: 'q', chosen: 'good', rejected: 'bad' }, whole],
    ['a system column and lists', { system: 'Be brief.', prompt: [u('q')], chosen: [good], rejected: [bad] }, whole],
    ['a system column and whole conversations', { system: 'Be brief.', chosen: [u('q'), good], rejected: [u('q'), bad] }, whole],
    ['a system column that the list repeats', { system: 'Be brief.', prompt: whole, chosen: [good], rejected: [bad] }, whole],
    ['history', { prompt: 'q', history: [['p', 'x']], chosen: 'good', rejected: 'bad' }, [u('p'), a('x'), u('q')]],
    [
      'ShareGPT’s pairs',
      {
        conversations: [
          { from: 'system', value: 'Be brief.' },
          { from: 'human', value: 'q' },
        ],
        chosen: { from: 'gpt', value: 'good' },
        rejected: { from: 'gpt', value: 'bad' },
      },
      whole,
    ],
    [
      'messages that repeat the chosen side (UltraFeedback)',
      {
        prompt: 'q',
        prompt_id: '1',
        chosen: [u('q'), good],
        rejected: [u('q'), bad],
        messages: [u('q'), good],
        score_chosen: 8,
        score_rejected: 3,
      },
      [u('q')],
    ],
    [
      'other keys of messages',
      { chosen: [{ ...u('q'), id: 1, tool_calls: null }, good], rejected: [u('q'), { ...bad, name: '' }] },
      [u('q')],
    ],
  ])('%s', async (_, row, messages) => {
    expect(await pair(row)).toEqual(['q', messages, undefined, 'good', 'bad'])
  })

  test('turns in the words of an answer are no turns where the prompt has none', async () => {
    const row = { chosen: 'Write YAML: a\nUser: x', rejected: 'Write YAML: b' }
    expect(await pair(row)).toEqual(['Write YAML:', undefined, true, ' a\nUser: x', ' b'])
  })

  test('a question or an instruction waits for its template; a prompt is continued', async () => {
    expect(await pair({ question: ' q ', chosen: 'good', rejected: 'bad' })).toEqual([' q ', undefined, undefined, 'good', 'bad'])
    expect(await pair({ instruction: 'do', input: 'this', chosen: 'good', rejected: 'bad' })).toEqual([
      'do\nthis',
      undefined,
      undefined,
      'good',
      'bad',
    ])
    expect(await pair({ prompt: ' q ', chosen: 'good', rejected: 'bad' })).toEqual([' q ', undefined, true, 'good', 'bad'])
  })

  test.each<[string, object, string, RegExp]>([
    ['other questions', { chosen: [u('q'), good], rejected: [u('r'), bad] }, 'HEADS_DIFFER', /message 1 is user "q" and user "r"/],
    [
      'other system messages',
      { chosen: [s('x'), u('q'), good], rejected: [s('y'), u('q'), bad] },
      'HEADS_DIFFER',
      /message 1 is system "x" and system "y"/,
    ],
    ['a system message on one side', { chosen: [s('x'), u('q'), good], rejected: [u('q'), bad] }, 'HEADS_DIFFER', /message 1/],
    [
      'other earlier answers',
      { chosen: [u('p'), a('1'), u('q'), good], rejected: [u('p'), a('2'), u('q'), bad] },
      'HEADS_DIFFER',
      /message 2 is assistant "1" and assistant "2"/,
    ],
    [
      'a longer rejected side',
      { chosen: [u('q'), good], rejected: [u('q'), bad, u('r'), bad] },
      'HEADS_DIFFER',
      /message 2 is missing and assistant/,
    ],
    [
      'white space in one head',
      { chosen: [u('q'), good], rejected: [u('q '), bad] },
      'HEADS_DIFFER',
      /message 1 is user "q" and user "q "/,
    ],
    [
      'answers that part early',
      { prompt: [u('p')], chosen: [a('1'), u('q'), good], rejected: [a('2'), u('q'), bad] },
      'HEADS_DIFFER',
      /message 1/,
    ],
    [
      'another prompt than the conversation',
      { prompt: 'r', chosen: [u('q'), good], rejected: [u('q'), bad] },
      'HEADS_DIFFER',
      /"prompt" is "r", but the first user message of "chosen" is "q"/,
    ],
    [
      'dialogues in text that part early',
      { chosen: '\n\nHuman: q\n\nAssistant: x\n\nHuman: r\n\nAssistant: y', rejected: '\n\nHuman: q\n\nAssistant: z' },
      'HEADS_DIFFER',
      /"chosen" has another turn \("Human:"\)/,
    ],
    [
      'dialogues in text with other questions',
      { chosen: '\n\nHuman: one?\n\nAssistant: x', rejected: '\n\nHuman: two?\n\nAssistant: x' },
      'HEADS_DIFFER',
      /"chosen" has another turn \("Assistant:"\)/,
    ],
    [
      'a prompt of null',
      { prompt: [null], chosen: [u('q'), good], rejected: [u('q'), bad] },
      'FIELD',
      /"prompt\.0" must be a message .*but is null/,
    ],
    [
      'input that is no text',
      { instruction: 'q', input: ['x'], chosen: 'good', rejected: 'bad' },
      'FIELD',
      /"input" must be a string, but is a list/,
    ],
    [
      'an answer of several messages',
      { prompt: [u('q')], chosen: [good, u('r'), good], rejected: [good, u('r'), bad] },
      'FIELD',
      /"chosen" must hold the assistant's answer alone.*holds 3 messages/,
    ],
    [
      'a prompt that both lists repeat',
      { prompt: [u('q')], chosen: [u('q'), good], rejected: [u('q'), bad] },
      'FIELD',
      /"chosen" repeats the messages of "prompt"/,
    ],
    [
      'no answer',
      { chosen: [u('q')], rejected: [u('q')] },
      'FIELD',
      /"chosen" must end with an assistant message, but ends with role "user"/,
    ],
    [
      'no answer on one side',
      { prompt: [u('q')], chosen: [good], rejected: [u('x')] },
      'FIELD',
      /"rejected" must end with an assistant message/,
    ],
    ['no question', { chosen: [good], rejected: [bad] }, 'FIELD', /"prompt" is missing/],
    [
      'a system message alone',
      { chosen: [s('x'), good], rejected: [s('x'), bad] },
      'FIELD',
      /must end with a user message before the answer, but ends with role "system"/,
    ],
    [
      'a head that ends with an answer',
      { prompt: [u('q'), a('x')], chosen: [good], rejected: [bad] },
      'FIELD',
      /ends with role "assistant"/,
    ],
    [
      'a blank question',
      { prompt: [u(' \n')], chosen: [good], rejected: [bad] },
      'FIELD',
      /last user message of "prompt" must not be empty/,
    ],
    ['a text and a list', { prompt: 'q', chosen: 'good', rejected: [bad] }, 'FIELD', /must both be texts or both be lists/],
    [
      'an empty prompt list',
      { prompt: [], chosen: [u('q'), good], rejected: [u('q'), bad] },
      'FIELD',
      /"prompt" must hold messages, but is an empty list/,
    ],
    ['an empty side', { prompt: [u('q')], chosen: [], rejected: [bad] }, 'FIELD', /"chosen" must hold messages, but is an empty list/],
    [
      'role developer',
      { prompt: [{ role: 'developer', content: 'x' }, u('q')], chosen: [good], rejected: [bad] },
      'FIELD',
      /"prompt\.0\.role" must be one of system, user, assistant, but is "developer"/,
    ],
    ['role tool', { prompt: [u('q'), { role: 'tool', content: '3' }, u('r')], chosen: [good], rejected: [bad] }, 'FIELD', /but is "tool"/],
    ['role in capitals', { prompt: [{ role: 'User', content: 'q' }], chosen: [good], rejected: [bad] }, 'FIELD', /but is "User"/],
    [
      'a role of every object',
      { prompt: [{ role: 'constructor', content: 'q' }], chosen: [good], rejected: [bad] },
      'FIELD',
      /but is "constructor"/,
    ],
    ['no role', { prompt: [{ content: 'q' }], chosen: [good], rejected: [bad] }, 'FIELD', /but is missing/],
    ['a text in a list', { prompt: ['q'], chosen: [good], rejected: [bad] }, 'FIELD', /"prompt\.0" must be a message/],
    [
      'parts',
      { prompt: [{ role: 'user', content: [{ type: 'text', text: 'q' }] }], chosen: [good], rejected: [bad] },
      'FIELD',
      /"prompt\.0\.content" must be a string, but is a list.*Parts of text and images/,
    ],
    [
      'no content',
      { prompt: [u('q')], chosen: [{ role: 'assistant', content: null }], rejected: [bad] },
      'FIELD',
      /"chosen\.0\.content" must be a string, but is null/,
    ],
    [
      'tool calls',
      { prompt: [u('q')], chosen: [{ ...good, tool_calls: [{ id: 1 }] }], rejected: [bad] },
      'FIELD',
      /"chosen\.0\.tool_calls" is not supported/,
    ],
    [
      'reasoning that is no text',
      { prompt: [u('q')], chosen: [{ ...good, reasoning_content: ['so'] }], rejected: [bad] },
      'FIELD',
      /"chosen\.0\.reasoning_content" must be a string/,
    ],
    [
      'two reasonings',
      { prompt: [u('q')], chosen: [{ ...good, reasoning_content: 'so', thinking: 'thus' }], rejected: [bad] },
      'FIELD',
      /"chosen\.0\.reasoning_content" and "chosen\.0\.thinking" differ/,
    ],
    [
      'reasoning of a question',
      { prompt: [{ ...u('q'), thinking: 'so' }], chosen: [good], rejected: [bad] },
      'FIELD',
      /"prompt\.0\.thinking" is of a message with role "user"/,
    ],
    [
      'a blank chosen answer',
      { prompt: 'q', chosen: ' ', rejected: 'bad' },
      'FIELD',
      /"chosen" answer is a reference chain and must not be empty/,
    ],
    ['a blank prompt', { prompt: ' \n', chosen: 'good', rejected: 'bad' }, 'FIELD', /"prompt" must not be empty/],
    [
      'an empty prompt and a common beginning',
      { prompt: '', chosen: 'so good', rejected: 'so bad' },
      'FIELD',
      /"prompt" must not be empty/,
    ],
    ['nothing in common', { chosen: 'yes', rejected: 'no' }, 'FIELD', /no beginning in common/],
    ['the same text twice', { chosen: 'yes', rejected: 'yes' }, 'FIELD', /are the same text/],
    [
      'two system messages',
      { system: 'x', prompt: [s('y'), u('q')], chosen: [good], rejected: [bad] },
      'FIELD',
      /"system" and the conversation's own system message differ/,
    ],
    [
      'a system column that is no text',
      { system: ['x'], prompt: 'q', chosen: 'good', rejected: 'bad' },
      'FIELD',
      /"system" must be a string, but is a list/,
    ],
    ['a system column and whole texts', { system: 'x', chosen: 'q good', rejected: 'q bad' }, 'FIELD', /"system" needs a "prompt"/],
    [
      'history and whole conversations',
      { history: [['a', 'b']], chosen: [u('q'), good], rejected: [u('q'), bad] },
      'FIELD',
      /"history" needs a prompt in text/,
    ],
    ['history of other shape', { history: [['a']], prompt: 'q', chosen: 'good', rejected: 'bad' }, 'FIELD', /"history\.0" must be a pair/],
    [
      'other messages',
      { prompt: 'q', chosen: 'good', rejected: 'bad', messages: [u('r'), good] },
      'FIELD',
      /"messages" holds another conversation/,
    ],
    [
      'input beside a prompt',
      { prompt: 'q', input: 'x', chosen: 'good', rejected: 'bad' },
      'FIELD',
      /"input" is read beside "instruction" alone/,
    ],
    ['two prompts', { prompt: 'q', question: 'r', chosen: 'good', rejected: 'bad' }, 'FIELD', /both hold a prompt, and they differ/],
    [
      'images',
      { prompt: 'q', chosen: 'good', rejected: 'bad', images: ['a.png'] },
      'FIELD',
      /"images" is not read by format "preference".*text alone/,
    ],
    ['a number', { prompt: 'q', chosen: 5, rejected: 'bad' }, 'FIELD', /"chosen" must be a text or a list of messages, but is 5/],
  ])('%s is refused', async (_, row, code, message) => {
    const found = await refusal('preference', [{ prompt: 'q', chosen: 'good', rejected: 'bad' }, row])
    expect([found.code, found.where?.slice(-2)]).toEqual([`PLUMB_DATA_${code}`, ':2'])
    expect(found.message).toMatch(message)
  })
})

describe('conversations', () => {
  const chain = a('So it is\n#### 7')

  test('the head, the last answer, and what it says', async () => {
    expect(await read('messages', [{ messages: [s('Be brief.'), u('p'), a('x'), u('q'), chain], source: 'book' }])).toEqual([
      {
        id: 'data-1',
        prompt: 'q',
        messages: [s('Be brief.'), u('p'), a('x'), u('q')],
        answer: '7',
        candidates: [{ text: chain.content, positive: true, reference: true }],
      },
    ])
  })

  test('ShareGPT, with its names and its system column', async () => {
    const conversations = [
      { from: 'human', value: 'p' },
      { from: 'gpt', value: 'x' },
      { from: 'human', value: 'q' },
      { from: 'gpt', value: ' y ' },
    ]
    const [record] = await read('messages', [{ id: 'z', conversations, system: 'Be brief.', tools: '' }])
    expect(record).toEqual({
      id: 'z',
      prompt: 'q',
      messages: [s('Be brief.'), u('p'), a('x'), u('q')],
      candidates: [{ text: ' y ', positive: true, reference: true }],
    })
  })

  test('one that ends with the user is a question; a repeated prompt is let through', async () => {
    expect(await read('messages', [{ messages: [u('q')], answer: 7, prompt: 'q' }])).toEqual([
      { id: 'data-1', prompt: 'q', messages: [u('q')], answer: '7', candidates: [] },
    ])
  })

  test.each<[string, object, RegExp]>([
    ['nothing', {}, /"messages" is missing/],
    ['an empty list', { messages: [] }, /"messages" is missing/],
    ['a text', { messages: 'q' }, /"messages" must be a list of messages, but is "q"/],
    ['an answer alone', { messages: [a('x')] }, /must hold a user message before the answer/],
    ['two answers at the end', { messages: [u('q'), a('x'), a('y')] }, /ends with role "assistant"/],
    ['a system message at the end', { messages: [u('q'), s('x')] }, /must end with an assistant message, but ends with role "system"/],
    ['a blank answer', { messages: [u('q'), a(' ')] }, /reference chain and must not be empty/],
    [
      'a speaker of tools',
      {
        conversations: [
          { from: 'human', value: 'q' },
          { from: 'function_call', value: '{}' },
        ],
      },
      /"conversations\.1\.from" must be one of .*gpt/,
    ],
    ['both lists', { messages: [u('q'), a('x')], conversations: [u('q'), a('x')] }, /both given/],
    ['tools', { messages: [u('q'), a('x')], tools: [{ name: 'f' }] }, /"tools" is not read by format "messages".*tools are not supported/],
    ['functions', { messages: [u('q'), a('x')], functions: '[{}]' }, /"functions" is not read/],
    ['documents', { messages: [u('q'), a('x')], documents: [{ text: 'x' }] }, /"documents" is not read/],
    [
      'arguments of the template',
      { messages: [u('q'), a('x')], chat_template_kwargs: 'enable_thinking' },
      /"chat_template_kwargs" must be an object of arguments by name/,
    ],
    ['a label', { messages: [u('q'), a('x')], label: false }, /"label" seems to say how good/],
    [
      'an untrained answer',
      { messages: [u('q'), { ...a('x'), weight: 0 }] },
      /"messages\.1\.weight" says that this message is not trained on/,
    ],
    ['another prompt', { messages: [u('q'), a('x')], prompt: 'r' }, /"prompt" is not read by format "messages"/],
    ['a pair', { messages: [u('q'), a('x')], chosen: 'x', rejected: 'y' }, /"chosen" is not read.*Did you mean format "preference"\?/],
  ])('%s is refused', async (_, row, message) => {
    const found = await refusal('messages', [row])
    expect([found.code, found.where?.slice(-2)]).toEqual(['PLUMB_DATA_FIELD', ':1'])
    expect(found.message).toMatch(message)
  })
})

describe('questions and answers', () => {
  test('TRL’s conversational prompt and completion', async () => {
    const prompt = [s('Be brief.'), u('p'), a('x'), u('q')]
    const [record] = await read('qa', [{ prompt, completion: [a(' y\n')] }])
    expect(record).toEqual({ id: 'data-1', prompt: 'q', messages: prompt, candidates: [{ text: ' y\n', positive: true, reference: true }] })
  })

  test.each<[string, object, readonly ChatMessage[]]>([
    ['system', { system: 'Be brief.', instruction: 'q', output: 'x' }, [s('Be brief.'), u('q')]],
    ['system_prompt (OpenOrca)', { system_prompt: 'Be brief.', question: 'q', response: 'x' }, [s('Be brief.'), u('q')]],
    [
      'history',
      {
        instruction: 'q',
        output: 'x',
        history: [
          ['1', '2'],
          ['3', '4'],
        ],
      },
      [u('1'), a('2'), u('3'), a('4'), u('q')],
    ],
    [
      'all of Alpaca',
      { instruction: 'q', input: '', output: 'x', system: 'Be brief.', history: [['1', '2']] },
      [s('Be brief.'), u('1'), a('2'), u('q')],
    ],
    ['a list and a text', { prompt: [u('q')], completion: 'x' }, [u('q')]],
    ['a text and a list', { prompt: 'q', completion: [a('x')] }, [u('q')]],
  ])('%s becomes messages', async (_, row, messages) => {
    const [record] = await read('qa', [row])
    expect([record?.prompt, record?.messages, record?.literal, record?.candidates[0]?.text]).toEqual(['q', messages, undefined, 'x'])
  })

  test('NuminaMath repeats its exchange in messages', async () => {
    const row = { problem: 'q', solution: 'x', messages: [u('q'), a('x')] }
    expect((await read('qa', [row]))[0]).toEqual({
      id: 'data-1',
      prompt: 'q',
      candidates: [{ text: 'x', positive: true, reference: true }],
    })
    expect((await refusal('qa', [{ ...row, messages: [s('z'), u('q'), a('x')] }])).message).toMatch(/another conversation/)
  })

  test.each<[string, object, RegExp]>([
    [
      'a completion of two messages',
      { prompt: [u('q')], completion: [a('x'), a('y')] },
      /"completion" must hold the assistant's answer alone/,
    ],
    ['a completion of the user', { prompt: [u('q')], completion: [u('x')] }, /must end with an assistant message/],
    ['an empty prompt list', { prompt: [], completion: [a('x')] }, /expected a question/],
    ['a blank completion', { prompt: [u('q')], completion: [a(' ')] }, /"completion" is the reference chain and must not be empty/],
    ['history beside a list', { prompt: [u('q')], completion: [a('x')], history: [['1', '2']] }, /"history" needs a question in text/],
  ])('%s is refused', async (_, row, message) => {
    expect((await refusal('qa', [row])).message).toMatch(message)
  })
})

describe('ranked', () => {
  const completions = [
    { rank: 0, completion: [good] },
    { rank: 1, completion: [bad] },
  ]
  test('the whole context', async () => {
    const context = [s('Be brief.'), u('p'), a('x'), u('q')]
    expect((await read('ranked', [{ context, completions, task_name: 't' }]))[0]).toEqual({
      id: 'data-1',
      prompt: 'q',
      messages: context,
      candidates: [
        { text: 'good', reward: 0 },
        { text: 'bad', reward: -1 },
      ],
    })
  })

  test.each<[string, object, RegExp]>([
    ['a context that ends with an answer', { context: [u('q'), a('x')], completions }, /"context" must end with a user message/],
    ['an empty context', { context: [], completions }, /"context" must hold messages/],
    ['a blank question', { context: [u(' ')], completions }, /must not be empty/],
    [
      'a completion of several messages',
      { context: [u('q')], completions: [{ rank: 0, completion: [good, u('r'), good] }] },
      /"completions\.0\.completion" must hold the assistant's answer alone/,
    ],
    [
      'a completion without one',
      { context: [u('q')], completions: [{ rank: 0, completion: [] }] },
      /must hold messages, but is an empty list/,
    ],
    ['a blank question in text', { question: ' ', candidates: [{ text: 'x', rating: 1 }] }, /"question" must not be empty/],
    [
      'context beside ratings',
      { question: 'q', context: 'The sky is blue.', candidates: [{ text: 'x', rating: 1 }] },
      /"context" belongs to "completions"/,
    ],
    ['a system column', { question: 'q', system: 'x', candidates: [{ text: 'x', rating: 1 }] }, /"system" is not read by format "ranked"/],
  ])('%s is refused', async (_, row, message) => {
    const found = await refusal('ranked', [row])
    expect([found.code, found.message]).toEqual(['PLUMB_DATA_FIELD', expect.stringMatching(message)])
  })
})

describe('groups', () => {
  test('messages and literal, as records have them', async () => {
    const rows = [
      { id: 'a', prompt: 'q', messages: [s('x'), u('q')], candidates: [{ text: 'y' }] },
      { id: 'b', prompt: 'The sky is', literal: true, candidates: [] },
    ]
    expect(await read('groups', rows)).toEqual(rows)
    expect((await read('groups', [{ messages: [u('q')] }]))[0]).toMatchObject({ prompt: 'q', messages: [u('q')] })
    // TRL's prompt-only type.
    expect((await read('groups', [{ prompt: [s('x'), u('q')] }]))[0]).toMatchObject({ prompt: 'q', messages: [s('x'), u('q')] })
  })

  test.each<[string, object, RegExp]>([
    ['another prompt', { prompt: 'r', messages: [u('q')] }, /"prompt" must be the text of the last user message/],
    ['an answer in messages', { messages: [u('q'), a('x')] }, /must end with a user message before the answer/],
    ['literal messages', { messages: [u('q')], literal: true }, /"literal" is for a "prompt" in text/],
    ['two lists', { prompt: [u('q')], messages: [u('q')] }, /"prompt" and "messages" are both lists/],
    [
      'an empty reference',
      { prompt: 'q', candidates: [{ text: ' ', reference: true }] },
      /"candidates\.0\.text" is a reference chain and must not be empty/,
    ],
  ])('%s is refused', async (_, row, message) => {
    expect((await refusal('groups', [row])).message).toMatch(message)
  })
})

test('a question’s key: the same question in any file, another with other turns', async () => {
  const [plain] = await read('qa', [{ question: ' q', answer: '1' }])
  const [chat] = await read('messages', [{ id: 'z', messages: [u('q '), a('other')] }])
  const [literal] = await read('preference', [{ prompt: 'q', chosen: 'x', rejected: 'y' }])
  const [system] = await read('messages', [{ messages: [s('x'), u('q'), a('1')] }])
  const [turns] = await read('messages', [{ messages: [u('p'), a('x'), u('q'), a('1')] }])
  const keys = [plain, chat, literal, system, turns].map((record) => record && questionKey(record))
  expect(new Set(keys.slice(0, 3)).size).toBe(1)
  expect(new Set(keys).size).toBe(3)
})
