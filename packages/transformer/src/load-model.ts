import { readFile, stat } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { basename, dirname, resolve } from 'node:path'
import {
  adapterFiles,
  modelFiles,
  PlumbError,
  suggestion,
  tokenizerFiles,
  type BaseSource,
  type ModelFacts,
  type ModelSource,
  type Tokenizer,
} from '@plumbline/core/base'
import { checkAdapter, readAdapter } from './adapter'
import { parseModelConfig } from './config'
import { architectureNamed } from './families'
import { COMMON_FIELDS } from './families/common'
import { Fields } from './fields'
import { hubName } from './hub-name'
import { initialWeights } from './initial-weights'
import type { ConfigJson } from './config-json'
import { linearModules } from './linear-modules'
import { mergedWeights } from './merge'
import type { ModelConfig } from './model-config'
import { openModelFolder, readCompanions, readModelConfig, type ModelFolder, type OpenModelFolder } from './model-folder'
import { parameterCount, parameterShapes } from './parameters'
import { heldWeights, readWeights } from './stored-tensors'
import { loadTokenizer } from './load-tokenizer'

/** A model ready for an engine: its dimensions, weights and tokenizer, and what `writeModelFolder` needs to save it. */
export interface LoadedModel extends UntokenizedModel {
  readonly tokenizer: Tokenizer
}

/** A model without its tokenizer. */
export interface UntokenizedModel extends ModelFolder {
  /** Every token that ends a text: the tokenizer's, the config's, and those of `generation_config.json`. */
  readonly eosIds: readonly number[]
}

/** The same before its numbers are read. */
export interface OpenUntokenizedModel extends OpenModelFolder {
  readonly eosIds: readonly number[]
}

/** What a model's files are read with; plain data, so that it may go to another thread. */
export type TokenizerIds = Pick<Tokenizer, 'vocabularySize' | 'bosId' | 'eosId' | 'padId'>

/** Opens either kind of model source. */
export async function loadModel(source: ModelSource): Promise<LoadedModel> {
  const tokenizer = await loadSourceTokenizer(source)
  return { ...(await loadUntokenizedModel(source, tokenizer)), tokenizer }
}

/** The same for who has the tokenizer, or needs it later: it takes longer to load than a small model. */
export async function loadUntokenizedModel(source: ModelSource, tokenizer: TokenizerIds): Promise<UntokenizedModel> {
  const model = await openUntokenizedModel(source, tokenizer)
  return { ...model, weights: await readWeights(model.weights) }
}

/**
 * The same for who has a place of his own for every tensor: no second copy of the model is ever held. A base with an adapter is what the two
 * make together, W + s·B·A; who computes the adapter apart opens `source.base` and reads it with `readAdapter`.
 */
export async function openUntokenizedModel(source: ModelSource, tokenizer: TokenizerIds): Promise<OpenUntokenizedModel> {
  if (source.kind === 'adapter') {
    const base = await openUntokenizedModel(source.base, tokenizer)
    return { ...base, weights: mergedWeights(base.weights, await readAdapter(source.path, base.config)) }
  }
  const folder = source.kind === 'folder' ? await openModelFolder(source.path) : await scratch(source, tokenizer)
  return { ...folder, eosIds: eosIds(folder, tokenizer) }
}

/** Where a model's tokenizer is: see `loadTokenizer`. */
export function tokenizerPath(source: ModelSource): string {
  const base = baseOf(source)
  return base.kind === 'folder' ? base.path : base.tokenizer
}

/** The model that a source's weights are of, without what an adapter adds to them. */
function baseOf(source: ModelSource): BaseSource {
  return source.kind === 'adapter' ? source.base : source
}

/** `Backend.inspect` for every backend whose models are loaded here. */
export async function inspectModel(source: ModelSource): Promise<ModelFacts> {
  const tokenizer = await loadSourceTokenizer(source)
  const config = await loadModelConfig(source, tokenizer)
  const notices = [...(config.notices ?? []), ...(source.kind === 'adapter' ? await adapterNotices(source, config) : [])]
  return {
    tokenizer,
    contextLength: config.maxPositions,
    parameterNames: [...parameterShapes(config).keys()],
    linearModules: linearModules(config),
    ...(notices.length > 0 ? { notices } : {}),
  }
}

/** An adapter that does not fit is refused before anything begins; one of another model of the same shapes fits, and its name is all there is to go by. */
async function adapterNotices({ base, path }: Extract<ModelSource, { kind: 'adapter' }>, config: ModelConfig): Promise<string[]> {
  const { baseName } = (await checkAdapter(path, config)).config
  if (baseName === undefined || base.kind !== 'folder') return []
  const own = (await hubName(base)) ?? basename(resolve(base.path))
  const last = (name: string) => name.split(/[\\/]/).filter(Boolean).at(-1)?.toLowerCase()
  if (last(own) === last(baseName)) return []
  return [
    `The adapter's base is ${JSON.stringify(baseName)} by its adapter_config.json, and here it is on ${JSON.stringify(own)}: if that is another model, its answers are worth nothing.`,
  ]
}

