import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { packageFolder } from '@plumbline/core'
import { UserError } from '../errors/user-error'
import type { Message, Order } from './child'
import { totals, type ConformanceReport, type ThingReport } from './report'

const PACKAGE_ROOT = join(__dirname, '..', '..')

export interface ConformanceOptions {
  /** A folder, or the name of a package that is installed here, for the command line, or with it. */
  readonly target: string
  readonly model?: string
  /** Where `plumb plugins` keeps what it installed. */
  readonly dataFolder: string
  readonly plumbline: string
  readonly onCheck: (thing: Omit<ThingReport, 'checks'>, id: string) => void
}

/**
 * Runs the suites in a process of their own: a plugin that hangs can be interrupted, one that ends its process is a failed check, and what it
 * prints goes to stderr.
 */
export async function checkConformance(options: ConformanceOptions): Promise<ConformanceReport> {
  const order = orderFor(options)
  const heard = await hear(order, options.onCheck)
  if (heard.refused) {
    const { code, message, where } = heard.refused
    throw new UserError(code as `PLUMB_${string}`, message, where)
  }
  const things = heard.isDone ? heard.things : [...heard.things, ...ended(heard)]
  return {
    plugin: heard.name,
    version: heard.version,
    plumbline: options.plumbline,
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    things,
    ...totals(things),
  }
}

function orderFor({ target, model, dataFolder }: ConformanceOptions): Order {
  const cwd = process.cwd()
  const fallback = [dataFolder, PACKAGE_ROOT]
  if (model !== undefined && !existsSync(join(model, 'config.json')))
    throw new UserError('PLUMB_CONFORMANCE_MODEL', 'This is no model folder: it has no config.json.', model)
  const rest = model === undefined ? {} : { model: resolve(model) }
  if (/^\.{0,2}[\\/]|^\.{1,2}$/.test(target) || existsSync(resolve(target, 'package.json'))) {
    const root = resolve(target)
    return { specifier: root, from: cwd, fallback, root, ...rest }
  }
  const root = [cwd, ...fallback].map((folder) => packageFolder(target, folder)).find((found) => found !== undefined)
  return { specifier: target, from: cwd, fallback, root: root ?? cwd, ...rest }
}

interface Heard {
  name: string
  version: string
  things: ThingReport[]
  checking?: Extract<Message, { type: 'checking' }>
  refused?: Extract<Message, { type: 'refused' }>
  isDone: boolean
  end: string
}

function hear(order: Order, onCheck: ConformanceOptions['onCheck']): Promise<Heard> {
  const heard: Heard = { name: order.specifier, version: '', things: [], isDone: false, end: '' }
  return new Promise((done, fail) => {
    const child = fork(join(__dirname, 'child.js'), [], { stdio: ['ignore', process.stderr, 'inherit', 'ipc'] })
    child.on('message', (message: Message) => {
      if (message.type === 'plugin') Object.assign(heard, { name: message.name, version: message.version })
      if (message.type === 'things') heard.things.push(...message.things)
      if (message.type === 'refused') heard.refused = message
      if (message.type === 'done') heard.isDone = true
      if (message.type !== 'checking') return
      heard.checking = message
      onCheck(message.thing, message.id)
    })
    child.on('error', fail)
    child.on('close', (code, signal) => {
      heard.end = signal === null ? `with exit code ${String(code)}` : `by the signal ${signal}`
      done(heard)
    })
    child.send(order)
  })
}

/** A process that ended in the middle of a check is that check's failure. */
function ended({ checking, end, name }: Heard): ThingReport[] {
  if (checking === undefined) throw new UserError('PLUMB_PLUGIN_FAILED', `The plugin ended the process ${end} before it was checked.`, name)
  const evidence = `The process ended ${end} while this check ran; those after it did not run.`
  return [{ ...checking.thing, checks: [{ id: checking.id, outcome: 'failed', contract: 'A check returns or throws.', evidence }] }]
}
