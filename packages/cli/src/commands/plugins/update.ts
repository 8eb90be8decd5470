import { Command } from '@oclif/core'
import { printable } from '@plumbline/core/base'
import type { Installed } from '../../plugins/install'

export default class PluginsUpdate extends Command {
  static override enableJsonFlag = true

  static override summary = 'Install the newest release of every installed plugin.'

  static override description =
    'Of what was installed by a version or tag, the newest that it allows; from a folder, a tarball or an address, what is there now. Linked plugins need none.'

  static override examples = ['<%= config.bin %> plugins update']

  async run(): Promise<{ readonly plugins: readonly Installed[] }> {
    await this.parse(PluginsUpdate)
    const [{ installPlugin }, { PluginStore }, { builtIns }] = await Promise.all([
      import('../../plugins/install.js'),
      import('../../plugins/store.js'),
      import('../../run/plugins.js'),
    ])
    const store = new PluginStore(this.config.dataDir)
    const own = await builtIns(this.config.version)
    const plugins: Installed[] = []
    for (const { name, type, tag = 'latest', url } of await store.entries()) {
      if (type !== 'user') continue
      const installed = await installPlugin(url ?? `${name}@${tag}`, store, own)
      plugins.push(installed)
      this.log(printable(`${installed.name} ${installed.version}`))
    }
    if (plugins.length === 0) this.log('No plugins are installed that could be updated.')
    return { plugins }
  }

  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
