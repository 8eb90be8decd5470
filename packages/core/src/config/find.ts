import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { defaultLoaders } from 'cosmiconfig'
import { PlumbError } from '../errors'
import { importTypeScript } from '../plugins/import-typescript'
import { shownPath } from '../util/shown-path'
import { withoutEnd } from '../util/without-end'
import { ParsedText } from './source'

// Of cosmiconfig the loaders are used and not its search: `cosmiconfig()` first reads, and runs, a configuration of its own from the
// working directory (`.config/config.js` and others), which may name further files, and this cannot be turned off.

const EXTENSIONS = ['yaml', 'yml', 'json', 'js', 'cjs', 'mjs', 'ts']
const CODE = new Set(['.js', '.cjs', '.mjs', '.ts'])

/** File names that are looked for, in this order. */
export const CONFIG_FILES: readonly string[] = [
  ...EXTENSIONS.map((extension) => `plumbline.config.${extension}`),
  '.plumbline',
  '.plumblinerc',
  ...EXTENSIONS.map((extension) => `.plumblinerc.${extension}`),
  'package.json',
]

/** A configuration is written by hand; what is larger is another file. */
const MOST_BYTES = 1 << 20

export interface RawConfig {
  readonly file: string
  readonly raw: unknown
  /** Of YAML and JSON: where each key stands. */
  readonly text?: ParsedText
}

export interface FindOptions {
  readonly cwd: string
  /** Told of each file of code that the search found elsewhere than in `cwd`, before it is run. */
  readonly say?: (message: string) => void
}

/**
 * The nearest configuration, from `cwd` up to the first folder with a package.json.
 * @throws PlumbError PLUMB_CONFIG_NOT_FOUND, PLUMB_CONFIG_SYNTAX, PLUMB_CONFIG_INVALID.
 */
export async function searchConfig({ cwd, say }: FindOptions): Promise<RawConfig> {
  const reader = new Reader(cwd, say)
  for (let folder = path.resolve(cwd); ; folder = path.dirname(folder)) {
    for (const name of CONFIG_FILES) {
      const file = path.join(folder, name)
      if (!(await isFile(file))) continue
      const found = await reader.read(file)
      if (found.raw !== undefined) return found
      // Another file's place: a package.json without our key. An empty file of our own must not make one further up valid.
      if (name !== 'package.json') throw empty(file, cwd)
    }
    const isRoot = await Promise.all(['package.json', 'package.yaml'].map((name) => isFile(path.join(folder, name))))
    if (isRoot.includes(true) || path.dirname(folder) === folder) break
  }
  const names = 'plumbline.config.{yaml,yml,json,js,cjs,mjs,ts}, .plumblinerc or a "plumbline" key in package.json'
  const message = `There is no configuration: looked for ${names}, here and up to the project's root. "plumb init" writes one, --config names one.`
  throw new PlumbError('PLUMB_CONFIG_NOT_FOUND', message, cwd)
}

/** The configuration in a file. @throws PlumbError as {@link searchConfig}. */
export async function readConfig(given: string, { cwd }: FindOptions): Promise<RawConfig> {
  const file = path.resolve(cwd, given)
  const found = await stat(file).catch(() => undefined)
  const missing = (message: string) => new PlumbError('PLUMB_CONFIG_NOT_FOUND', message, shownPath(file, cwd))
  if (found === undefined) throw missing('There is no such configuration file.')
  if (found.isDirectory()) throw missing('Expected a configuration file, but this is a folder.')
  if (!found.isFile()) throw missing('Expected a configuration file, but this is a device or a pipe.')
  const config = await new Reader(cwd, undefined).read(file)
  if (config.raw === undefined) throw empty(file, cwd)
  return config
}

class Reader {
  constructor(
    private readonly cwd: string,
    private readonly say: FindOptions['say'],
  ) {}

  /** `raw` is undefined where the file holds nothing of ours. */
  async read(file: string, above: readonly string[] = []): Promise<RawConfig> {
    const shown = shownPath(file, this.cwd)
    const { size } = await stat(file)
    if (size > MOST_BYTES) {
      const message = `A configuration has at most ${MOST_BYTES} bytes, but this file has ${size}; is it the data file?`
      throw new PlumbError('PLUMB_CONFIG_INVALID', message, shown)
    }
    const content = await readFile(file, 'utf8')
    if (content.trim() === '') return { file, raw: undefined }
    const { value, text } = await this.load(file, content)
    const own = path.basename(file) === 'package.json' ? (value as Record<string, unknown> | null)?.plumbline : value
    if (own === undefined || own === null) return { file, raw: undefined }
    return { file, raw: await this.withImports(file, own, [...above, file]), text }
  }

