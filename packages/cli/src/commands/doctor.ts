import { Command, Flags } from '@oclif/core'
import type { Check } from '../doctor/check'
import { EXIT_USER } from '../errors/failure'

export default class Doctor extends Command {
  static override enableJsonFlag = true

  static override summary = 'Check this machine and the configuration.'

  static override description =
    'What works, what does not, and which backend a run would take; what the model and the first records of each data file are, whether they fit, what memory a run takes, and, by training and sampling for about two seconds, how long it takes. Changes nothing. The exit code is 2 when a line says ERROR.'

  static override examples = ['<%= config.bin %> doctor', '<%= config.bin %> doctor --config experiments/boundary.yaml --json']

  static override flags = {
    config: Flags.string({ char: 'c', summary: 'The configuration; by default the nearest one, as for run.', helpValue: 'FILE' }),
    set: Flags.string({ multiple: true, multipleNonGreedy: true, summary: 'Overrides one key, as for run.', helpValue: 'KEY=VALUE' }),
    measure: Flags.boolean({ default: true, allowNo: true, summary: 'Open the model and measure how long a run takes.' }),
  }

  async run(): Promise<{ readonly checks: readonly Check[] }> {
    const { flags } = await this.parse(Doctor)
    const [{ examine }, { renderChecks }] = await Promise.all([import('../doctor/setup.js'), import('../doctor/check.js')])
    const checks = await examine({ configFile: flags.config, overrides: flags.set ?? [], oclif: this.config, measures: flags.measure })
    this.log(renderChecks(checks))
    if (checks.some(({ status }) => status === 'error')) process.exitCode = EXIT_USER
    return { checks }
  }

  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}
