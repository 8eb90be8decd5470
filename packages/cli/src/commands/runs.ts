import { Args, Command } from '@oclif/core'
import type { ListedRun } from '../run-folders/list'

export default class Runs extends Command {
  static override enableJsonFlag = true

  static override summary = 'List runs: when, how far, model, seeds, best row and size.'

  static override description =
    'Looks for run folders in FOLDER and below it, and touches nothing. done: the run has a report, and nothing was begun since. interrupted: a stage was begun and not finished; the same command goes ' +
    'on. partial: every stage that was begun is finished, and there is no report yet, as after --stage label. damaged: a file is not as it was written. ' +
    'The best row is the one of the highest accuracy in the latest report, or of the highest assessment accuracy where nothing is asked.'

  static override examples = ['<%= config.bin %> runs', '<%= config.bin %> runs runs --json']

  static override args = {
    folder: Args.string({ description: 'Where to look; this folder when absent.', default: '.' }),
  }

  async run(): Promise<{ readonly runs: readonly ListedRun[] }> {
    const { args } = await this.parse(Runs)
    const [{ listRuns }, { renderRuns }] = await Promise.all([import('../run-folders/list.js'), import('../run-folders/render.js')])
    const runs = await listRuns(args.folder)
    this.log(runs.length === 0 ? `There is no run in ${args.folder === '.' ? 'this folder' : args.folder}.` : renderRuns(runs))
    return { runs }
  }

  /** Errors are printed in one place, for text and for JSON: `main`. */
  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
