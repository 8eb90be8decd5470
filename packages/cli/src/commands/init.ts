import { mkdir } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { Args, Command, Flags } from '@oclif/core'
import { UserError } from '../errors/user-error'
import { writeFileAtomic } from '@plumbline/core/base'
import { ask } from '../init/ask'
import { findData } from '../init/data'
import { configTemplate } from '../init/template'

const FILE_NAME = 'plumbline.config.yaml'
const DEFAULTS = { model: 'models/base', data: 'data', loss: 'ca' }

export default class Init extends Command {
  static override enableJsonFlag = true

  static override summary = 'Write a commented plumbline.config.yaml.'

  static override description =
    'On a terminal it asks for what the flags leave open; elsewhere, and with --yes, it takes the defaults. An existing file is never overwritten without --force.'

  static override examples = [
    '<%= config.bin %> init',
    '<%= config.bin %> init experiments --data data/gsm8k --model models/smollm --loss dpo',
  ]

  static override args = {
    folder: Args.string({ description: 'Where to write it.', default: '.' }),
  }

  static override flags = {
    data: Flags.string({ summary: 'A training file, or a folder with train.jsonl and test.jsonl.', helpValue: 'PATH' }),
    test: Flags.string({ summary: 'The held-out file, where it is not test.jsonl beside the training file.', helpValue: 'FILE' }),
    model: Flags.string({ summary: 'A Hugging Face model folder.', helpValue: 'FOLDER' }),
    loss: Flags.string({ summary: 'The alignment loss: ca, rrhf, pro, dpo, rft, or one of a plugin.', helpValue: 'NAME' }),
    force: Flags.boolean({ char: 'f', summary: 'Overwrite an existing file.' }),
    yes: Flags.boolean({ char: 'y', summary: 'Ask nothing.' }),
  }

  async run(): Promise<{ readonly file: string }> {
    const { args, flags } = await this.parse(Init)
    const folder = resolve(args.folder)
    const file = join(folder, FILE_NAME)
    if (existsSync(file) && !flags.force)
      throw new UserError('PLUMB_INIT_EXISTS', 'The file is there already; --force overwrites it.', file)

    const mayAsk = process.stdin.isTTY && process.stderr.isTTY && !flags.yes && !this.jsonEnabled()
    const given = { ...flags, ...(mayAsk ? await this.askForTheRest(flags) : {}) }
    const fromConfig = (path: string) => relativeTo(folder, path)
    // The default stands for data that is yet to be put there; a path that was named must exist.
    const path = given.data === DEFAULTS.data && !existsSync(DEFAULTS.data) ? undefined : given.data
    const data =
      path === undefined
        ? {
            train: `${DEFAULTS.data}/train.jsonl`,
            test: given.test ? fromConfig(given.test) : `${DEFAULTS.data}/test.jsonl`,
            format: 'gsm8k',
            takesTemplate: true,
            hasCandidates: false,
          }
        : await findData(path, given.test).then((found) => ({ ...found, train: fromConfig(found.train), test: fromConfig(found.test) }))
    const model = given.model === undefined ? DEFAULTS.model : fromConfig(given.model)

    await mkdir(folder, { recursive: true })
    await writeFileAtomic(file, configTemplate({ ...data, model, loss: given.loss ?? DEFAULTS.loss }))
    this.log(`Wrote ${relativeTo(process.cwd(), file)}. Next: plumb doctor, then plumb run.`)
    return { file }
  }

  protected override async catch(error: Error): Promise<never> {
    throw error
  }

  private async askForTheRest(flags: {
    data?: string
    model?: string
    loss?: string
  }): Promise<{ data?: string; model?: string; loss?: string }> {
    const open: Record<string, readonly [string, string]> = {}
    if (flags.model === undefined) open.model = ['Model folder?', DEFAULTS.model]
    if (flags.data === undefined) open.data = ['Training file, or folder with train.jsonl and test.jsonl?', DEFAULTS.data]
    if (flags.loss === undefined) open.loss = ['Alignment loss (ca, rrhf, pro, dpo, rft)?', DEFAULTS.loss]
    return ask(open)
  }
}

/** A path seen from a folder, with forward slashes; absolute where it lies more than one level above. */
function relativeTo(folder: string, path: string): string {
  const way = relative(folder, resolve(path)) || '.'
  return (way.startsWith(join('..', '..')) ? resolve(path) : way).split(sep).join('/')
}
