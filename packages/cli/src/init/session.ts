import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { basename, join, relative, resolve, sep } from 'node:path'
import type { Config as OclifConfig } from '@oclif/core'
import { configJsonSchema, isPlumbError, REFERENCE_LIKELIHOOD, shownPath, suggestion, type PluginRegistry } from '@plumbline/core'
import { writeFileAtomic } from '@plumbline/core/base'
import { UserError } from '../errors/user-error'
import { loadAllPlugins } from '../run/plugins'
import type { Dialogue } from './ask'
import { findFiles, type DataFiles } from './files'
import { lookAt, MOST_RECORDS, type DataLook } from './look'
import { lookAtModel, modelsNear, type ModelLook } from './model'
import { planFor, type Plan } from './plan'
import { splitFile } from './split'
import { configTemplate, type ConfigChoices, type SourceChoice } from './template'

const SCHEMA_NAME = 'plumbline.schema.json'
const SPLIT_NAME = 'plumbline-data'
/** What stands in the file where there is nothing yet. */
const LATER = { model: 'models/base', data: 'data' }

export interface InitOptions {
  /** Absolute; the configuration's folder. */
  readonly folder: string
  readonly file: string
  readonly data?: string
  readonly test?: string
  readonly model?: string
  readonly loss?: string
  readonly force: boolean
  /** On a terminal: asks for what is left open. */
  readonly dialogue?: Dialogue
  readonly oclif: OclifConfig
}

export interface Initialised {
  readonly file: string
  /** What was found, a line each. */
  readonly notes: readonly string[]
}

interface DataChoice {
  readonly files: DataFiles
  readonly train: readonly { readonly path: string; readonly look: DataLook }[]
  readonly plan: Plan
}

/** Looks at the data and the model, and writes a configuration that fits them. Nothing is written where one of them cannot be used. */
export async function initialise(options: InitOptions): Promise<Initialised> {
  const { folder, file, dialogue } = options
  const { registry, warnings } = await loadAllPlugins([], folder, options.oclif)
  const notes: string[] = [...warnings]
  const model = await chooseModel(options, registry, notes)
  const path = await chooseData(options, registry)
  const chosenLoss = await chooseLoss(options, path, registry)
  const seen = path === undefined ? undefined : await look(path, options.test, registry, chosenLoss)
  const fromConfig = (target: string): string => relativeTo(folder, target)
  const data = seen === undefined ? laterData(options, fromConfig, notes) : await choicesOf(seen, options, registry, fromConfig, notes)
  dialogue?.close()
  if (model.look?.hasChatTemplate === false && seen?.train.some(({ look: { conversations } }) => conversations > 0)) notes.push(NO_TEMPLATE)
  const { kind, loss, labeler } = seen?.plan ?? { kind: 'sampled' as const, loss: chosenLoss ?? 'ca', labeler: 'answer' }
  const text = configTemplate({
    ...data,
    model: model.path,
    kind,
    loss,
    labeler,
    prompts: !isAsked(seen) ? 'none' : model.look?.hasChatTemplate ? 'chat' : 'template',
    ...(model.look === undefined ? {} : { contextLength: model.look.contextLength }),
    schema: `./${SCHEMA_NAME}`,
  })
  await mkdir(folder, { recursive: true })
  await writeFileAtomic(join(folder, SCHEMA_NAME), `${JSON.stringify(configJsonSchema(registry))}\n`)
  await writeFileAtomic(file, text)
  return { file, notes }
}

const NO_TEMPLATE =
  'There are conversations, and the model has no chat template to write them with: the run will refuse them. Take a model that has one (often called "Instruct"), or, for conversations of one user message, set prompt: { chat: false }, which takes them as plain text.'

/** Whether some prompts are questions, which something must be written around. */
const isAsked = (seen: DataChoice | undefined): boolean => seen === undefined || seen.train.some(({ look: { plain } }) => plain > 0)

