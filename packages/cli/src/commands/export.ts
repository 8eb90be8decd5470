import { Command, Flags } from '@oclif/core'
import type { ExportedModel } from '../export/session'

export default class Export extends Command {
  static override enableJsonFlag = true

  static override summary = 'Write a trained model as a Hugging Face folder, with a model card.'

  static override description =
    'Takes a model that a run has made and writes it where you say, in the format of transformers. An adapter (lora) is merged into its base, or ' +
    'written as it is with --adapter, in the format of PEFT. README.md is a model card for the Hub, made from the records of the run: its data, losses, ' +
    'settings and results. What the records do not know is left out; --base-model, --license and --dataset say it.\n\n' +
    'Runs nothing: the stages must be done with this configuration.'

  static override examples = [
    '<%= config.bin %> export --out my-model',
    '<%= config.bin %> export --variant boundary --out my-model --dtype bfloat16 --license apache-2.0',
    '<%= config.bin %> export --variant VFT --out my-adapter --adapter --base-model HuggingFaceTB/SmolLM2-135M',
  ]

  static override flags = {
    config: Flags.string({ char: 'c', summary: 'The configuration; by default the nearest one, as for run.', helpValue: 'FILE' }),
    set: Flags.string({ multiple: true, multipleNonGreedy: true, summary: 'Overrides one key, as for run.', helpValue: 'KEY=VALUE' }),
    variant: Flags.string({
      summary:
        'A model by its name in the report: a variant of align, boundary+2 after its second round, or VFT; may be left out where there is one.',
      helpValue: 'NAME',
    }),
    out: Flags.string({
      char: 'o',
      required: true,
      summary: 'The folder to write; a model that is there is replaced.',
      helpValue: 'FOLDER',
    }),
    dtype: Flags.option({
      options: ['float32', 'bfloat16'] as const,
      default: 'float32' as const,
      summary: 'What the weights are stored as; bfloat16 rounds to nearest and halves the file.',
    })(),
    adapter: Flags.boolean({ summary: 'Write the adapter alone, without its base.', exclusive: ['dtype'] }),
    'base-model': Flags.string({ summary: 'The name that the base has on the Hub, for the card.', helpValue: 'OWNER/NAME' }),
    license: Flags.string({ summary: "The model's license, for the card, as the Hub writes it, e.g. apache-2.0.", helpValue: 'NAME' }),
    dataset: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      summary: 'A data set on the Hub that it was trained on, for the card.',
      helpValue: 'OWNER/NAME',
    }),
  }

  async run(): Promise<ExportedModel> {
    const { flags } = await this.parse(Export)
    const { exportModel } = await import('../export/session.js')
    const exported = await exportModel({
      configFile: flags.config,
      overrides: flags.set ?? [],
      variant: flags.variant,
      out: flags.out,
      dtype: flags.dtype,
      adapterAlone: flags.adapter,
      said: { baseModel: flags['base-model'], license: flags.license, datasets: flags.dataset ?? [] },
      oclif: this.config,
    })
    this.log(exported.sentence)
    return exported
  }

  /** Errors are printed in one place, for text and for JSON: `main`. */
  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
