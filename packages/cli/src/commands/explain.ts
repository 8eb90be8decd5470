import { Args, Command } from '@oclif/core'
import { closest } from '@plumbline/core/base'
import { asPlainText, explanations } from '../errors/explanations'
import { UserError } from '../errors/user-error'

export default class Explain extends Command {
  static override enableJsonFlag = true

  static override summary = 'Say what an error code means, and what helps.'

  static override description =
    'Without a code, all codes are listed. docs/troubleshooting.md has the same text, and begins with what one sees.'

  static override examples = ['<%= config.bin %> explain PLUMB_CONFIG_UNKNOWN_KEY', '<%= config.bin %> explain']

  static override args = {
    code: Args.string({ description: 'An error code; PLUMB_ may be left out, and case does not matter.' }),
  }

  async run(): Promise<Readonly<Record<string, string>>> {
    const { args } = await this.parse(Explain)
    const all = explanations()
    if (args.code === undefined) {
      this.log(Object.keys(all).join('\n'))
      return all
    }
    const asked = args.code.toUpperCase().replaceAll('-', '_')
    const code = [asked, `PLUMB_${asked}`].find((name) => Object.hasOwn(all, name))
    if (code === undefined) throw unknown(args.code, asked, Object.keys(all))
    this.log(`${code}\n\n${asPlainText(all[code]!)}`)
    return { [code]: all[code]! }
  }

  /** Errors are printed in one place, for text and for JSON: `main`. */
  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}

function unknown(given: string, asked: string, known: readonly string[]): UserError {
  const meant = closest(asked.startsWith('PLUMB_') ? asked : `PLUMB_${asked}`, known)
  const hint = meant === undefined ? '' : ` Did you mean ${meant}?`
  const message = `"${given}" is no error code of Plumbline.${hint} "plumb explain" lists all; a plugin's own codes are in its documentation.`
  return new UserError('PLUMB_UNKNOWN_CODE', message, 'plumb explain')
}