async function chooseModel(
  { folder, model, dialogue }: InitOptions,
  registry: PluginRegistry,
  notes: string[],
): Promise<{ readonly path: string; readonly look?: ModelLook }> {
  const near = modelsNear(folder)
  const asked =
    model ??
    (await dialogue?.ask({
      text: 'Model folder?',
      standard: near[0] ?? LATER.model,
      refuse: (answer) =>
        answer === LATER.model && !existsSync(resolve(folder, answer)) ? nothing() : reasonAgainst(() => lookAtModel(answer, registry)),
    }))
  const [only, ...more] = near
  const path = asked ?? (only !== undefined && more.length === 0 ? join(folder, only) : undefined)
  if (path === undefined || (dialogue !== undefined && model === undefined && path === LATER.model && !existsSync(path))) {
    notes.push(
      more.length > 0
        ? `model: ${LATER.model} is a placeholder; there are ${near.join(', ')}: name one with --model.`
        : `model: ${LATER.model} is a placeholder; get a model first, for example: hf download HuggingFaceTB/SmolLM2-135M --local-dir ${LATER.model}`,
    )
    return { path: LATER.model }
  }
  const found = await lookAtModel(path, registry)
  const chat = found?.hasChatTemplate ? ', with a chat template' : ''
  notes.push(`model: ${shownPath(resolve(path))}${found === undefined ? '' : `, a context of ${found.contextLength} tokens${chat}`}`)
  return { path: relativeTo(folder, path), ...(found === undefined ? {} : { look: found }) }
}

/** Undefined for data that is yet to be put there. */
async function chooseData({ data, test, dialogue }: InitOptions, registry: PluginRegistry): Promise<string | undefined> {
  if (data !== undefined) return data
  const asked = await dialogue?.ask({
    text: 'Training file, or folder with train and test files?',
    standard: LATER.data,
    refuse: (answer) => (answer === LATER.data && !existsSync(answer) ? nothing() : reasonAgainst(() => look(answer, test, registry))),
  })
  const path = asked ?? LATER.data
  return path === LATER.data && !existsSync(path) ? undefined : path
}

async function chooseLoss(
  { loss, dialogue, test }: InitOptions,
  path: string | undefined,
  registry: PluginRegistry,
): Promise<string | undefined> {
  const known = [...registry.names('loss'), REFERENCE_LIKELIHOOD]
  const refuse = (name: string): string | undefined =>
    known.includes(name) ? undefined : `There is no loss "${name}". ${suggestion(name, known)}`
  if (loss !== undefined) {
    const reason = refuse(loss)
    if (reason !== undefined) throw new UserError('PLUMB_UNKNOWN_LOSS', reason, '--loss')
    return loss
  }
  if (dialogue === undefined) return undefined
  const usual = path === undefined ? 'ca' : (await look(path, test, registry)).plan.loss
  if (usual === REFERENCE_LIKELIHOOD) return undefined
  return dialogue.ask({ text: `Alignment loss (${known.join(', ')})?`, standard: usual, refuse: async (answer) => refuse(answer) })
}

async function look(path: string, test: string | undefined, registry: PluginRegistry, loss?: string): Promise<DataChoice> {
  const files = findFiles(path, test)
  const train = []
  for (const file of files.train) train.push({ path: file, look: await lookAt(file, registry) })
  const [first = path] = files.train
  return { files, train, plan: planFor(together(train.map((each) => each.look)), first, loss) }
}

/** The counts of a file's parts as those of one file. */
function together(looks: readonly DataLook[]): DataLook {
  const [first, ...others] = looks
  if (first === undefined) throw new Error('no training file')
  return others.reduce<DataLook>((sum, each) => {
    const added = Object.entries(each).flatMap(([key, value]: [string, unknown]) =>
      typeof value === 'number' ? [[key, value + Number(sum[key as keyof DataLook])] as const] : [],
    )
    return { ...sum, ...Object.fromEntries(added) }
  }, first)
}

async function choicesOf(
  { files, train, plan }: DataChoice,
  options: InitOptions,
  registry: PluginRegistry,
  fromConfig: (path: string) => string,
  notes: string[],
): Promise<Pick<ConfigChoices, 'train' | 'validation' | 'test'>> {
  const learns = plan.kind === 'sampled' || plan.kind === 'tuned'
  const source = (
    { path, look: { format, columns, records, referenced, refused } }: DataChoice['train'][number],
    needsChain: boolean,
  ): SourceChoice => ({
    path: fromConfig(path),
    format,
    ...(columns === undefined ? {} : { columns }),
    ...(refused > 0 || (needsChain && referenced < records) ? { skips: true } : {}),
  })
  for (const { path, look: found } of train) notes.push(...described(path, found, learns))
  notes.push(...plan.notices)
  if (files.others.length > 0) notes.push(`not used: ${files.others.map((file) => basename(file)).join(', ')}`)
  const [first] = train
  if (first === undefined) throw new Error('no training file')
  if (files.test === undefined) return held(first, train.length, options, registry, fromConfig, notes)
  const test = { path: files.test, look: await lookAt(files.test, registry) }
  requireAnswers(test, plan)
  notes.push(...described(test.path, test.look, false))
  if (files.validation === undefined) return { train: train.map((each) => source(each, learns)), test: source(test, false) }
  const validation = { path: files.validation, look: await lookAt(files.validation, registry) }
  return { train: train.map((each) => source(each, learns)), validation: source(validation, true), test: source(test, false) }
}

