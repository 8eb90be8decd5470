import { PassThrough } from 'node:stream'
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { PlumbError, type AskedModel } from '@plumbline/core'
import { chat } from '../src/answer/chat'
import { folderWith, LEARNING_CONFIG, plumb, tinyProject, type PlumbOptions } from './cli'

jest.setTimeout(180_000)

/** With a standard input that ends at once, or holds a text. */
const asked = (args: readonly string[], options: PlumbOptions = {}, stdin = '') =>
  plumb(['answer', ...args], { ...options, started: (child) => child.stdin?.end(stdin) })

interface Answers {
  readonly question: string
  readonly answers: readonly { readonly model: string; readonly text: string; readonly finish: string; readonly completionTokens: number }[]
}

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
    const { stdout: out } = await plumb(['eval', 'boundary', 'test.jsonl', '--json', '--out', 'answers.jsonl'], { cwd })
    expect(JSON.parse(out)).toMatchObject({ models: [{ name: 'boundary' }] })
    const text = await asked(['What is 100 + 1?'], { cwd })
    for (const { model, text: answer } of answers) expect(text.stdout).toContain(`${model}\n  ${answer}\n`)
  })

  it('takes the question from the standard input and from a file, and one model by its name', async () => {
    writeFileSync(join(cwd, 'question.txt'), 'What is 7 + 5?\n')
    const fromFile = await asked(['--question-file', 'question.txt', '--model', 'VFT', '--json'], { cwd })
    const fromStdin = await asked(['-m', 'VFT', '--json'], { cwd }, 'What is 7 + 5?\n')
    expect(fromFile).toEqual(fromStdin)
    expect(JSON.parse(fromFile.stdout)).toMatchObject({ question: 'What is 7 + 5?', answers: [{ model: 'VFT', finish: 'eos' }] })
  })

  it('draws at a temperature; cuts at --max-tokens', async () => {
    // at a temperature the backend of this test gives its plain answer
    const drawn = await asked(['What is 3 + 4?', '-m', 'boundary', '--temperature', '0.7', '--seed', '5'], { cwd })
    expect([drawn.code, drawn.stdout]).toEqual([0, 'boundary\n  3 + 4 = 7 #### 7\n'])
  })

  it('asks a folder, without a configuration too', async () => {
    const elsewhere = folderWith({ 'm/config.json': '{}' })
    const plugin = `plugins=[${JSON.stringify(join(__dirname, 'fixtures', 'learning-backend.cjs'))}]`
    const { code, stdout, stderr } = await asked(['What is 4 + 4?', '-m', 'm', '--set', plugin, '--set', 'backend=fake'], { cwd: elsewhere })
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
    [['x', '--question-file', 'question.txt'], /^PLUMB_ANSWER_TWO_QUESTIONS {2}The question stands on the command line and in a file; leave one of them out\.\n$/],
    [[], /^PLUMB_ANSWER_NO_QUESTION {2}stdin {2}The question is empty/],
    [['--question-file', 'nowhere.txt'], /^PLUMB_SYSTEM {2}.*nowhere\.txt/],
    [['--question-file', 'binary'], /^PLUMB_ANSWER_NO_QUESTION {2}binary {2}Expected a question as text in UTF-8/],
    [['x', '--model', 'bundary'], /^PLUMB_UNKNOWN_MODEL {2}"bundary" is neither a model of this run nor a model folder\. Did you mean "boundary"\?\n$/],
    [['x', '--model', 'boundary', '--set', 'align.0.beta=0.9'], /^PLUMB_NOT_TRAINED {2}run {2}align boundary is not done with this configuration, so there is no model of it yet; "plumb run" makes it\.\n$/],
    [['x', '--temperature', 'warm'], /^PLUMB_USAGE {2}plumb answer {2}Expected --temperature to be a number of at least 0, but got "warm"\.\n$/],
    [['x', '--seed', '3'], /^PLUMB_USAGE {2}plumb answer {2}--seed changes nothing where the likeliest token is taken; give --temperature too\.\n$/],
    [['x', '--max-tokens', '0'], /^PLUMB_USAGE {2}plumb answer {2}.*max-tokens/],
    [['1 + 1 ' + 'x'.repeat(300), '--model', 'VFT'], /^PLUMB_PROMPT_TOO_LONG {2}/],
    [['x', '--set', 'seed=99'], /^PLUMB_NOT_TRAINED {2}run {2}sft is not done/],
  ] as const)('%j is refused in one sentence', async (args, expected) => {
    writeFileSync(join(cwd, 'binary'), Buffer.from([0xff, 0xfe, 0x00]))
    const { code, stdout, stderr } = await asked(args, { cwd })
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringMatching(expected) as string])
  })
})

describe('a conversation', () => {
  /** Answers with the number of messages, and stops at "long" and "boom". */
  const partner: AskedModel = {
    name: 'boundary',
    ask: () => Promise.reject(new Error('a conversation is no single question')),
    chat: (messages) => {
      const last = messages.at(-1)?.content
      if (last === 'long') return Promise.reject(new PlumbError('PLUMB_PROMPT_TOO_LONG', 'too long'))
      const text = messages.map(({ role, content }) => `${role}:${content}`).join('|')
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
