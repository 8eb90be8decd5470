import { existsSync } from 'node:fs'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { PlumbError } from '@plumbline/core/base'
import { readSafetensors, writeSafetensors, type Weights } from '@plumbline/transformer'
import type { Parameter, ParameterStore } from './parameters'

const STEP_FILE = 'training-state.json'
const TENSORS_FILE = 'training-state.safetensors'
const PARTS = ['weight', 'mean', 'variance'] as const

/**
 * Writes weights, moments and the step count, whole or not at all: everything goes to a temporary folder beside the target, is
 * flushed, and is renamed into place.
 */
export async function writeState(folder: string, store: ParameterStore): Promise<void> {
  const target = resolve(folder)
  if (existsSync(target) && !existsSync(join(target, STEP_FILE))) {
    throw new PlumbError(
      'PLUMB_STATE_FOLDER_TAKEN',
      'This exists and is not a training state; expected a new path or a state to replace.',
      folder,
    )
  }
  const temporary = `${target}.tmp`
  const aside = `${target}.old`
  await rm(temporary, { recursive: true, force: true })
  await mkdir(temporary, { recursive: true })
  const tensors = new Map(
    store.parameters.flatMap((parameter) =>
      PARTS.map((part) => [`${part}.${parameter.name}`, { shape: parameter.shape, data: parameter[part] }]),
    ),
  )
  await writeSafetensors(join(temporary, TENSORS_FILE), tensors)
  const file = await open(join(temporary, STEP_FILE), 'w')
  await file.writeFile(JSON.stringify({ format: 1, step: store.step }) + '\n')
  await file.sync()
  await file.close()
  await syncFolder(temporary)
  if (existsSync(target)) {
    await rm(aside, { recursive: true, force: true })
    await rename(target, aside)
  }
  await rename(temporary, target)
  await syncFolder(dirname(target))
  await rm(aside, { recursive: true, force: true })
}

/** Reads what `writeState` wrote into the store's arrays; the store is unchanged when anything is wrong. */
export async function readState(requested: string, store: ParameterStore): Promise<void> {
  // A process killed between the two renames of `writeState` leaves the state it was about to replace beside the target.
  const folder = !existsSync(requested) && existsSync(`${resolve(requested)}.old`) ? `${resolve(requested)}.old` : requested
  const stepPath = join(folder, STEP_FILE)
  const tensorsPath = join(folder, TENSORS_FILE)
  if (!existsSync(stepPath) || !existsSync(tensorsPath)) {
    throw new PlumbError('PLUMB_STATE_NOT_FOUND', `There is no training state here; expected ${STEP_FILE} and ${TENSORS_FILE}.`, folder)
  }
  const step = readStep(await readFile(stepPath, 'utf8'), stepPath)
  const tensors = await readSafetensors(tensorsPath)
  const found = store.parameters.map((parameter) =>
    PARTS.map((part) => [parameter[part], find(tensors, parameter, part, tensorsPath)] as const),
  )
  for (const [target, source] of found.flat()) target.set(source)
  store.step = step
}

function readStep(json: string, path: string): number {
  let step: unknown
  try {
    step = (JSON.parse(json) as { step?: unknown } | null)?.step
  } catch {
    step = undefined
  }
  if (Number.isSafeInteger(step) && (step as number) >= 0) return step as number
  throw new PlumbError('PLUMB_STATE_MALFORMED', 'The training state does not say which step it is from; expected {"step": <number>}.', path)
}

function find(tensors: Weights, { name, shape }: Parameter, part: string, path: string): Float32Array {
  const tensor = tensors.get(`${part}.${name}`)
  if (tensor && tensor.shape.join() === shape.join()) return tensor.data
  const found = tensor ? `has shape [${tensor.shape.join(', ')}]` : 'is missing'
  throw new PlumbError('PLUMB_STATE_MODEL_DIFFERS', `${part}.${name} ${found}; this model has [${shape.join(', ')}].`, path)
}

/** Makes a rename survive a power cut; Windows cannot open a folder and needs no such call. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
