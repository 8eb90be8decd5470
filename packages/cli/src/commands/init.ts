import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Args, Command, Flags } from '@oclif/core'
import { printable } from '@plumbline/core/base'
import { UserError } from '../errors/user-error'

const FILE_NAME = 'plumbline.config.yaml'

export default class Init extends Command {
  static override enableJsonFlag = true

  static override summary = 'Write a plumbline.config.yaml that fits the data and the model.'

  static override description =
    'Finds the format of the data by reading it, opens the configuration and tokenizer of the model, and writes the stages that they allow. Where there is no held-out file, a tenth of the questions is written into plumbline-data and held out. ' +
    'On a terminal it asks for what the flags leave open; elsewhere, and with --yes, it takes the defaults. An existing file is never overwritten without --force.'

  static override examples = [
    '<%= config.bin %> init',
    '<%= config.bin %> init experiments --data data/gsm8k --model models/smollm --loss dpo',
  ]

  static override args = {
    folder: Args.string({ description: 'Where to write it.', default: '.' }),
  }

  static override flags = {
    data: Flags.string({
      summary: 'A training file, or a folder with train, test and validation files, as JSON lines, JSON, CSV, TSV or Parquet.',
      helpValue: 'PATH',
    }),
    test: Flags.string({ summary: 'The held-out file, where it is not found beside the training file by its name.', helpValue: 'FILE' }),
    model: Flags.string({ summary: 'A Hugging Face model folder.', helpValue: 'FOLDER' }),
    loss: Flags.string({
      summary:
        'The alignment loss: ca, rrhf, pro, dpo, rft, simpo, orpo, kto, dpo-listwise, or one of a plugin; by default the one that suits the data.',
      helpValue: 'NAME',
    }),
    force: Flags.boolean({ char: 'f', summary: 'Overwrite an existing file.' }),
    yes: Flags.boolean({ char: 'y', summary: 'Ask nothing.' }),
  }

  async run(): Promise<{ readonly file: string; readonly notes: readonly string[] }> {
    const { args, flags } = await this.parse(Init)
    const folder = resolve(args.folder)
    const file = join(folder, FILE_NAME)
    if (existsSync(file) && !flags.force)
      throw new UserError('PLUMB_INIT_EXISTS', 'The file is there already; --force overwrites it.', file)

    const mayAsk = process.stdin.isTTY && process.stderr.isTTY && !flags.yes && !this.jsonEnabled()
    const [{ initialise, relativeTo }, { openDialogue }] = await Promise.all([import('../init/session.js'), import('../init/ask.js')])
    const dialogue = mayAsk ? openDialogue() : undefined
    try {
      const { data, test, model, loss, force } = flags
      const { notes } = await initialise({ folder, file, data, test, model, loss, force, dialogue, oclif: this.config })
      for (const note of notes) this.log(printable(note))
      const from = relativeTo(process.cwd(), folder)
      const where = from === '.' ? 'Next' : `Next, in ${printable(from)}`
      this.log(`Wrote ${printable(relativeTo(process.cwd(), file))}. ${where}: plumb doctor, then plumb run.`)
      return { file, notes }
    } finally {
      dialogue?.close()
    }
  }

  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
