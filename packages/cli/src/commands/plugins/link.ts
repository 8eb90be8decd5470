import { resolve } from 'node:path'
import { Args, Command } from '@oclif/core'
import { printable } from '@plumbline/core/base'

export default class PluginsLink extends Command {
  static override enableJsonFlag = true

  static override summary = 'Use the plugin in a folder, as it is, while you write it.'

  static override description =
    'Nothing is copied or installed: every run loads what is in the folder then, and does again what a change of its code touches. ' +
    'One that cannot be loaded yet is linked all the same, with a warning.'

  static override examples = ['<%= config.bin %> plugins link', '<%= config.bin %> plugins link ../my-loss']

  static override args = {
    folder: Args.string({ description: 'The folder of its package.json.', default: '.' }),
  }

  async run(): Promise<{ readonly name: string; readonly root: string; readonly things: readonly string[]; readonly warning?: string }> {
    const { args } = await this.parse(PluginsLink)
    const root = resolve(args.folder)
    const [{ bringsOf, shownBrought }, { nameOfFolder }, { PluginStore }, { builtIns }] = await Promise.all([
      import('../../plugins/brings.js'),
      import('../../plugins/spec.js'),
      import('../../plugins/store.js'),
      import('../../run/plugins.js'),
    ])
    const name = nameOfFolder(root, args.folder)
    const store = new PluginStore(this.config.dataDir)
    await store.prepare()
    await store.add({ name, type: 'link', root })
    const found = await bringsOf(root, await builtIns(this.config.version)).catch((error: unknown) => error as Error)
    if (found instanceof Error) {
      const warning = `It cannot be used yet: ${found.message}`
      this.logToStderr(printable(`warning: ${warning}`))
      this.log(printable(`Linked ${name}.`))
      return { name, root, things: [], warning }
    }
    this.log(printable(`Linked ${name}: ${shownBrought(found)}.`))
    return { name, root, things: found.things }
  }

  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
