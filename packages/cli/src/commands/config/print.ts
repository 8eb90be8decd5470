import { Command, Flags } from '@oclif/core'
import type { PrintedConfig } from '@plumbline/core'

export default class ConfigPrint extends Command {
  static override enableJsonFlag = true

  static override summary = 'Print the whole configuration, defaults included.'

  static override description =
    'What a run would take, checked as a run checks it: shorthands written out, defaults filled in, those of plugins too, overrides applied. ' +
    'Paths and ${env:…} stand as they were written, so that nothing secret is shown.'

  static override examples = ['<%= config.bin %> config print --origin', '<%= config.bin %> config print --set sft.epochs=1 --json']

  static override flags = {
    config: Flags.string({ char: 'c', summary: 'The configuration; by default the nearest one, as for run.', helpValue: 'FILE' }),
    set: Flags.string({ multiple: true, multipleNonGreedy: true, summary: 'Overrides one key, as for run.', helpValue: 'KEY=VALUE' }),
    origin: Flags.boolean({ summary: 'Say behind each key where it comes from: the default, file and line, --set, the environment.' }),
  }

  async run(): Promise<PrintedConfig> {
    const { flags } = await this.parse(ConfigPrint)
    const [{ loadConfig, printedConfig, renderConfig, resolveConfig }, { loadAllPlugins }] = await Promise.all([
      import('@plumbline/core'),
      import('../../run/plugins.js'),
    ])
    const loaded = await loadConfig({ path: flags.config, overrides: flags.set ?? [] })
    const { registry } = await loadAllPlugins(loaded.config.plugins, loaded.folder, this.config)
    await resolveConfig(loaded, registry).context.dispose()
    const printed = printedConfig(loaded, registry)
    this.log(renderConfig(printed, { origins: flags.origin }).trimEnd())
    return printed
  }

  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
