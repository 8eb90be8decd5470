import { Args, Command, Flags } from '@oclif/core'
import type { WrittenReport } from '../report/html'

export default class Report extends Command {
  static override enableJsonFlag = true

  static override strict = false

  static override summary = 'Write a run, or several, as one HTML page to look at and to send.'

  static override description =
    'The page holds the table with its intervals and paired differences, training curves, scores before and after, their calibration, every test question with ' +
    'what each model answers, samples, data, configuration, time and tokens. It is one file that loads nothing; its tables and charts need no JavaScript.\n\n' +
    'RUN is a run folder, a report-<key>.json in one, or the sweep-<key>.json of "plumb run --seeds" and "--sweep". Of several runs the page has means with intervals over runs before the runs themselves. ' +
    'Nothing is run: an unfinished run is shown as far as it is, and the page says what is missing.'

  static override examples = [
    '<%= config.bin %> report',
    '<%= config.bin %> report runs/default --out report.html',
    '<%= config.bin %> report runs/seed-0 runs/seed-1 runs/seed-2',
  ]

  static override args = {
    run: Args.string({ description: 'Run folders; the run of the nearest configuration where none is named.' }),
  }

  static override flags = {
    config: Flags.string({ char: 'c', summary: 'The configuration whose run it is, where no RUN is named.', helpValue: 'FILE' }),
    set: Flags.string({ multiple: true, multipleNonGreedy: true, summary: 'Overrides one key, as for run.', helpValue: 'KEY=VALUE' }),
    out: Flags.string({
      char: 'o',
      summary: 'The file to write; report.html in the run folder, of several runs in this folder.',
      helpValue: 'FILE',
    }),
    questions: Flags.integer({
      min: 0,
      summary: 'How many test questions the page has in all; those whose answers changed come first. 3000 when absent.',
      helpValue: 'N',
    }),
  }

  async run(): Promise<WrittenReport> {
    const { argv, flags } = await this.parse(Report)
    const { writeReport } = await import('../report/html.js')
    const written = await writeReport({
      runs: argv as string[],
      configFile: flags.config,
      overrides: flags.set ?? [],
      out: flags.out,
      questions: flags.questions,
    })
    this.log(written.sentence)
    return written
  }

  /** Errors are printed in one place, for text and for JSON: `main`. */
  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
