import { Args, Command, Flags } from '@oclif/core'
import type { StageExplanation } from '@plumbline/core'

const STAGES = ['sft', 'sample', 'label', 'align', 'evaluate'] as const

export default class Why extends Command {
  static override enableJsonFlag = true

  static override summary = 'Say what a run would do with a stage, and why.'

  static override description =
    'Looks at the run folder without running or writing anything: which stages up to the one named would be reused, and of the first that ' +
    'would not, what has changed since it was last begun or done. What follows on that one starts from its results.'

  static override examples = ['<%= config.bin %> why sft', '<%= config.bin %> why align --variant boundary --set align.0.beta=0.3']

  static override args = {
    stage: Args.string({ description: 'The stage to ask about.', options: [...STAGES], required: true }),
  }

  static override flags = {
    config: Flags.string({ char: 'c', summary: 'The configuration; by default the nearest one, as for run.', helpValue: 'FILE' }),
    set: Flags.string({ multiple: true, multipleNonGreedy: true, summary: 'Overrides one key, as for run.', helpValue: 'KEY=VALUE' }),
    variant: Flags.string({ summary: 'Of align and evaluate, only the variant of this name.', helpValue: 'NAME' }),
  }

  async run(): Promise<{ readonly stages: readonly StageExplanation[] }> {
    const { args, flags } = await this.parse(Why)
    const [{ explain }, { loadAllPlugins }] = await Promise.all([import('@plumbline/core'), import('../run/plugins.js')])
    const stages = await explain({
      path: flags.config,
      overrides: flags.set ?? [],
      stage: args.stage as (typeof STAGES)[number],
      variant: flags.variant,
      registry: async (listed, folder) => (await loadAllPlugins(listed, folder, this.config)).registry,
    })
    for (const { sentence } of stages) this.log(sentence)
    return { stages }
  }

  /** Errors are printed in one place, for text and for JSON: `main`. */
  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
