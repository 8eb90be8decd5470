import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isPlumbError, PlumbError, type BaseSource, type ModelFacts, type ModelSource, type Tokenizer } from '@plumbline/core'
import {
  loadTokenizer,
  loadUntokenizedModel,
  openUntokenizedModel,
  readCompanions,
  inspectModel,
  tokenizerPath,
  writeModelFolder,
  type ConfigJson,
  type ModelConfig,
} from '@plumbline/transformer'

/** A model in a folder that Python opens, with what saving and sampling need of it. */
export interface FolderModel {
  readonly path: string
  readonly configJson: ConfigJson
  /** Companion files by name, byte for byte. */
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly eosIds: readonly number[]
  readonly contextLength: number
  /** Absent for families that only transformers knows. */
  readonly config?: ModelConfig
  /** Removes what was written for it. */
  dispose(): Promise<void>
}

const nothing = () => Promise.resolve()

/** Puts a model where Python can open it: a folder stays where it is, random weights are written to a temporary one. */
export async function folderModel(source: BaseSource, tokenizer: Tokenizer): Promise<FolderModel> {
  if (source.kind === 'scratch') {
    const model = await loadUntokenizedModel(source, tokenizer)
    const parent = await mkdtemp(join(tmpdir(), 'plumbline-torch-'))
    const dispose = () => rm(parent, { recursive: true, force: true })
    const path = join(parent, 'model')
    try {
      await writeModelFolder(path, model)
    } catch (error) {
      await dispose()
      throw error
    }
    return { ...model, path, contextLength: model.config.maxPositions, dispose }
  }
  try {
    const { config, configJson, files, eosIds } = await openUntokenizedModel(source, tokenizer)
    return { path: source.path, config, configJson, files, eosIds, contextLength: config.maxPositions, dispose: nothing }
  } catch (error) {
    if (!isUnknownFamily(error)) throw error
    return { ...(await foreignModel(source.path, tokenizer)), path: source.path, dispose: nothing }
  }
}

/** What tokenising needs of a model; undefined shapes where only transformers knows the family. */
export async function knownFacts(source: ModelSource): Promise<ModelFacts> {
  try {
    return await inspectModel(source)
  } catch (error) {
    if (!isUnknownFamily(error) || source.kind !== 'folder') throw error
    const tokenizer = await loadTokenizer(tokenizerPath(source))
    return { tokenizer, contextLength: (await foreignModel(source.path, tokenizer)).contextLength }
  }
}

function isUnknownFamily(error: unknown): boolean {
  return isPlumbError(error) && error.code === 'PLUMB_MODEL_UNSUPPORTED'
}

/** A family that this project has no file for: its `config.json` is taken at its word. */
async function foreignModel(path: string, tokenizer: Tokenizer) {
  const configJson = await readJson(join(path, 'config.json'))
  const files = await readCompanions(path)
  const generation = files.has('generation_config.json') ? await readJson(join(path, 'generation_config.json')) : {}
  const ends = [tokenizer.eosId, configJson.eos_token_id, generation.eos_token_id].flat()
  const eosIds = [...new Set(ends.filter((id): id is number => Number.isSafeInteger(id)))]
  return { configJson, files, eosIds, contextLength: contextLengthOf(configJson) }
}

async function readJson(path: string): Promise<ConfigJson> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ConfigJson
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    throw new PlumbError('PLUMB_MODEL_CONFIG', `This is not valid JSON: ${cause.message}`, path, { cause })
  }
}

const LENGTH_FIELDS = ['max_position_embeddings', 'n_positions', 'max_sequence_length', 'max_seq_len', 'seq_length', 'n_ctx']
/** Of models whose state does not grow with the text. */
const NO_LENGTH = 1_048_576

/** Where frequencies of all positions change with the length of the text, prompt and completions could not share a prompt: until then. */
function contextLengthOf(config: ConfigJson): number {
  const declared = LENGTH_FIELDS.map((name) => config[name]).find((value): value is number => Number.isSafeInteger(value)) ?? NO_LENGTH
  const scaling = (config.rope_parameters ?? config.rope_scaling) as Readonly<Record<string, unknown>> | null | undefined
  const original = scaling?.original_max_position_embeddings ?? config.original_max_position_embeddings
  const changes = ['dynamic', 'longrope'].includes(String(scaling?.rope_type ?? scaling?.type))
  return changes && Number.isSafeInteger(original) ? Math.min(declared, original as number) : declared
}
