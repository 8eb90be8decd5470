import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createRegistry, isPlumbError, KIND_TITLES, loadPlugins, PlumbError } from '@plumbline/core'
import { checkThing, thingsOf } from './run'
import type { ThingReport } from './report'
import { readSubjects } from './subjects'

/** What the parent asks for. */
export interface Order {
  readonly specifier: string
  readonly from: string
  readonly fallback: readonly string[]
  /** The folder of the plugin's package. */
  readonly root: string
  readonly model?: string
}

/** What this process says, one after the other. */
export type Message =
  | { readonly type: 'plugin'; readonly name: string; readonly version: string }
  | { readonly type: 'checking'; readonly thing: Omit<ThingReport, 'checks'>; readonly id: string }
  | { readonly type: 'things'; readonly things: readonly ThingReport[] }
  | { readonly type: 'refused'; readonly code: string; readonly message: string; readonly where?: string }
  | { readonly type: 'done' }

process.once('message', (order: Order) => {
  void answer(order)
    .catch((error: unknown) => {
      const { message } = error as Error
      if (isPlumbError(error)) send({ type: 'refused', code: error.code, message, where: (error as { where?: string }).where })
      else send({ type: 'refused', code: 'PLUMB_PLUGIN_FAILED', message: `The plugin failed: ${message}` })
    })
    .finally(() => {
      send({ type: 'done' })
      process.disconnect()
    })
})

async function answer({ specifier, from, fallback, root, model }: Order): Promise<void> {
  const [plugin] = await loadPlugins([specifier], { from, fallback })
  if (plugin === undefined) throw new PlumbError('PLUMB_PLUGIN_NOT_FOUND', 'There is no plugin.', specifier)
  const registry = createRegistry([plugin])
  send({ type: 'plugin', name: plugin.name, version: plugin.version ?? '' })
  const things = thingsOf({ plugin, registry })
  const subjects = readSubjects(
    root,
    things.map(({ kind, name }) => `${kind}/${name}`),
  )
  const context = registry.openRun({ folder: path.join(tmpdir(), `plumbline-conformance-${randomUUID()}`), configFolder: root, seed: 0 })
  const onCheck = (thing: Omit<ThingReport, 'checks'>, id: string): void => send({ type: 'checking', thing, id })
  const checked = { plugin, registry, context, subjects, root, model, onCheck }
  for (const { kind, name } of things) {
    try {
      send({ type: 'things', things: await checkThing(checked, kind, name) })
    } catch (error) {
      throw isPlumbError(error) ? error : new Error(`${KIND_TITLES[kind]} "${name}": ${(error as Error).message}`, { cause: error })
    }
  }
  await context.dispose()
}

function send(message: Message): void {
  process.send?.(message)
}
