import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Config } from '../config/schema'
import { PlumbError } from '../errors'
import { readText } from '../run/files'
import type { BaseSource, ModelSource } from '../seams/policy'
import { ADAPTER_CONFIG_FILE } from '../util/model-files'
import { isReadableFile } from '../util/regular-file'

/**
 * Where a config's model comes from. A folder that holds an adapter and no model is an adapter on the base that it names.
 *
 * @throws PlumbError PLUMB_MODEL_MISSING, PLUMB_TOKENIZER_MISSING, PLUMB_ADAPTER_MISSING; PLUMB_ADAPTER_BASE_UNKNOWN where the base that an adapter names is
 *   no folder here, PLUMB_MODEL_AMBIGUOUS for a folder that is a model and an adapter.
 */
export async function modelSource(model: Config['model']): Promise<ModelSource> {
  if (typeof model === 'string') {
    mustExist(model, 'PLUMB_MODEL_MISSING', noModelAt(model))
    return (await adapterAlone(model)) ?? { kind: 'folder', path: model }
  }
  if ('base' in model) {
    mustExist(model.base, 'PLUMB_MODEL_MISSING', noModelAt(model.base))
    mustExist(model.adapter, 'PLUMB_ADAPTER_MISSING', 'There is no adapter folder here.')
    return { kind: 'adapter', base: { kind: 'folder', path: model.base }, path: model.adapter }
  }
  mustExist(model.tokenizer, 'PLUMB_TOKENIZER_MISSING', 'There is no tokenizer here.')
  return { kind: 'scratch', ...model }
}

const FOLDERS_OF_MODELS = /^(models?|checkpoints?|ckpts?|weights|runs?|outputs?|outs?|data|base|\.{1,2})$/i

/** What to do where a model was expected. A name of the Hugging Face Hub, `owner/name`, becomes a path two levels below the config's folder. */
export function noModelAt(target: string): string {
  const [owner, name] = [path.basename(path.dirname(target)), path.basename(target)]
  const isHubName = !existsSync(path.dirname(target)) && existsSync(path.dirname(path.dirname(target))) && !FOLDERS_OF_MODELS.test(owner)
  if (!isHubName) return 'There is no model folder here; "How to get a model" in docs/models.md says where they come from.'
  const hub = `${owner}/${name}`
  return (
    `There is no model folder here, and nothing is downloaded. If ${hub} is a model of the Hugging Face Hub, get it first: ` +
    `hf download ${hub} --local-dir models/${name} (pip install huggingface_hub), or git clone https://huggingface.co/${hub} models/${name} ` +
    `(with git-lfs); then model: models/${name}.`
  )
}

/** The model whose weights are all its own, without what an adapter adds. */
export function baseOf(source: ModelSource): BaseSource {
  return source.kind === 'adapter' ? source.base : source
}

async function adapterAlone(folder: string): Promise<ModelSource | undefined> {
  const file = path.join(folder, ADAPTER_CONFIG_FILE)
  if (!(await isReadableFile(file))) return undefined
  if (existsSync(path.join(folder, 'config.json'))) {
    const message = `The folder holds a model and an adapter (${ADAPTER_CONFIG_FILE}); say which is meant: { base: …, adapter: … }, or a folder with one of them.`
    throw new PlumbError('PLUMB_MODEL_AMBIGUOUS', message, folder)
  }
  return { kind: 'adapter', base: { kind: 'folder', path: await namedBase(file, folder) }, path: folder }
}

/** What is wrong with the rest of the file is said by who reads the adapter. */
async function namedBase(file: string, folder: string): Promise<string> {
  const name = baseNameIn((await readText(file)) ?? '')
  const found = name === undefined ? undefined : path.resolve(folder, name)
  if (found !== undefined && existsSync(path.join(found, 'config.json'))) return found
  const says = name === undefined ? 'does not name its base' : `was trained on ${JSON.stringify(name)}, which is no model folder here`
  const message = `The adapter ${says}; name the base's folder beside it: model: { base: …, adapter: … }.`
  throw new PlumbError('PLUMB_ADAPTER_BASE_UNKNOWN', message, file)
}

function baseNameIn(text: string): string | undefined {
  try {
    const { base_model_name_or_path: name } = JSON.parse(text) as { readonly base_model_name_or_path?: unknown }
    return typeof name === 'string' && name !== '' ? name : undefined
  } catch {
    return undefined
  }
}

function mustExist(target: string, code: `PLUMB_${string}`, message: string): void {
  if (!existsSync(target)) throw new PlumbError(code, message, target)
}
