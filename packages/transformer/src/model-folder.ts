import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  isNestedTooDeep,
  fileStats,
  isReadableFile,
  isShardName,
  PlumbError,
  shownValue,
  TOKENIZER_FILES,
  WEIGHTS_FILE,
  WEIGHTS_INDEX_FILE,
} from '@plumbline/core/base'
import type { StoredType } from './bfloat16'
import { parseModelConfig } from './config'
import { architectureOf } from './families'
import { requireFiniteWeights } from './finite-weights'
import type { ConfigJson } from './config-json'
import { HALF_TYPES, type HalfType } from './half'
import type { ModelConfig } from './model-config'
import { parameterList, parameterShapes } from './parameters'
import { asStored, storedShape, transposed } from './stored-layout'
import { writeDurably, writeWholeFolder } from './whole-folder'
import { readSafetensorsHeader, writeSafetensors, type StoredTensor, type Weights } from './safetensors'
import { readStoredTensor, readWeights, sameNumbers, type WeightSource } from './stored-tensors'

/** Carried over unchanged when a model is saved: tokenizer and generation defaults. `config.json` is written anew. */
const COMPANION_FILES = TOKENIZER_FILES.filter((name) => name !== 'config.json')
/** A config or an index larger than this is none. */
const MOST_JSON_BYTES = 64 * 2 ** 20

/** A model as a Hugging Face folder holds it. */
export interface ModelFolder {
  readonly config: ModelConfig
  /** `config.json` as it stands, unknown fields included; `tie_word_embeddings` as the weights have it. */
  readonly configJson: ConfigJson
  /** Exactly the tensors of `parameterShapes`, float32. */
  readonly weights: Weights
  /** Companion files by name, byte for byte. */
  readonly files: ReadonlyMap<string, Uint8Array>
}

/** The same without its numbers: a tensor is read when there is a place for it. */
export interface OpenModelFolder extends Omit<ModelFolder, 'weights'> {
  readonly weights: WeightSource
}

type FolderConfig = Pick<ModelFolder, 'config' | 'configJson'>

/**
 * Reads a Hugging Face model folder: `config.json`, `model.safetensors` (or the shards of `model.safetensors.index.json`) and
 * the tokenizer's files.
 *
 * A checkpoint whose config ties the head to the embeddings and which holds a head all the same is what its tensors are: tied where
 * they are equal, untied where they differ, as transformers 5 has it.
 *
 * @throws PlumbError PLUMB_MODEL_NOT_FOUND, PLUMB_MODEL_NO_CONFIG, PLUMB_MODEL_NO_WEIGHTS, PLUMB_MODEL_INDEX, PLUMB_MODEL_TENSOR_MISSING,
 *   PLUMB_MODEL_TENSOR_SHAPE, PLUMB_MODEL_TENSOR_UNEXPECTED, PLUMB_NOT_A_FILE, and those of `parseModelConfig` and `readSafetensors`.
 */
export async function readModelFolder(path: string): Promise<ModelFolder> {
  const folder = await openModelFolder(path)
  return { ...folder, weights: await readWeights(folder.weights) }
}

/** Everything that can be known of a folder before a number is read, with all checks. @throws PlumbError as `readModelFolder` does. */
export async function openModelFolder(path: string): Promise<OpenModelFolder> {
  const { config, configJson, tensors } = await readStored(path)
  const specs = new Map(Array.from(parameterList(config), (spec) => [spec.name, spec]))
  const read = async (name: string, into: Float32Array | Uint16Array) => {
    const tensor = tensors.get(name)!
    await readStoredTensor(tensor.file, tensor, into)
    if (specs.get(name)!.isTransposed) into.set(transposed(into, tensor.shape))
  }
  const types = new Map<string, HalfType>()
  for (const name of specs.keys()) {
    const type = HALF_TYPES[tensors.get(name)!.dtype]
    if (type) types.set(name, type)
  }
  const weights = { shapes: parameterShapes(config), read, ...(types.size > 0 ? { halves: { types, read } } : {}) }
  return { config, configJson, weights, files: await readCompanions(path) }
}

/**
 * The config of a model folder, checked against the names and shapes of its tensors: what it claims beyond them is refused before
 * anything is made of it.
 * @throws PlumbError as `readModelFolder` does.
 */
export async function readModelConfig(path: string): Promise<FolderConfig> {
  const { config, configJson } = await readStored(path)
  return { config, configJson }
}

