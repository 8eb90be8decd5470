import { Args, Command } from '@oclif/core'
import { printable } from '@plumbline/core/base'

export default class PluginsUninstall extends Command {
  static override enableJsonFlag = true

  static override aliases = ['plugins:remove', 'plugins:unlink']

  static override strict = false

  static override summary = 'Remove an installed plugin, or the link to one.'

  static override description = 'The folder of a linked plugin is left as it is.'

  static override examples = ['<%= config.bin %> plugins uninstall plumbline-plugin-margin']

  static override args = {
    plugin: Args.string({ description: 'Names of installed or linked plugins.', required: true }),
  }

  async run(): Promise<{ readonly removed: readonly string[] }> {
    const { argv } = await this.parse(PluginsUninstall)
    const [{ uninstallPlugin }, { PluginStore }] = await Promise.all([
      import('../../plugins/uninstall.js'),
      import('../../plugins/store.js'),
    ])
    const store = new PluginStore(this.config.dataDir)
    const removed: string[] = []
    for (const given of argv as string[]) {
      removed.push(await uninstallPlugin(given, store))
      this.log(printable(`Removed ${removed.at(-1) ?? ''}.`))
    }
    return { removed }
  }

  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
