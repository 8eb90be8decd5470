import { Args, Command, Flags } from '@oclif/core'
import { printable } from '@plumbline/core/base'
import type { Strategy } from '../strategies/collect'

export default class Strategies extends Command {
  static override enableJsonFlag = true

  static override summary = 'List every loss, sampler, labeler, data format and backend that can be named.'

  static override description =
    'With the package that brings each, its version, its options with their defaults, and the paper. What is built in, what was installed, and what the configuration lists under "plugins".'

  static override examples = ['<%= config.bin %> strategies', '<%= config.bin %> strategies dpo', '<%= config.bin %> strategies --json']

  static override args = {
    name: Args.string({ description: 'Only what has this name, in full.' }),
  }

  static override flags = {
    config: Flags.string({
      char: 'c',
      summary: 'The configuration whose plugins are listed, too; by default the nearest one.',
      helpValue: 'FILE',
    }),
  }

  async run(): Promise<{ readonly strategies: readonly Strategy[]; readonly warnings: readonly string[] }> {
    const { args, flags } = await this.parse(Strategies)
    const [{ collectStrategies, named }, { renderStrategies, renderStrategy }, { listedPlugins }, { loadAllPlugins }] = await Promise.all([
      import('../strategies/collect.js'),
      import('../strategies/render.js'),
      import('../config/listed-plugins.js'),
      import('../run/plugins.js'),
    ])
    const { listed, folder } = await listedPlugins(flags.config)
    const { registry, warnings } = await loadAllPlugins(listed, folder, this.config)
    for (const warning of warnings) this.logToStderr(printable(`warning: ${warning}`))
    const all = await collectStrategies(registry, this.config.version)
    const strategies = args.name === undefined ? all : named(all, args.name)
    this.log(printable(args.name === undefined ? renderStrategies(strategies) : strategies.map(renderStrategy).join('\n\n')))
    return { strategies, warnings }
  }

  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
