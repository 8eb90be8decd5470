import { Args, Command, Flags } from '@oclif/core'
import type { Collection } from '../run-folders/gc'

export default class Gc extends Command {
  static override enableJsonFlag = true

  static override strict = false

  static override summary = 'Say what can go from run folders; with --delete, remove it.'

  static override description =
    'A run folder keeps what earlier settings made. This finds finished stages that no report in the folder was made from, unfinished work that a later comparison has left behind, and what killed ' +
    'processes left. What a report was made from stays, and so does whatever was begun since the latest one: a run of any of them goes on with nothing done again. --keep latest gives up all comparisons but ' +
    'the latest (of a sweep all its runs).\n\n' +
    'Without --delete nothing is touched. A run in which a process works is refused.'

  static override examples = [
    '<%= config.bin %> gc',
    '<%= config.bin %> gc runs/default --delete',
    '<%= config.bin %> gc runs/* --keep latest',
  ]

  static override args = {
    run: Args.string({ description: 'Run folders; the run of the nearest configuration where none is named.' }),
  }

  static override flags = {
    config: Flags.string({ char: 'c', summary: 'The configuration whose run it is, where no RUN is named.', helpValue: 'FILE' }),
    set: Flags.string({ multiple: true, multipleNonGreedy: true, summary: 'Overrides one key, as for run.', helpValue: 'KEY=VALUE' }),
    keep: Flags.option({
      options: ['reports', 'latest'] as const,
      default: 'reports' as const,
      summary: 'What stays: all comparisons that have a report, or the latest.',
    })(),
    delete: Flags.boolean({ summary: 'Remove it, instead of saying what would be removed.' }),
  }

  async run(): Promise<{ readonly runs: readonly Collection[] }> {
    const { argv, flags } = await this.parse(Gc)
    const { collectAll, renderCollection } = await import('../run-folders/session.js')
    const runs = await collectAll({
      runs: argv as string[],
      configFile: flags.config,
      overrides: flags.set ?? [],
      keep: flags.keep,
      deletes: flags.delete,
      say: (message) => this.logToStderr(message),
    })
    this.log(runs.map(renderCollection).join('\n\n'))
    return { runs }
  }

  /** Errors are printed in one place, for text and for JSON: `main`. */
  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
