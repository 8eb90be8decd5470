import { Command } from '@oclif/core'
import { printable } from '@plumbline/core/base'
import type { ListedPlugin } from '../../plugins/list'

export default class Plugins extends Command {
  static override enableJsonFlag = true

  static override summary = 'List installed plugins.'

  static override description =
    'The plugins that were installed or linked for the command line, with what they bring. Every run can use these without listing them.'

  static override examples = ['<%= config.bin %> plugins', '<%= config.bin %> plugins --json']

  async run(): Promise<{ readonly folder: string; readonly plugins: readonly ListedPlugin[] }> {
    await this.parse(Plugins)
    const { listPlugins, shownList } = await import('../../plugins/list.js')
    const plugins = await listPlugins(this.config.dataDir, this.config)
    this.log(printable(shownList(plugins)))
    return { folder: this.config.dataDir, plugins }
  }

  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
