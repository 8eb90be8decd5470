import { join, resolve } from 'node:path'
import {
  configText,
  openTrainingState,
  writeAdapter,
  writeDurably,
  writeStateFiles,
  writeWholeFolder,
  type Adapter,
  type StateShape,
} from '@plumbline/transformer'
import type { FolderModel } from './model'
import type { RemoteModel } from './remote'

interface Saved {
  readonly remote: RemoteModel
  readonly model: FolderModel
  readonly isTransposed: boolean
}

/** A Hugging Face folder, whole or not at all: Python writes the tensors, which need not cross. @throws PlumbError PLUMB_MODEL_FOLDER_TAKEN */
export async function saveWeights(folder: string, { remote, model: { configJson, files } }: Omit<Saved, 'isTransposed'>): Promise<void> {
  await writeWholeFolder(folder, { mark: 'config.json', taken: 'PLUMB_MODEL_FOLDER_TAKEN' }, async (temporary) => {
    for (const [name, bytes] of files) await writeDurably(join(temporary, name), bytes)
    await writeDurably(join(temporary, 'config.json'), configText(configJson, 'float32'))
    await remote.call('save_weights', { file: resolve(temporary, 'model.safetensors') })
  })
}

export async function saveAdapter(folder: string, adapter: Adapter, { isTransposed }: Pick<Saved, 'isTransposed'>): Promise<void> {
  await writeAdapter(folder, adapter, { isTransposed })
}

/** A training state that every engine reads. @throws PlumbError PLUMB_STATE_FOLDER_TAKEN */
export async function saveState(folder: string, remote: RemoteModel): Promise<void> {
  await writeStateFiles(folder, async (file) => (await remote.call('save_state', { file: resolve(file) })).result)
}

/**
 * Checks a state from end to end, then lets Python read it.
 * @returns optimizer steps taken.
 * @throws PlumbError as `openTrainingState` does.
 */
export async function loadState(folder: string, shape: StateShape, remote: RemoteModel): Promise<number> {
  const { step, file } = await openTrainingState(folder, shape)
  await remote.call('load_state', { file: resolve(file), step })
  return step
}