/** The companion files present in a folder (or beside a `tokenizer.json`). */
export async function readCompanions(folder: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>()
  for (const name of COMPANION_FILES) {
    const path = join(folder, name)
    if (await isReadableFile(path)) files.set(name, await readFile(path))
  }
  return files
}

interface Stored extends FolderConfig {
  readonly tensors: StoredTensors
}

/** Where each parameter's tensor lies, whatever its name is there. */
type StoredTensors = ReadonlyMap<string, StoredTensor & { readonly file: string }>

async function readStored(path: string): Promise<Stored> {
  const declared = await readDeclaredConfig(path)
  const tensors = byParameter(await readHeaders(path), declared.config)
  const found = await settleHead(declared, tensors)
  checkTensors(tensors, found.config, path)
  return { ...found, tensors }
}

async function readDeclaredConfig(path: string): Promise<FolderConfig> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (!isFolder) throw new PlumbError('PLUMB_MODEL_NOT_FOUND', 'There is no model folder here.', path)
  const configPath = join(path, 'config.json')
  const configJson = await readJson(configPath, 'PLUMB_MODEL_CONFIG')
  if (!configJson) {
    throw new PlumbError('PLUMB_MODEL_NO_CONFIG', 'The model folder has no config.json; expected a Hugging Face model folder.', path)
  }
  return { config: parseModelConfig(configJson, configPath), configJson }
}

async function readHeaders(path: string): Promise<StoredTensors> {
  const tensors = new Map<string, StoredTensor & { file: string }>()
  for (const file of await weightFiles(path)) {
    for (const tensor of (await readSafetensorsHeader(file)).tensors) {
      const other = tensors.get(tensor.name)
      if (other) throw new PlumbError('PLUMB_MODEL_INDEX', `Tensor ${tensor.name} is in this shard and in ${other.file}.`, file)
      tensors.set(tensor.name, { ...tensor, file })
    }
  }
  return tensors
}

async function weightFiles(path: string): Promise<string[]> {
  const single = join(path, WEIGHTS_FILE)
  if (await isReadableFile(single)) return [single]
  const indexPath = join(path, WEIGHTS_INDEX_FILE)
  const index = await readJson(indexPath, 'PLUMB_MODEL_INDEX')
  if (!index) {
    const message = `The model folder has no weights; expected ${WEIGHTS_FILE} or ${WEIGHTS_INDEX_FILE} (other formats are not read).`
    throw new PlumbError('PLUMB_MODEL_NO_WEIGHTS', message, path)
  }
  const { weight_map: weightMap } = index
  if (typeof weightMap !== 'object' || weightMap === null || Array.isArray(weightMap)) {
    throw new PlumbError('PLUMB_MODEL_INDEX', 'The index has no weight_map.', indexPath)
  }
  const files: string[] = []
  for (const shard of new Set(Object.values(weightMap))) {
    if (!isShardName(shard) || !(await isReadableFile(join(path, shard)))) {
      throw new PlumbError('PLUMB_MODEL_NO_WEIGHTS', `The shard ${shownValue(shard)} is not in the model folder.`, indexPath)
    }
    files.push(join(path, shard))
  }
  return files
}

/** Tensors by the parameters they are. Early Llama checkpoints hold the rotary frequencies, which are computed. */
function byParameter(tensors: StoredTensors, config: ModelConfig): StoredTensors {
  const { ofFile = (name: string) => name } = architectureOf(config)
  const isComputed = (name: string) => name.endsWith('.rotary_emb.inv_freq')
  return new Map(
    [...tensors].flatMap(([stored, tensor]) => {
      const name = isComputed(stored) ? undefined : ofFile(stored)
      return name === undefined ? [] : [[name, tensor]]
    }),
  )
}

/** Fine-tuning that untied the head and left the flag as it was is common: the tensors have the word. */
async function settleHead({ config, configJson }: FolderConfig, tensors: StoredTensors): Promise<FolderConfig> {
  const declared = { config, configJson }
  const { names } = architectureOf(config)
  const [embedding, head] = [tensors.get(names.embedding), tensors.get(names.head)]
  if (!config.tiedEmbeddings || !head || !embedding) return declared
  const equal = embedding.shape.join() === head.shape.join() && (await sameNumbers(embedding, head))
  return equal ? declared : { config: { ...config, tiedEmbeddings: false }, configJson: { ...configJson, tie_word_embeddings: false } }
}

