import { PassThrough, Readable } from 'node:stream'
import { join } from 'node:path'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { PlumbError, type AskedModel } from '@plumbline/core'
import { chat } from '../src/answer/chat'
import { columnWidth, renderSideBySide, wrapped } from '../src/answer/columns'
import { readQuestion } from '../src/answer/question'
import { folderWith, LEARNING_CONFIG, plumb, tinyProject, type PlumbOptions } from './cli'

jest.setTimeout(180_000)

/** With a standard input that ends at once, or holds a text. */
const asked = (args: readonly string[], options: PlumbOptions = {}, stdin = '') =>
  plumb(['answer', ...args], { ...options, started: (child) => child.stdin?.end(stdin) })

interface Answers {
  readonly question: string
  readonly answers: readonly { readonly model: string; readonly text: string; readonly finish: string; readonly completionTokens: number }[]
}

describe('answers side by side', () => {
  it('stand so where every column is wide enough to be read', () => {
    expect(columnWidth(3, 100)).toBe(32)
    expect([columnWidth(3, 99), columnWidth(1, 200), columnWidth(2, undefined)]).toEqual([undefined, undefined, undefined])
  })

  it('each stand under the name of the model, in lines that fit', () => {
    const answer = (model: string, text: string) => ({ model, text, finish: 'eos' as const, completionTokens: 4, promptTokens: 1 })
    const shown = renderSideBySide([answer('VFT', '3 + 4 = 7\n#### 7'), answer('boundary', 'Three and four are seven. 答えは七です。')], 14)
    expect(shown).toBe(
      [
        'VFT             boundary',
        '---             --------',
        '3 + 4 = 7       Three and four',
        '#### 7          are seven.',
        '                答えは七です。',
      ].join('\n'),
    )
  })

  it('keep every character of a line that is broken', () => {
    expect(wrapped('a'.repeat(9), 4)).toEqual(['aaaa', 'aaaa', 'a'])
    expect(wrapped('  deep in', 6)).toEqual(['  deep', 'in'])
    expect(wrapped('', 4)).toEqual([''])
  })
})

describe('plumb answer', () => {
  const cwd = tinyProject(LEARNING_CONFIG)
  beforeAll(async () => {
    expect((await plumb(['run', '--quiet'], { cwd })).code).toBe(0)
  })

  it("asks every model of the run, with the run's template, and answers as the evaluation did", async () => {
    const { code, stdout, stderr } = await asked(['What is 100 + 1?', '--json'], { cwd })
    expect([code, stderr]).toEqual([0, ''])
    const { question, answers } = JSON.parse(stdout) as Answers
    expect([question, answers.map(({ model }) => model)]).toEqual(['What is 100 + 1?', ['VFT', 'boundary', 'further-sft']])
    for (const { model, text } of answers) {
      const folder = readdirSync(join(cwd, 'run')).find((name) => name.startsWith(`evaluate-${model}-`)) ?? ''
      const [first = ''] = readFileSync(join(cwd, 'run', folder, 'answers.jsonl'), 'utf8').split('\n')
      expect(JSON.parse(first)).toMatchObject({ text })
    }
    const shown = await asked(['What is 100 + 1?'], { cwd })
    expect(shown.stdout).toBe(answers.map(({ model, text }) => `${model}\n  ${text}\n`).join('\n'))
  })

  it('takes the question from the standard input and from a file, and one model by its name', async () => {
    writeFileSync(join(cwd, 'question.txt'), 'What is 7 + 5?\n')
    const fromFile = await asked(['--question-file', 'question.txt', '--model', 'VFT', '--json'], { cwd })
    const fromStdin = await asked(['-m', 'VFT', '--json'], { cwd }, 'What is 7 + 5?\n')
    expect(fromFile).toEqual(fromStdin)
    expect(JSON.parse(fromFile.stdout)).toMatchObject({ question: 'What is 7 + 5?', answers: [{ model: 'VFT', finish: 'eos' }] })
  })

  it('draws at a temperature', async () => {
    // at a temperature the backend of this test gives its plain answer
    const drawn = await asked(['What is 3 + 4?', '-m', 'boundary', '--temperature', '0.7', '--seed', '5'], { cwd })
    expect([drawn.code, drawn.stdout]).toEqual([0, 'boundary\n  3 + 4 = 7 #### 7\n'])
  })

  it('asks a folder, without a configuration too', async () => {
    const elsewhere = folderWith({ 'm/config.json': '{}' })
    const plugin = `plugins=[${JSON.stringify(join(__dirname, 'fixtures', 'learning-backend.cjs'))}]`
    const { code, stdout, stderr } = await asked(['What is 4 + 4?', '-m', 'm', '--set', plugin, '--set', 'backend=fake'], {
      cwd: elsewhere,
    })
    expect([code, stderr, stdout]).toEqual([0, '', expect.stringMatching(/^m\n {2}/) as string])
    const inProject = await asked(['What is 4 + 4?', '--model', 'model'], { cwd })
    expect([inProject.code, inProject.stdout]).toEqual([0, expect.stringMatching(/^model\n {2}/) as string])
  })

  it('names the models that are not made yet, and asks the others', async () => {
    const { code, stdout, stderr } = await asked(['What is 4 + 4?', '--set', 'align.0.beta=0.9'], { cwd })
    expect([code, stderr]).toEqual([0, 'warning: Not made yet, and not asked: boundary.\n'])
    expect(stdout.match(/^\S+$/gm)).toEqual(['VFT', 'further-sft'])
  })

  it.each([
    [
      ['x', '--model', 'bundary'],
      /^PLUMB_UNKNOWN_MODEL {2}"bundary" is neither a model of this run nor a model folder\. Did you mean "boundary"\?\n$/,
    ],
    [
      ['x', '--model', 'boundary', '--set', 'align.0.beta=0.9'],
      /^PLUMB_NOT_TRAINED {2}run {2}align boundary is not done with this configuration, so there is no model of it yet; "plumb run" makes it\.\n$/,
    ],
    [
      ['x', '--seed', '3'],
      /^PLUMB_USAGE {2}plumb answer {2}--seed changes nothing where the likeliest token is taken; give --temperature too\.\n$/,
    ],
    [
      ['x', '--temperature', 'warm'],
      /^PLUMB_USAGE {2}plumb answer {2}Expected --temperature to be a number of at least 0, but got "warm"\.\n$/,
    ],
    [['--question-file', 'nowhere.txt'], /^PLUMB_SYSTEM {2}.*nowhere\.txt/],
    [['1 + 1 ' + 'x'.repeat(300), '--model', 'VFT'], /^PLUMB_PROMPT_TOO_LONG {2}/],
  ] as const)('%j is refused in one sentence', async (args, expected) => {
    const { code, stdout, stderr } = await asked(args, { cwd })
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringMatching(expected) as string])
  })
})

