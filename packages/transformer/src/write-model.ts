import { join } from 'node:path'
import { PlumbError } from '@plumbline/core/base'
import { toBFloat16, type StoredType } from './bfloat16'
import { allFinite } from './finite-weights'
import { parseModelConfig } from './config'
import { configText, type OpenModelFolder } from './model-folder'
import { elements, parameterList } from './parameters'
import { asStored, storedShape } from './stored-layout'
import { writePendingTensors, type PendingTensor } from './safetensors'
import { writeDurably, writeWholeFolder } from './whole-folder'

export interface WriteModelOptions {
  readonly dtype: StoredType
  /** Further files by name, e.g. a model card; one that the model has too is replaced. */
  readonly extra?: ReadonlyMap<string, string>
}

/**
 * Writes a Hugging Face model folder that `transformers` loads, whole or not at all, one tensor after the other: the model is never in memory as a
 * whole. `config.json` says the type that the weights are stored as. A model folder that is already there is replaced.
 *
 * @throws PlumbError PLUMB_MODEL_FOLDER_TAKEN when the target exists and is not a model folder; PLUMB_NON_FINITE_WEIGHTS for numbers that are not
 *   finite, or not in bfloat16.
 */
export async function writeModel(
  folder: string,
  { configJson, weights, files }: Pick<OpenModelFolder, 'configJson' | 'weights' | 'files'>,
  { dtype, extra = new Map<string, string>() }: WriteModelOptions,
): Promise<void> {
  const specs = new Map(Array.from(parameterList(parseModelConfig(configJson, folder)), (spec) => [spec.name, spec]))
  // One place for all tensors, one after the other: arrays that are dropped stay in memory until they are collected.
  let place = new Float32Array(0)
  const pending = [...weights.shapes].map(([name, shape]): [string, PendingTensor] => {
    const spec = specs.get(name)
    const data = async (): Promise<Float32Array | Uint16Array> => {
      const count = elements(shape)
      if (count > place.length) place = new Float32Array(count)
      const read = place.subarray(0, count)
      await weights.read(name, read)
      const numbers = asStored(spec, { shape, data: read }).data
      const stored = dtype === 'bfloat16' ? toBFloat16(numbers) : numbers
      if (allFinite(stored)) return stored
      const message = `Tensor ${name} holds numbers that are not finite in ${dtype}; such a model is not saved.`
      throw new PlumbError('PLUMB_NON_FINITE_WEIGHTS', message, folder)
    }
    return [name, { shape: spec ? storedShape(spec) : shape, dtype: dtype === 'bfloat16' ? 'BF16' : 'F32', data }]
  })
  await writeWholeFolder(folder, { mark: 'config.json', taken: 'PLUMB_MODEL_FOLDER_TAKEN' }, async (temporary) => {
    for (const [name, content] of new Map<string, string | Uint8Array>([...files, ...extra]))
      await writeDurably(join(temporary, name), content)
    await writeDurably(join(temporary, 'config.json'), configText(configJson, dtype))
    await writePendingTensors(join(temporary, 'model.safetensors'), new Map(pending))
  })
}
