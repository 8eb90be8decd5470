import { resolve } from 'node:path'
import { Args, Command, Flags } from '@oclif/core'
import { printable, shownPath } from '@plumbline/core/base'
import type { Created } from '../create/scaffold'

const TEMPLATES = ['loss', 'labeler', 'sampler', 'reader', 'backend'] as const
const LICENSES = ['Apache-2.0', 'MIT', 'none'] as const

export default class Create extends Command {
  static override enableJsonFlag = true

  static override summary = 'Write the package of a new plugin, with tests that pass.'

  static override description =
    'A small one of its kind that works, in TypeScript, with the conformance suite as its test: change it into yours. In a new folder, or inside a workspace. ' +
    'Nothing is installed, and a folder that is not empty is refused.'

  static override examples = [
    '<%= config.bin %> create loss plumbline-plugin-margin',
    '<%= config.bin %> create reader @me/my-format --dir packages/my-format --license MIT',
  ]

  static override args = {
    kind: Args.string({ description: 'What it is.', options: [...TEMPLATES], required: true }),
    name: Args.string({ description: 'The name of the npm package.', required: true }),
  }

  static override flags = {
    dir: Flags.string({ summary: 'The folder to write; one of the package’s name when absent.', helpValue: 'FOLDER' }),
    license: Flags.option({ options: LICENSES, default: 'Apache-2.0', summary: 'Its license.' })(),
  }

  async run(): Promise<Created> {
    const { args, flags } = await this.parse(Create)
    const [{ checkPackageName, folderName }, { createPackage }] = await Promise.all([
      import('../create/names.js'),
      import('../create/scaffold.js'),
    ])
    checkPackageName(args.name)
    const created = await createPackage({
      template: args.kind as (typeof TEMPLATES)[number],
      name: args.name,
      folder: resolve(flags.dir ?? folderName(args.name)),
      license: flags.license,
      plumbline: this.config.version,
    })
    const shown = shownPath(created.folder)
    this.log(printable(`Wrote ${created.files.length} files into ${shown}; a configuration names it "${created.strategy}".`))
    if (created.workspace !== undefined)
      this.log(
        printable(
          `It lies in the workspace ${shownPath(created.workspace)}: list it under "workspaces" there, and add its tests to the workflow.`,
        ),
      )
    this.log(printable(`Next: cd ${shown}, npm install, npm test.`))
    return created
  }

  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
