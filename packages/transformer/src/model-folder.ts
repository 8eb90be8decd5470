import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { PlumbError } from '@plumbline/core/base'
import { parseModelConfig, type ConfigJson, type ModelConfig } from './config'
import { parameterShapes } from './parameters'
import { writeDurably, writeWholeFolder } from './whole-folder'
import { readSafetensors, writeSafetensors, type WeightTensor, type Weights } from './safetensors'

/** Carried over unchanged when a model is saved: tokenizer and generation defaults. */
export const COMPANION_FILES: readonly string[] = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'tokenizer.model',
  'generation_config.json',
  'chat_template.jinja',
]

/** A model as a Hugging Face folder holds it. */
export interface ModelFolder {
  readonly config: ModelConfig
  /** `config.json` as it stands, unknown fields included. */
  readonly configJson: ConfigJson
  /** Exactly the tensors of {@link parameterShapes}, float32. */
  readonly weights: Weights
  /** Companion files by name, byte for byte. */
  readonly files: ReadonlyMap<string, Uint8Array>
}

/**
 * Reads a Hugging Face model folder: `config.json`, `model.safetensors` (or the shards of `model.safetensors.index.json`) and
 * the tokenizer's files.
 *
 * @throws PlumbError PLUMB_MODEL_NOT_FOUND, PLUMB_MODEL_NO_CONFIG, PLUMB_MODEL_NO_WEIGHTS, PLUMB_MODEL_TENSOR_MISSING,
 *   PLUMB_MODEL_TENSOR_SHAPE, PLUMB_MODEL_TENSOR_UNEXPECTED, and those of `parseModelConfig` and `readSafetensors`.
 */
export async function readModelFolder(path: string): Promise<ModelFolder> {
  const { config, configJson } = await readModelConfig(path)
  return { config, configJson, weights: checkWeights(await readWeights(path), config, path), files: await readCompanions(path) }
}

/** The config of a model folder alone. */
export async function readModelConfig(path: string): Promise<Pick<ModelFolder, 'config' | 'configJson'>> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (!isFolder) throw new PlumbError('PLUMB_MODEL_NOT_FOUND', 'There is no model folder here.', path)
  const configPath = join(path, 'config.json')
  if (!existsSync(configPath)) {
    throw new PlumbError('PLUMB_MODEL_NO_CONFIG', 'The model folder has no config.json; expected a Hugging Face model folder.', path)
  }
  const configJson = await readJson(configPath, 'PLUMB_MODEL_CONFIG')
  return { config: parseModelConfig(configJson, configPath), configJson }
}

/** The companion files present in a folder (or beside a `tokenizer.json`). */
export async function readCompanions(folder: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>()
  for (const name of COMPANION_FILES) {
    const path = join(folder, name)
    if (existsSync(path)) files.set(name, await readFile(path))
  }
  return files
}

async function readWeights(path: string): Promise<Map<string, WeightTensor>> {
  const single = join(path, 'model.safetensors')
  if (existsSync(single)) return readSafetensors(single)
  const indexPath = join(path, 'model.safetensors.index.json')
  if (!existsSync(indexPath)) {
    const message =
      'The model folder has no weights; expected model.safetensors or model.safetensors.index.json (other formats are not read).'
    throw new PlumbError('PLUMB_MODEL_NO_WEIGHTS', message, path)
  }
  const { weight_map: weightMap } = await readJson(indexPath, 'PLUMB_MODEL_INDEX')
  if (typeof weightMap !== 'object' || weightMap === null) {
    throw new PlumbError('PLUMB_MODEL_INDEX', 'The index has no weight_map.', indexPath)
  }
  const weights = new Map<string, WeightTensor>()
  for (const shard of new Set(Object.values(weightMap))) {
    if (typeof shard !== 'string' || shard !== basename(shard) || !existsSync(join(path, shard))) {
      throw new PlumbError('PLUMB_MODEL_NO_WEIGHTS', `The shard ${JSON.stringify(shard)} is not in the model folder.`, indexPath)
    }
    for (const [name, tensor] of await readSafetensors(join(path, shard))) weights.set(name, tensor)
  }
  return weights
}

function checkWeights(found: ReadonlyMap<string, WeightTensor>, config: ModelConfig, path: string): Weights {
  const expected = parameterShapes(config)
  const weights = new Map<string, WeightTensor>()
  for (const [name, shape] of expected) {
    const tensor = found.get(name)
    if (!tensor)
      throw new PlumbError('PLUMB_MODEL_TENSOR_MISSING', `Tensor ${name} is missing; expected shape [${shape.join(', ')}].`, path)
    if (tensor.shape.length !== shape.length || shape.some((size, axis) => size !== tensor.shape[axis])) {
      const message = `Tensor ${name} has shape [${tensor.shape.join(', ')}]; config.json asks for [${shape.join(', ')}].`
      throw new PlumbError('PLUMB_MODEL_TENSOR_SHAPE', message, path)
    }
    weights.set(name, tensor)
  }
  for (const name of found.keys()) {
    // A tied checkpoint may hold the head again; early Llama checkpoints hold the rotary frequencies, which are computed.
    const redundant = (name === 'lm_head.weight' && config.tiedEmbeddings) || name.endsWith('.rotary_emb.inv_freq')
    if (!expected.has(name) && !redundant) {
      const message = `Tensor ${name} is not part of the model that config.json describes; leaving it out would change what the model computes.`
      throw new PlumbError('PLUMB_MODEL_TENSOR_UNEXPECTED', message, path)
    }
  }
  return weights
}

/**
 * Writes a Hugging Face model folder that `transformers` loads, whole or not at all. The weights are float32, and `config.json` says
 * so. A model folder that is already there is replaced.
 * @throws PlumbError PLUMB_MODEL_FOLDER_TAKEN when the target exists and is not a model folder.
 */
export async function writeModelFolder(folder: string, model: Pick<ModelFolder, 'configJson' | 'weights' | 'files'>): Promise<void> {
  await writeWholeFolder(folder, { mark: 'config.json', taken: 'PLUMB_MODEL_FOLDER_TAKEN' }, async (temporary) => {
    for (const [name, bytes] of model.files) await writeDurably(join(temporary, name), bytes)
    await writeDurably(join(temporary, 'config.json'), JSON.stringify(float32Config(model.configJson), null, 2) + '\n')
    await writeSafetensors(join(temporary, 'model.safetensors'), model.weights)
  })
}

/** Both spellings, because transformers before 4.56 reads `torch_dtype`; a stale one would round the weights on loading. */
function float32Config(json: ConfigJson): ConfigJson {
  return { ...json, dtype: 'float32', ...('torch_dtype' in json ? { torch_dtype: 'float32' } : {}) }
}

async function readJson(path: string, code: 'PLUMB_MODEL_CONFIG' | 'PLUMB_MODEL_INDEX'): Promise<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch (cause) {
    throw new PlumbError(code, `This is not valid JSON: ${(cause as Error).message}`, path, { cause })
  }
  throw new PlumbError(code, 'This is not a JSON object.', path)
}
