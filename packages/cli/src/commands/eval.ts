import { Args, Flags } from '@oclif/core'
import { InterruptedError } from '../errors/user-error'
import type { EvalReport } from '../eval/session'
import { PipelineCommand } from '../pipeline-command'
import { resumeCommand } from '../run/resume'

export default class Eval extends PipelineCommand {
  static override strict = false

  static override summary = 'Measure a model on data files, and against a baseline.'

  static override description =
    'Greedy answers to the questions of a file, judged as the evaluate stage of the run judges those of data.test: by the same code, with the prompts, lengths and stop strings of the ' +
    'configuration. MODEL is VFT or a variant of the run, or a folder (of Hugging Face, or a PEFT adapter); for a folder no configuration is needed.\n\n' +
    'DATA is read as the configuration reads it where that names the file, as --format says, or as what it looks like, in any registered format. Of several files each is reported, and all together.\n\n' +
    '--baseline names another model and gives the paired difference: both answer the same questions, so what makes a question hard cancels. ' +
    'Nothing is trained, and nothing is written into the run folder. An evaluation that was stopped or killed goes on where it was when the same command is given again.'

  static override examples = [
    '<%= config.bin %> eval boundary test-hard.jsonl --baseline VFT',
    '<%= config.bin %> eval models/smollm gsm8k/test.jsonl --labeler math --out answers.jsonl',
  ]

  static override args = {
    model: Args.string({ description: 'VFT, a variant of the run, or a model folder.', required: true }),
    data: Args.string({ description: 'Data files, of any registered format.', required: true }),
  }

  static override flags = {
    baseline: Flags.string({ char: 'b', summary: 'Another model, which the difference is to.', helpValue: 'NAME|FOLDER' }),
    labeler: Flags.string({
      summary: 'Who judges the answers; as the run does (evaluate.label, or label) when absent.',
      helpValue: 'NAME',
    }),
    format: Flags.string({ summary: 'The format of DATA, where it is not to be found out.', helpValue: 'NAME' }),
    limit: Flags.integer({ min: 1, summary: 'Only the first N records of each file.', helpValue: 'N' }),
    out: Flags.string({ char: 'o', summary: 'Write every answer into this file, one JSON object a line.', helpValue: 'FILE' }),
  }

  async run(): Promise<EvalReport> {
    const { argv, flags } = await this.parse(Eval)
    const [model = '', ...data] = argv as string[]
    const { evaluate } = await import('../eval/session.js')
    const report = await this.withProgress(flags, stopped, ({ signal, onEvent }) =>
      evaluate({
        configFile: flags.config,
        overrides: flags.set ?? [],
        model,
        data,
        baseline: flags.baseline,
        labeler: flags.labeler,
        format: flags.format,
        limit: flags.limit,
        out: flags.out,
        oclif: this.config,
        signal,
        onEvent,
      }),
    )
    const { renderEvaluation } = await import('../eval/render.js')
    this.log(renderEvaluation(report, data))
    return report
  }
}

const stopped = ({ message }: Error) =>
  new InterruptedError(
    /^Stopped; .*/.exec(message)?.[0] ?? 'Stopped; what is answered is kept.',
    resumeCommand({ argv: process.argv, env: process.env, cwd: process.cwd() }),
  )
