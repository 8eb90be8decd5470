import { Args, Command } from '@oclif/core'
import { printable } from '@plumbline/core/base'
import type { Installed } from '../../plugins/install'

export default class PluginsInstall extends Command {
  static override enableJsonFlag = true

  static override aliases = ['plugins:add']

  static override strict = false

  static override summary = 'Install a plugin for every run.'

  static override description =
    'PLUGIN is what npm takes: a name with or without a version or tag, a folder, a tarball, an address. It is loaded once to see that it works; what is no plugin is not kept. ' +
    'A plugin that a project needs is better installed beside the configuration, with npm, and listed there under "plugins".'

  static override examples = [
    '<%= config.bin %> plugins install plumbline-plugin-margin',
    '<%= config.bin %> plugins install ./my-loss',
    '<%= config.bin %> plugins install plumbline-plugin-margin-1.0.0.tgz',
  ]

  static override args = {
    plugin: Args.string({ description: 'The plugins to install.', required: true }),
  }

  async run(): Promise<{ readonly plugins: readonly Installed[] }> {
    const { argv } = await this.parse(PluginsInstall)
    const [{ installPlugin }, { shownBrought }, { PluginStore }, { builtIns }] = await Promise.all([
      import('../../plugins/install.js'),
      import('../../plugins/brings.js'),
      import('../../plugins/store.js'),
      import('../../run/plugins.js'),
    ])
    const store = new PluginStore(this.config.dataDir)
    const own = await builtIns(this.config.version)
    const plugins: Installed[] = []
    for (const given of argv as string[]) {
      const installed = await installPlugin(given, store, own)
      plugins.push(installed)
      this.log(printable(`Installed ${installed.name} ${installed.version}: ${shownBrought(installed)}.`))
    }
    return { plugins }
  }

  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
