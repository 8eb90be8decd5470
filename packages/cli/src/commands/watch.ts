import { Args, Command, Flags } from '@oclif/core'
import type { WatchRenderer } from '../watch/session'

const PORT = 8686

export default class Watch extends Command {
  static override summary = 'Follow a run from another terminal, or as a page on this machine.'

  static override description =
    'Shows the same list as the run itself, from its beginning, and ends when the run ends. Ctrl-C ends the watching and leaves the run alone. Of several processes in ' +
    'one run folder the one that began last is followed; of a run that has ended the last list is shown.\n\n' +
    'With --serve the list is also a page on http://127.0.0.1, which loads nothing from anywhere and stays until Ctrl-C.\n\n' +
    'The exit code is that of the run: 0 when it is done, 130 when it was interrupted, 2 or 1 when it failed, 137 when its process is gone without a word (killed, or on a machine ' +
    'that was stopped). 130 also when the watching was ended before, and 2 where there is no run.'

  static override examples = [
    '<%= config.bin %> watch',
    '<%= config.bin %> watch runs/default',
    '<%= config.bin %> watch runs/default --serve',
    '<%= config.bin %> watch runs/default && <%= config.bin %> report runs/default',
  ]

  static override args = {
    run: Args.string({ description: 'The run folder; the run of the nearest configuration where none is named.' }),
  }

  static override flags = {
    config: Flags.string({ char: 'c', summary: 'The configuration whose run it is, where no RUN is named.', helpValue: 'FILE' }),
    set: Flags.string({ multiple: true, multipleNonGreedy: true, summary: 'Overrides one key, as for run.', helpValue: 'KEY=VALUE' }),
    serve: Flags.boolean({ summary: 'Also shows the list as a page, for this machine alone.' }),
    port: Flags.integer({
      min: 0,
      max: 65_535,
      summary: `The page's port, 0 for any that is free; ${PORT} when absent.`,
      helpValue: 'PORT',
      dependsOn: ['serve'],
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Watch)
    const [{ watchRun }, { createRenderer }, { canRedraw }] = await Promise.all([
      import('../watch/session.js'),
      import('../progress/renderer.js'),
      import('../progress/terminal.js'),
    ])
    const ending = endOfWatching()
    const renderers: WatchRenderer[] = [createRenderer(canRedraw(process.stdout, process.env) ? 'live' : 'plain', process.stdout)]
    const page = flags.serve ? await openPage(flags.port ?? PORT) : undefined
    try {
      if (page) {
        renderers.push(page.renderer)
        renderers[0]?.say(`The run is on ${page.url}, for this machine alone.`)
      }
      const { signal } = ending
      const code = await watchRun({ run: args.run, configFile: flags.config, overrides: flags.set ?? [], renderers, signal })
      if (page && !signal.aborted) {
        renderers[0]?.say('The page stays until Ctrl-C.')
        await aborted(signal)
      }
      this.exit(code)
    } finally {
      ending.dispose()
      await page?.close()
    }
  }

  /** Errors are printed in one place, for text and for JSON: `main`. */
  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}

async function openPage(port: number): Promise<{ readonly url: string; readonly renderer: WatchRenderer; close(): Promise<void> }> {
  const [{ servePage }, { PageRenderer }] = await Promise.all([import('../watch/server.js'), import('../watch/state.js')])
  const renderer = new PageRenderer(() => server.changed())
  const server = await servePage(port, () => renderer.state())
  return { url: server.url, renderer, close: () => server.close() }
}

/** Ctrl-C, a closed terminal, or a reader that went away. */
function endOfWatching(): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController()
  const end = (): void => controller.abort()
  const onError = ({ code }: NodeJS.ErrnoException): void => {
    if (code === 'EPIPE') end()
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, end)
  process.stdout.on('error', onError)
  return {
    signal: controller.signal,
    dispose: () => {
      for (const signal of signals) process.off(signal, end)
      process.stdout.off('error', onError)
    },
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })))
}
