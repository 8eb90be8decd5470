import { Args, Command, Flags } from '@oclif/core'
import type { ModelAnswer } from '../answer/session'
import { UserError } from '../errors/user-error'

interface Answers {
  readonly question: string
  readonly answers: readonly ModelAnswer[]
}

export default class Answer extends Command {
  static override enableJsonFlag = true

  static override summary = 'Ask the models of a run a question, or chat with one.'

  static override description =
    'The question goes to the stage-1 model (VFT) and to every variant that is made, in the form in which the run asks the questions of its data: with its template or ' +
    'conversations, its lengths, stop strings and adapters. Answers are greedy, as in the evaluation, unless --temperature is given. Nothing is trained or written. On a terminal that is wide enough answers stand side by side.\n\n' +
    'The question is PROMPT, the content of --question-file, or the standard input. On a terminal without any of them a conversation with one model begins, through the ' +
    "model's chat template; a model that has none is refused.\n\n" +
    '--model may be a folder: a model of Hugging Face or an adapter of PEFT. Where there is no configuration, it is asked through its chat template, or as plain text where it has none.'

  static override examples = [
    '<%= config.bin %> answer "What is 17 + 25?"',
    '<%= config.bin %> answer --model boundary --temperature 0.8 --seed 3 < question.txt',
    '<%= config.bin %> answer --model models/smollm',
  ]

  static override args = {
    prompt: Args.string({ description: 'The question.' }),
  }

  static override flags = {
    config: Flags.string({ char: 'c', summary: 'The configuration; by default the nearest one, as for run.', helpValue: 'FILE' }),
    set: Flags.string({ multiple: true, multipleNonGreedy: true, summary: 'Overrides one key, as for run.', helpValue: 'KEY=VALUE' }),
    model: Flags.string({ char: 'm', summary: 'Only this model: VFT, a variant, or a folder.', helpValue: 'NAME|FOLDER' }),
    'question-file': Flags.string({ summary: 'A file whose whole text is the question.', helpValue: 'FILE' }),
    temperature: Flags.string({ summary: 'Draw tokens at this temperature; 0, the default, takes the likeliest.', helpValue: 'T' }),
    seed: Flags.integer({ min: 0, summary: "Seed of the draws; the run's when absent. Needs --temperature.", helpValue: 'N' }),
    'max-tokens': Flags.integer({ min: 1, summary: 'Longer answers are cut off; evaluate.maxNewTokens when absent.', helpValue: 'N' }),
  }

  async run(): Promise<Answers | undefined> {
    const { args, flags } = await this.parse(Answer)
    const temperature = temperatureOf(flags.temperature)
    if (flags.seed !== undefined && temperature === 0) {
      throw new UserError(
        'PLUMB_USAGE',
        '--seed changes nothing where the likeliest token is taken; give --temperature too.',
        'plumb answer',
      )
    }
    const { readQuestion } = await import('../answer/question.js')
    const question = await readQuestion({ argument: args.prompt, file: flags['question-file'], stdin: process.stdin })
    const asked = { temperature, seed: flags.seed, maxNewTokens: flags['max-tokens'] }
    const { answerAll, withPartner } = await import('../answer/session.js')
    const options = {
      configFile: flags.config,
      overrides: flags.set ?? [],
      model: flags.model,
      oclif: this.config,
      say: (message: string) => this.logToStderr(`warning: ${message}`),
    }
    if (question === undefined) {
      if (this.jsonEnabled()) throw new UserError('PLUMB_USAGE', '--json is for the answers to one question; give it.', 'plumb answer')
      const { chat } = await import('../answer/chat.js')
      const io = { input: process.stdin, output: process.stdout, terminal: true }
      await withPartner(options, (model) => chat(model, io, asked))
      return undefined
    }
    const { renderModelAnswer } = await import('../answer/render.js')
    const { columnWidth, renderSideBySide } = await import('../answer/columns.js')
    const { stdout, stderr } = process
    const besides = (models: number) => (stdout.isTTY ? columnWidth(models, stdout.columns) : undefined)
    // Beside one another they can be shown when all are there; until then a line says how far it is.
    const wait = (text: string) => stdout.isTTY && stderr.isTTY && !this.jsonEnabled() && stderr.write(`\r\u001b[2K${text}`)
    let isFirst = true
    const answers = await answerAll(question, asked, options, {
      asking: (name, n, models) => besides(models) !== undefined && wait(`asking ${name} (${n + 1} of ${models}) …`),
      answered: (answer, models) => {
        if (besides(models) === undefined) this.log(`${isFirst ? '' : '\n'}${renderModelAnswer(answer)}`)
        isFirst = false
      },
    }).finally(() => wait(''))
    const width = besides(answers.length)
    if (width !== undefined) this.log(renderSideBySide(answers, width))
    return { question, answers }
  }

  /** Errors are printed in one place, for text and for JSON: `main`. */
  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}

function temperatureOf(text: string | undefined): number {
  if (text === undefined) return 0
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value
  throw new UserError('PLUMB_USAGE', `Expected --temperature to be a number of at least 0, but got "${text}".`, 'plumb answer')
}
