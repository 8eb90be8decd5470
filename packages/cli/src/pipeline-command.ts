import { Command, Flags } from '@oclif/core'
import type { RunEvent, RunReport, StageName } from '@plumbline/core'
import { markTold } from './errors/told'
import { INTERRUPTED, InterruptedError } from './errors/user-error'
import { EventsFile, parseEvents } from './progress/events'
import { eachNoticeOnce } from './progress/once'
import { createRenderer, type ProgressMode } from './progress/renderer'
import { canRedraw } from './progress/terminal'
import { renderReport } from './report/report'
import { dieBy, onInterrupt } from './run/interrupt'
import { resumeCommand } from './run/resume'

export interface RunFlags {
  readonly config?: string
  readonly set?: readonly string[]
  /** Where events go, as `--events` says. */
  readonly events?: string
  readonly quiet: boolean
}

/** What `run` and the stage commands have in common: parse, run the stages with progress, print what came of it. */
export abstract class PipelineCommand extends Command {
  static override enableJsonFlag = true

  static override baseFlags = {
    config: Flags.string({
      char: 'c',
      summary:
        'The configuration; by default the nearest plumbline.config.yaml, .yml, .json, .js, .cjs, .mjs or .ts, from this folder upwards.',
      helpValue: 'FILE',
    }),
    set: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      summary: 'Overrides one key, a path with dots, e.g. sft.steps=10; the value is read as YAML. May be given several times.',
      helpValue: 'KEY=VALUE',
    }),
    events: Flags.string({
      summary:
        'Writes every event of the run as a line of JSON (docs/events.md): ndjson to stderr, in the place of the progress; ndjson:FILE to the end of a file.',
      helpValue: 'ndjson[:FILE]',
    }),
    quiet: Flags.boolean({ char: 'q', summary: 'No progress, only the closing table and its notices.' }),
  }

  /** Runs every stage up to `last`; of `align`, only `variant` where it is given. Prints what came of it. */
  protected async runStages(flags: RunFlags, last: StageName, variant?: string): Promise<RunReport> {
    const report = await this.runOnce(flags, last, variant)
    this.log(renderReport(report))
    return report
  }

  /** The same without the closing table. `watch` is told everything that the run tells. */
  protected async runOnce(flags: RunFlags, last: StageName, variant?: string, watch?: (event: RunEvent) => void): Promise<RunReport> {
    return this.withProgress(flags, interrupted, async ({ signal, onEvent }) => {
      const { runSession } = await import('./run/session.js')
      return runSession({
        configFile: flags.config,
        overrides: flags.set ?? [],
        last,
        variant,
        oclif: this.config,
        signal,
        onEvent: (event) => {
          watch?.(event)
          onEvent(event)
        },
      })
    })
  }

  /** Shows what a long piece of work tells, and turns a request to stop into its signal; `stopped` words what became of it. */
  protected async withProgress<T>(
    flags: Pick<RunFlags, 'events' | 'quiet'>,
    stopped: (error: Error) => InterruptedError,
    work: (progress: { readonly signal: AbortSignal; readonly onEvent: (event: RunEvent) => void }) => Promise<T>,
  ): Promise<T> {
    const events = flags.events === undefined ? undefined : parseEvents(flags.events)
    const toStderr = events !== undefined && events.file === undefined
    const renderer = createRenderer(toStderr ? 'events' : this.progressMode(flags.quiet), process.stderr)
    const file = events?.file === undefined ? undefined : new EventsFile(events.file, (message) => renderer.say(message))
    const shown = toStderr ? (event: RunEvent) => renderer.handle(event) : eachNoticeOnce((event) => renderer.handle(event))
    const told = { isEnd: false }
    const interruption = onInterrupt((message) => renderer.say(message), dieBy)
    const onEvent = (event: RunEvent): void => {
      told.isEnd ||= event.type === 'run-end'
      file?.handle(event)
      shown(event)
    }
    try {
      return await work({ signal: interruption.signal, onEvent })
    } catch (error) {
      const said = interruption.signal.aborted && isAbort(error) ? stopped(error as Error) : error
      // Among events it stands in the last of them.
      if (toStderr && told.isEnd) markTold(said)
      throw said
    } finally {
      renderer.close()
      file?.close()
      interruption.dispose()
    }
  }

  /** Errors are printed in one place, for text and for JSON: `main`. */
  protected override async catch(error: Error): Promise<never> {
    throw error
  }

  private progressMode(quiet: boolean): ProgressMode {
    if (quiet || this.jsonEnabled()) return 'silent'
    return canRedraw(process.stderr, process.env) ? 'live' : 'plain'
  }
}

/** Core says where it stopped and that the same command goes on; here that command is known. */
function interrupted({ message }: Error): InterruptedError {
  const place = /^Stopped in .*?\./.exec(message)?.[0] ?? 'Stopped; what is done is kept.'
  return new InterruptedError(place, resumeCommand({ argv: process.argv, env: process.env, cwd: process.cwd() }))
}

function isAbort(error: unknown): boolean {
  const { name, code } = error as { name?: string; code?: string }
  return name === 'AbortError' || code === INTERRUPTED
}
