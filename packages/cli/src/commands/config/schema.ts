import { Command, Flags } from '@oclif/core'

export default class ConfigSchema extends Command {
  static override enableJsonFlag = true

  static override summary = 'Print a JSON Schema of the configuration, for editors.'

  static override description =
    'Every key with what it means, and the options of the plugins that are there: the built-in ones, the installed ones, and those that the configuration lists. ' +
    '"plumb init" writes it beside the configuration; write it again after installing a plugin.'

  static override examples = ['<%= config.bin %> config schema > plumbline.schema.json']

  static override flags = {
    config: Flags.string({
      char: 'c',
      summary: 'The configuration whose plugins are described, too; by default the nearest one.',
      helpValue: 'FILE',
    }),
  }

  async run(): Promise<Readonly<Record<string, unknown>>> {
    const { flags } = await this.parse(ConfigSchema)
    const [{ configJsonSchema }, { listedPlugins }, { loadAllPlugins }] = await Promise.all([
      import('@plumbline/core'),
      import('../../config/listed-plugins.js'),
      import('../../run/plugins.js'),
    ])
    const { listed, folder } = await listedPlugins(flags.config)
    const { registry } = await loadAllPlugins(listed, folder, this.config)
    const schema = configJsonSchema(registry)
    this.log(JSON.stringify(schema, undefined, 2))
    return schema
  }

  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