  private async load(file: string, content: string): Promise<{ readonly value: unknown; readonly text?: ParsedText }> {
    const shown = shownPath(file, this.cwd)
    const extension = path.extname(file) || (path.basename(file).startsWith('.') ? '' : path.extname(file))
    if (extension === '.json') return parsed(ParsedText.json(content, shown))
    if (extension === '.yaml' || extension === '.yml' || extension === '') return parsed(ParsedText.yaml(content, shown))
    if (!isCode(extension)) {
      const known = `YAML (.yaml, .yml), JSON (.json) or code (${[...CODE].join(', ')})`
      throw new PlumbError('PLUMB_CONFIG_SYNTAX', `The configuration cannot be loaded: "${extension}" is not ${known}.`, shown)
    }
    if (path.dirname(file) !== path.resolve(this.cwd)) this.say?.(`Running the configuration ${file}, which is code.`)
    try {
      return { value: await valueOf(extension, file, content) }
    } catch (error) {
      // What a config written in code throws becomes a sentence about that file.
      throw new PlumbError(
        'PLUMB_CONFIG_SYNTAX',
        `The configuration cannot be loaded: ${withoutEnd((error as Error).message, '. \n')}.`,
        shown,
        {
          cause: error,
        },
      )
    }
  }

  /** `$import: other.yaml`, or a list: files that this one is laid over. */
  private async withImports(file: string, own: unknown, stack: readonly string[]): Promise<unknown> {
    if (!isSection(own) || !Object.hasOwn(own, '$import')) return own
    const { $import: imports, ...rest } = own
    let merged: Section = {}
    for (const name of Array.isArray(imports) ? (imports as unknown[]) : [imports]) {
      const refuse = (message: string) => new PlumbError('PLUMB_CONFIG_SYNTAX', message, shownPath(file, this.cwd))
      if (typeof name !== 'string') throw refuse('$import must be the name of a file or a list of names.')
      const imported = path.resolve(path.dirname(file), name)
      if (stack.includes(imported))
        throw refuse(`$import leads in a circle: ${[...stack, imported].map((one) => shownPath(one, this.cwd)).join(' → ')}.`)
      if (!(await isFile(imported))) throw refuse(`$import names ${shownPath(imported, this.cwd)}, which is no file.`)
      const { raw } = await this.read(imported, stack)
      if (isSection(raw)) merged = merge(merged, raw)
    }
    return merge(merged, rest)
  }
}

async function valueOf(extension: '.js' | '.cjs' | '.mjs' | '.ts', file: string, content: string): Promise<unknown> {
  if (extension !== '.ts') return defaultLoaders[extension](file, content)
  // cosmiconfig's loader needs the compiler of TypeScript beside the configuration, and writes a file there.
  const module = (await importTypeScript(file, { again: true })) as { readonly default?: unknown }
  return module.default ?? module
}

type Section = Record<string, unknown>

function isSection(value: unknown): value is Section {
  return Object.prototype.toString.call(value) === '[object Object]'
}

/** Sections key by key, lists one after the other, anything else from the upper one. */
function merge(lower: Section, upper: Section): Section {
  const merged: Section = { ...lower }
  for (const [key, value] of Object.entries(upper)) {
    if (key === '__proto__' || key === 'constructor') continue
    const there = Object.hasOwn(merged, key) ? merged[key] : undefined
    if (Array.isArray(there) && Array.isArray(value)) merged[key] = [...(there as unknown[]), ...(value as unknown[])]
    else merged[key] = isSection(there) && isSection(value) ? merge(there, value) : value
  }
  return merged
}

function parsed(text: ParsedText) {
  return { value: text.value, text }
}

function isCode(extension: string): extension is '.js' | '.cjs' | '.mjs' | '.ts' {
  return CODE.has(extension)
}

function empty(file: string, cwd: string): PlumbError {
  return new PlumbError('PLUMB_CONFIG_INVALID', 'The configuration is empty.', shownPath(file, cwd))
}

async function isFile(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFile(),
    () => false,
  )
}
