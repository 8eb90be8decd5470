import { Command, Flags } from '@oclif/core'
import type { InspectedSource } from '../../inspect/sources'

export default class InspectData extends Command {
  static override enableJsonFlag = true

  static override summary = 'Show the tokens that records become: what is trained, and on what.'

  static override description =
    'For each data file the first records as the model sees them, with the trained tokens between ⟦ and ⟧, special tokens written out, and control characters escaped; then counts over the whole file: what is left out, what was repaired, what does not end. Trains nothing, and loads no weights where the backend knows the tokenizer without them.'

  static override examples = [
    '<%= config.bin %> inspect data',
    '<%= config.bin %> inspect data --source train -n 2 --json',
    '<%= config.bin %> inspect data --set prompt.chat=true',
  ]

  static override flags = {
    config: Flags.string({ char: 'c', summary: 'The configuration; by default the nearest one, as for run.', helpValue: 'FILE' }),
    set: Flags.string({ multiple: true, multipleNonGreedy: true, summary: 'Overrides one key, as for run.', helpValue: 'KEY=VALUE' }),
    source: Flags.string({ options: ['train', 'questions', 'validation', 'test'], summary: 'Only this data source.' }),
    records: Flags.integer({ char: 'n', default: 5, min: 0, summary: 'How many records to show of each source.' }),
  }

  async run(): Promise<{ readonly sources: readonly InspectedSource[] }> {
    const { flags } = await this.parse(InspectData)
    const [{ inspectData }, { renderSource }] = await Promise.all([import('../../inspect/session.js'), import('../../inspect/render.js')])
    const { sources, warnings } = await inspectData({
      configFile: flags.config,
      overrides: flags.set ?? [],
      only: flags.source,
      records: flags.records,
      oclif: this.config,
    })
    for (const warning of warnings) this.logToStderr(`warning: ${warning}`)
    this.log(sources.map(renderSource).join('\n\n'))
    return { sources }
  }

  /** Errors are printed in one place, for text and for JSON: `main`. */
  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