describe('the question', () => {
  const stdin = (text: string | Uint8Array, isTTY = false) => Object.assign(Readable.from([Buffer.from(text)]), { isTTY })
  const folder = folderWith({ 'question.txt': 'Two\nlines?\r\n', 'empty.txt': ' \n' })
  writeFileSync(join(folder, 'binary'), Buffer.from([0xff, 0xfe, 0x00]))

  it('is the argument, a file less the line break at its end, or the standard input; a person is asked', async () => {
    expect(await readQuestion({ argument: 'One?', stdin: stdin('three') })).toBe('One?')
    expect(await readQuestion({ file: join(folder, 'question.txt'), stdin: stdin('three') })).toBe('Two\nlines?')
    expect(await readQuestion({ stdin: stdin('Three?\n') })).toBe('Three?')
    expect(await readQuestion({ stdin: stdin('', true) })).toBeUndefined()
  })

  it('is refused where it is said twice, is empty, or is no text', async () => {
    const codeOf = (sources: Parameters<typeof readQuestion>[0]) => expect(readQuestion(sources)).rejects
    await codeOf({ argument: 'x', file: 'y', stdin: stdin('') }).toMatchObject({ code: 'PLUMB_ANSWER_TWO_QUESTIONS' })
    await codeOf({ argument: '  ', stdin: stdin('') }).toMatchObject({ code: 'PLUMB_ANSWER_NO_QUESTION' })
    await codeOf({ stdin: stdin('') }).toMatchObject({ code: 'PLUMB_ANSWER_NO_QUESTION', where: 'stdin' })
    await codeOf({ file: join(folder, 'empty.txt'), stdin: stdin('') }).toMatchObject({ code: 'PLUMB_ANSWER_NO_QUESTION' })
    await codeOf({ file: join(folder, 'binary'), stdin: stdin('') }).toMatchObject({
      message: 'Expected a question as text in UTF-8, but this is something else.',
    })
  })
})

describe('a conversation', () => {
  /** Answers with the number of messages, and stops at "long" and "boom". */
  const partner: AskedModel = {
    name: 'boundary',
    ask: () => Promise.reject(new Error('a conversation is no single question')),
    chat: (messages, { onText } = {}) => {
      const last = messages.at(-1)?.content
      if (last === 'long') return Promise.reject(new PlumbError('PLUMB_PROMPT_TOO_LONG', 'too long'))
      const text = messages.map(({ role, content }) => `${role}:${content}`).join('|')
      for (const length of [3, 6, text.length]) onText?.(` ${text.slice(0, length)}`)
      return Promise.resolve({ text, finish: 'eos', promptTokens: 1, completionTokens: 1 })
    },
  }

  async function talk(lines: readonly string[]): Promise<string[]> {
    const [input, output] = [new PassThrough(), new PassThrough()]
    let written = ''
    output.setEncoding('utf8').on('data', (text: string) => (written += text))
    input.end(lines.map((line) => `${line}\n`).join(''))
    await chat(partner, { input, output, terminal: false }, {})
    return written.trimEnd().split('\n').slice(1)
  }

  it('goes on with what was said, begins anew with /reset, and ends with /exit', async () => {
    expect(await talk(['one', 'two', '/reset', 'three', '/exit', 'four'])).toEqual([
      'user:one',
      'user:one|assistant:user:one|user:two',
      'A new conversation.',
      'user:three',
    ])
  })

  it('stays as it was where a message is not answered; unknown commands are no messages', async () => {
    expect(await talk(['one', 'long', '/rest', 'two'])).toEqual([
      'user:one',
      "PLUMB_PROMPT_TOO_LONG  The conversation has become longer than the model's context allows; /reset begins anew.",
      expect.stringMatching(/^"\/rest" is not a command\. /) as string,
      'user:one|assistant:user:one|user:two',
    ])
  })
})