/** `Backend.modelFiles` for every backend whose models are loaded here: the files that opening one reads, absolute. */
export async function sourceFiles(source: ModelSource): Promise<readonly string[]> {
  if (source.kind === 'adapter') {
    return [...(await sourceFiles(source.base)), ...(await adapterFiles(source.path)).map((file) => resolve(file))]
  }
  if (source.kind === 'scratch') return (await tokenizerFiles(source.tokenizer)).map((file) => resolve(file))
  return (await modelFiles(source.path)).map((name) => resolve(source.path, name))
}

/** Whatever is going to be read is a file: a pipe among them would be waited for. */
async function loadSourceTokenizer(source: ModelSource): Promise<Tokenizer> {
  await sourceFiles(source)
  return loadTokenizer(tokenizerPath(source))
}

/** The dimensions alone, without reading or drawing a weight. */
export async function loadModelConfig(source: ModelSource, tokenizer: TokenizerIds): Promise<ModelConfig> {
  const base = baseOf(source)
  return (base.kind === 'folder' ? await readModelConfig(base.path) : scratchConfig(base, tokenizer)).config
}

type Scratch = Extract<ModelSource, { kind: 'scratch' }>

async function scratch(source: Scratch, tokenizer: TokenizerIds): Promise<OpenModelFolder> {
  const { config, configJson } = scratchConfig(source, tokenizer)
  return { config, configJson, weights: heldWeights(initialWeights(config, source.seed)), files: await carriedFiles(source.tokenizer) }
}

function scratchConfig({ architecture }: Scratch, tokenizer: TokenizerIds): Pick<ModelFolder, 'config' | 'configJson'> {
  const { className, modelType, fields } = architectureNamed(new Fields(architecture, 'model.architecture'))
  // A folder's config.json may hold anything, but a typing error here would pass unseen.
  const known = [...COMMON_FIELDS, ...fields]
  const stray = Object.keys(architecture).find((key) => !known.includes(key))
  if (stray !== undefined) {
    const message = `"${stray}" is not a field of a ${modelType} config.json. ${suggestion(stray, known)}`
    throw new PlumbError('PLUMB_MODEL_CONFIG', message, 'model.architecture')
  }
  const configJson: ConfigJson = {
    architectures: [className],
    vocab_size: tokenizer.vocabularySize,
    bos_token_id: tokenizer.bosId ?? null,
    eos_token_id: tokenizer.eosId ?? null,
    pad_token_id: tokenizer.padId ?? null,
    ...architecture,
  }
  const config = parseModelConfig(configJson, 'model.architecture')
  // A published folder may hold tokens that its model never got a row for; whoever uses one is told then. Here it is a mistake.
  if (tokenizer.vocabularySize > config.vocabSize) {
    const message = `The tokenizer has ${tokenizer.vocabularySize} tokens, vocab_size is only ${config.vocabSize}; leave it out to have them all.`
    throw new PlumbError('PLUMB_MODEL_VOCABULARY', message, 'model.architecture')
  }
  requireMemory(config)
  return { config, configJson }
}

function requireMemory(config: ModelConfig): void {
  const parameters = parameterCount(config)
  const available = Math.min(totalmem(), process.constrainedMemory() || Infinity)
  if (4 * parameters <= available) return
  const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(1)
  const message = `The architecture has ${parameters} parameters, ${gib(4 * parameters)} GiB; this machine has ${gib(available)}.`
  throw new PlumbError('PLUMB_MODEL_TOO_LARGE', message, 'model.architecture')
}

/** A tokenizer given as a file of another name is saved as `tokenizer.json`, without what happens to lie beside it. */
async function carriedFiles(path: string): Promise<Map<string, Uint8Array>> {
  if ((await stat(path)).isDirectory()) return readCompanions(path)
  if (basename(path) === 'tokenizer.json') return readCompanions(dirname(path))
  return new Map([['tokenizer.json', await readFile(path)]])
}

function eosIds({ config, files }: Pick<ModelFolder, 'config' | 'files'>, tokenizer: TokenizerIds): number[] {
  const generation = files.get('generation_config.json')
  let declared: unknown
  try {
    declared = generation && (JSON.parse(Buffer.from(generation).toString('utf8')) as Record<string, unknown>).eos_token_id
  } catch {
    // A malformed companion is carried over as it is; the other two sources say enough.
  }
  const all = [tokenizer.eosId, ...(config.eosIds ?? []), ...(Array.isArray(declared) ? (declared as unknown[]) : [declared])]
  return [...new Set(all.filter((id): id is number => Number.isSafeInteger(id)))]
}
