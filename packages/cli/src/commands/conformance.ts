import { Args, Command, Flags } from '@oclif/core'
import { printable } from '@plumbline/core/base'
import type { ConformanceReport } from '../conformance/report'

export default class Conformance extends Command {
  static override enableJsonFlag = true

  static override summary = 'Check a plugin against the contracts, and print a report.'

  static override description =
    'Runs the suites of @plumbline/conformance on every loss, labeler, sampler, data format and backend that the plugin registers, in a process of its own and without a test runner. ' +
    'The report is Markdown, to paste. The exit code is 1 where a check fails.\n\n' +
    "conformance.json beside the plugin's package.json says what cannot be guessed: sets of options, texts whose label is known, files of a format, a small model for a backend, exceptions with their reasons. " +
    '"plumb create" writes one.'

  static override examples = [
    '<%= config.bin %> conformance',
    '<%= config.bin %> conformance plumbline-plugin-margin > conformance.md',
    '<%= config.bin %> conformance @plumbline/backend-onnx --model models/tiny',
  ]

  static override args = {
    plugin: Args.string({ description: 'A folder with a package.json, or the name of an installed package.', default: '.' }),
  }

  static override flags = {
    model: Flags.string({ summary: 'A small model folder, for backends.', helpValue: 'FOLDER' }),
  }

  async run(): Promise<ConformanceReport> {
    const { args, flags } = await this.parse(Conformance)
    const [{ checkConformance }, { renderConformance }, { KIND_TITLES }] = await Promise.all([
      import('../conformance/session.js'),
      import('../conformance/report.js'),
      import('@plumbline/core'),
    ])
    const isWatched = process.stderr.isTTY && !this.jsonEnabled()
    const report = await checkConformance({
      target: args.plugin,
      model: flags.model,
      dataFolder: this.config.dataDir,
      plumbline: this.config.version,
      onCheck: ({ name }, id) => {
        if (isWatched) process.stderr.write(printable(`${name}  ${id}\n`))
      },
    })
    this.log(printable(renderConformance(report, (kind) => KIND_TITLES[kind])))
    if (report.failed > 0) process.exitCode = 1
    return report
  }

  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