/** A held-out part of the training file, where there is no other. */
async function held(
  { path, look: { format, columns, records, refused } }: DataChoice['train'][number],
  files: number,
  { folder, force }: InitOptions,
  registry: PluginRegistry,
  fromConfig: (path: string) => string,
  notes: string[],
): Promise<Pick<ConfigChoices, 'train' | 'test'>> {
  if (files > 1 || records < 2) throw new UserError('PLUMB_INIT_DATA', 'There is no held-out file beside it; name one with --test.', path)
  const target = join(folder, SPLIT_NAME)
  if (existsSync(target) && !force) {
    throw new UserError(
      'PLUMB_INIT_EXISTS',
      'A part of the data would be held out into this folder, which is there already; --force overwrites it.',
      target,
    )
  }
  const { factory } = registry.find('dataset', format)
  const reader = factory.create(factory.options.parse({}), registry.openRun({ folder, configFolder: folder, seed: 0 }))
  const split = await splitFile({ path, reader, records, ...(columns ? { columns } : {}) }, target)
  const left = refused > 0 ? `; ${refused} that the format refuses were left out` : ''
  notes.push(
    `no held-out file: ${split.heldOut} of ${split.heldOut + split.kept} records were held out, into ${shownPath(split.test)}; the others are in ${shownPath(split.train)}${left}`,
  )
  return { train: [{ path: fromConfig(split.train), format: 'groups' }], test: { path: fromConfig(split.test), format: 'groups' } }
}

function requireAnswers({ path, look: { answered, records } }: DataChoice['train'][number], { kind }: Plan): void {
  if (records === 0) throw new UserError('PLUMB_INIT_DATA', 'The held-out file holds no record that can be used.', path)
  if (kind !== 'sampled' && kind !== 'judged') return
  if (answered < records) {
    throw new UserError(
      'PLUMB_INIT_DATA',
      `${records - answered} of ${records} held-out questions have no final answer, and answers are judged by it.`,
      path,
    )
  }
}

function described(path: string, { format, columns, records, refused, firstRefusal, referenced }: DataLook, needsChain: boolean): string[] {
  const renamed = Object.entries(columns ?? {}).map(([field, column]) => `${field} is ${column}`)
  const count = records >= MOST_RECORDS ? `the first ${records}` : String(records)
  const lines = [`data: ${shownPath(resolve(path))} as ${format}${renamed.length > 0 ? ` (${renamed.join(', ')})` : ''}, ${count} records`]
  if (refused > 0) lines.push(`  ${refused} records are left out (onInvalid: skip); the first: ${firstRefusal ?? ''}`)
  if (needsChain && referenced < records) lines.push(`  ${records - referenced} records without a chain are left out (onInvalid: skip)`)
  return lines
}

function laterData({ test }: InitOptions, fromConfig: (path: string) => string, notes: string[]): Pick<ConfigChoices, 'train' | 'test'> {
  notes.push(
    `data: ${LATER.data}/train.jsonl and test.jsonl are placeholders, in the format gsm8k; --data looks at files and writes what fits them.`,
  )
  const at = (name: string): SourceChoice => ({ path: `${LATER.data}/${name}.jsonl`, format: 'gsm8k' })
  return { train: [at('train')], test: test === undefined ? at('test') : { path: fromConfig(test), format: 'gsm8k' } }
}

const nothing = async (): Promise<undefined> => undefined

/** The sentence of what speaks against an answer. */
async function reasonAgainst(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (!isPlumbError(error)) throw error
    return error.message
  }
}

/** A path seen from a folder, with forward slashes; absolute where it lies more than one level above. */
export function relativeTo(folder: string, path: string): string {
  const way = relative(folder, resolve(path)) || '.'
  return (way.startsWith(join('..', '..')) ? resolve(path) : way).split(sep).join('/')
}