function checkTensors(found: StoredTensors, config: ModelConfig, path: string): void {
  const expected = new Set<string>()
  // One by one: the first that is missing ends a list that a config may claim to be endless.
  for (const spec of parameterList(config)) {
    const { name } = spec
    const shape = storedShape(spec)
    const tensor = found.get(name)
    if (!tensor)
      throw new PlumbError('PLUMB_MODEL_TENSOR_MISSING', `Tensor ${name} is missing; expected shape [${shape.join(', ')}].`, path)
    if (tensor.shape.length !== shape.length || shape.some((size, axis) => size !== tensor.shape[axis])) {
      const message = `Tensor ${name} has shape [${tensor.shape.join(', ')}]; config.json asks for [${shape.join(', ')}].`
      throw new PlumbError('PLUMB_MODEL_TENSOR_SHAPE', message, path)
    }
    expected.add(name)
  }
  for (const name of found.keys()) {
    // A tied checkpoint may hold the head again.
    const redundant = name === architectureOf(config).names.head && config.tiedEmbeddings
    if (!expected.has(name) && !redundant) {
      const message = `Tensor ${name} is not part of the model that config.json describes; leaving it out would change what the model computes.`
      throw new PlumbError('PLUMB_MODEL_TENSOR_UNEXPECTED', message, path)
    }
  }
}

/**
 * Writes a Hugging Face model folder that `transformers` loads, whole or not at all. The weights are float32, and `config.json` says
 * so. A model folder that is already there is replaced.
 * @throws PlumbError PLUMB_MODEL_FOLDER_TAKEN when the target exists and is not a model folder, PLUMB_NON_FINITE_WEIGHTS before
 *   anything is written.
 */
export async function writeModelFolder(folder: string, model: Pick<ModelFolder, 'configJson' | 'weights' | 'files'>): Promise<void> {
  requireFiniteWeights(model.weights, 'such a model is not saved', folder)
  const specs = new Map(Array.from(parameterList(parseModelConfig(model.configJson, folder)), (spec) => [spec.name, spec]))
  const stored = new Map([...model.weights].map(([name, tensor]) => [name, asStored(specs.get(name), tensor)]))
  await writeWholeFolder(folder, { mark: 'config.json', taken: 'PLUMB_MODEL_FOLDER_TAKEN' }, async (temporary) => {
    for (const [name, bytes] of model.files) await writeDurably(join(temporary, name), bytes)
    await writeDurably(join(temporary, 'config.json'), configText(model.configJson, 'float32'))
    await writeSafetensors(join(temporary, 'model.safetensors'), stored)
  })
}

/** Fields that transformers 5 refuses whole numbers for; JavaScript writes 30.0 as 30. */
const WHOLE_FLOAT = /^( *"(?:initializer_range|rms_norm_eps|layer_norm_epsilon|(?:attn|final)_logit_softcapping)": -?\d+)(?=,?$)/gm

/** `config.json` of a model whose weights are stored as a type. */
export function configText(json: ConfigJson, dtype: StoredType): string {
  return JSON.stringify(typedConfig(json, dtype), null, 2).replace(WHOLE_FLOAT, '$1.0') + '\n'
}

/** Both spellings, because transformers before 4.56 reads `torch_dtype`; a stale one would round the weights on loading. */
function typedConfig(json: ConfigJson, dtype: StoredType): ConfigJson {
  return { ...json, dtype, ...('torch_dtype' in json ? { torch_dtype: dtype } : {}) }
}

/** @returns undefined where there is no file. */
async function readJson(path: string, code: 'PLUMB_MODEL_CONFIG' | 'PLUMB_MODEL_INDEX'): Promise<Record<string, unknown> | undefined> {
  const found = await fileStats(path)
  if (!found) return undefined
  if (found.size > MOST_JSON_BYTES)
    throw new PlumbError(code, `The file has ${found.size} bytes; expected at most ${MOST_JSON_BYTES}.`, path)
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    throw new PlumbError(code, `This is not valid JSON: ${cause.message}`, path, { cause })
  }
  if (isNestedTooDeep(value)) throw new PlumbError(code, 'Its lists and objects are nested too deeply.', path)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new PlumbError(code, 'This is not a JSON object.', path)
}
