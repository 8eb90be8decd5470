import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileStats, isPlumbError, PlumbError } from '@plumbline/core/base'
import { requireFiniteWeights } from './finite-weights'
import { writeSafetensors, type StoredTensor, type Weights, type WeightTensor, type WritableTensors } from './safetensors'
import { readStoredTensor, scanSafetensors } from './stored-tensors'
import { elements } from './parameters'
import { writeDurably, writeWholeFolder } from './whole-folder'

const STEP_FILE = 'training-state.json'
const TENSORS_FILE = 'training-state.safetensors'

/** Everything an optimizer step reads; a state that one engine wrote continues in another. */
export interface TrainingState {
  /** Of every parameter. */
  readonly weight: Weights
  /** First moments (exp_avg) of the trained parameters. */
  readonly mean: Weights
  /** Second moments (exp_avg_sq) of the trained parameters. */
  readonly variance: Weights
  /** AdamW steps taken. */
  readonly step: number
}

/** How numbers of a moment are held: four bytes or two. */
export type MomentType = 'float32' | 'bfloat16'

/** A state as it is written; moments are float32 or the bits of bfloat16. */
export interface WritableState {
  readonly weight: WritableTensors
  readonly mean: WritableTensors
  readonly variance: WritableTensors
  readonly step: number
}

/** Which tensors a state must hold. */
export interface StateShape {
  readonly parameters: ReadonlyMap<string, readonly number[]>
  readonly frozen: ReadonlySet<string>
  /** Of the moments; `float32` when absent. */
  readonly moments?: MomentType
}

const PARTS = ['weight', 'mean', 'variance'] as const
export type StatePart = (typeof PARTS)[number]

/** A state that has passed every check, before its numbers are read. */
export interface OpenTrainingState {
  readonly step: number
  /** Where the tensors lie, for who reads them itself. */
  readonly file: string
  /** @param into as many numbers as the tensor has: bits of bfloat16 for moments of that type, else float32. */
  read(part: StatePart, name: string, into: Float32Array | Uint16Array): Promise<void>
}

/** Written into both files. Another one was written by another version, whose files say other things. */
const FORMAT = 2

/**
 * Writes weights, moments and the step count, whole or not at all.
 * @throws PlumbError PLUMB_STATE_FOLDER_TAKEN; PLUMB_NON_FINITE_WEIGHTS before anything is written.
 */
export async function writeTrainingState(folder: string, state: WritableState): Promise<void> {
  const tensors = new Map(PARTS.flatMap((part) => [...state[part]].map(([name, tensor]) => [`${part}.${name}`, tensor] as const)))
  requireFiniteWeights(tensors, 'such a state is not saved', folder)
  const { step } = state
  await writeStateFiles(folder, async (file) => ({ step, crc32: await writeSafetensors(file, tensors, { step: String(step) }) }))
}

/**
 * The same for an engine that writes the tensors itself: `weight.…`, `mean.…` and `variance.…`, with the step in the header's metadata.
 * @param write into the file that it is given, flushed; gives the steps taken and the file's CRC-32.
 * @throws PlumbError PLUMB_STATE_FOLDER_TAKEN
 */
export async function writeStateFiles(
  folder: string,
  write: (file: string) => Promise<{ readonly step: number; readonly crc32: number }>,
): Promise<void> {
  await writeWholeFolder(folder, { mark: STEP_FILE, taken: 'PLUMB_STATE_FOLDER_TAKEN' }, async (temporary) => {
    const { step, crc32 } = await write(join(temporary, TENSORS_FILE))
    await writeDurably(join(temporary, STEP_FILE), JSON.stringify({ format: FORMAT, step, crc32 }) + '\n')
  })
}

/**
 * Reads what `writeTrainingState` wrote with float32 moments, and nothing else: see `openTrainingState`.
 * @throws PlumbError PLUMB_STATE_NOT_FOUND, PLUMB_STATE_MALFORMED, PLUMB_STATE_MODEL_DIFFERS
 */
export async function readTrainingState(folder: string, shape: StateShape): Promise<TrainingState> {
  const { step, read } = await openTrainingState(folder, { ...shape, moments: 'float32' })
  const trained = [...shape.parameters].filter(([name]) => !shape.frozen.has(name))
  const part = async (of: StatePart, parameters: Iterable<readonly [string, readonly number[]]>): Promise<Weights> => {
    const tensors = new Map<string, WeightTensor>()
    for (const [name, dims] of parameters) {
      const data = new Float32Array(elements(dims))
      await read(of, name, data)
      tensors.set(name, { shape: dims, data })
    }
    return tensors
  }
  return {
    step,
    weight: await part('weight', shape.parameters),
    mean: await part('mean', trained),
    variance: await part('variance', trained),
  }
}

/**
 * Checks a state from end to end before a number of it replaces one of a model: a file that is cut, of which a bit has changed, or that
 * belongs to another step or model is refused. The tensors are then read one by one, straight to where they belong.
 * @throws PlumbError PLUMB_STATE_NOT_FOUND, PLUMB_STATE_MALFORMED, PLUMB_STATE_MODEL_DIFFERS
 */
export async function openTrainingState(requested: string, shape: StateShape): Promise<OpenTrainingState> {
  // A process killed between the two renames of a replacement leaves the state it was about to replace beside the target.
  const aside = `${resolve(requested)}.old`
  const folder = !existsSync(requested) && existsSync(aside) ? aside : requested
  const [stepPath, tensorsPath] = [join(folder, STEP_FILE), join(folder, TENSORS_FILE)]
  if (!existsSync(stepPath) || !existsSync(tensorsPath)) {
    throw new PlumbError('PLUMB_STATE_NOT_FOUND', `There is no training state here; expected ${STEP_FILE} and ${TENSORS_FILE}.`, folder)
  }
  const { step, tensors } = await checkUndamaged(stepPath, tensorsPath)
  const found = new Map(tensors.map((tensor) => [tensor.name, tensor]))
  checkBelongs(found, shape, tensorsPath)
  return { step, file: tensorsPath, read: (part, name, into) => readStoredTensor(tensorsPath, found.get(`${part}.${name}`)!, into) }
}

/** @throws PlumbError PLUMB_STATE_MODEL_DIFFERS */
function checkBelongs(found: ReadonlyMap<string, StoredTensor>, { parameters, frozen, moments }: StateShape, path: string): void {
  const differs = (message: string) => new PlumbError('PLUMB_STATE_MODEL_DIFFERS', message, path)
  const stray = [...frozen].find((name) => found.has(`mean.${name}`))
  if (stray !== undefined) throw differs(`The state was written while ${stray} was trained; here it is frozen.`)
  const trained = [...parameters.keys()].filter((name) => !frozen.has(name))
  let expected = 0
  for (const part of PARTS) {
    const dtype = part !== 'weight' && moments === 'bfloat16' ? 'BF16' : 'F32'
    for (const name of part === 'weight' ? parameters.keys() : trained) {
      const tensor = found.get(`${part}.${name}`)
      const shape = parameters.get(name)!
      if (tensor?.shape.join() !== shape.join()) {
        const actual = tensor ? `has shape [${tensor.shape.join(', ')}]` : 'is missing'
        throw differs(`${part}.${name} ${actual}; this model has [${shape.join(', ')}].`)
      }
      if (tensor.dtype !== dtype) throw differs(`${part}.${name} is stored as ${tensor.dtype}; this training holds it as ${dtype}.`)
      expected++
    }
  }
  const extra = found.size > expected ? [...found.keys()].find((name) => !parameters.has(name.slice(name.indexOf('.') + 1))) : undefined
  if (extra !== undefined) throw differs(`The state holds ${extra}, which this model does not have.`)
}

/** The step and where the tensors lie, once both files are known to be as they were written. */
async function checkUndamaged(stepPath: string, tensorsPath: string): Promise<{ step: number; tensors: readonly StoredTensor[] }> {
  const malformed = (path: string, what: string, cause?: unknown) =>
    new PlumbError(
      'PLUMB_STATE_MALFORMED',
      `${what} Delete the checkpoint that this file belongs to; training then begins again from the start of its stage.`,
      path,
      { cause },
    )
  try {
    const { format, step, crc32 } = parseStep(await readText(stepPath))
    if (format !== undefined && format !== FORMAT) {
      throw malformed(
        stepPath,
        `The training state is of format ${JSON.stringify(format)}, which another version wrote; expected ${FORMAT}.`,
      )
    }
    if (format === undefined || step === undefined || crc32 === undefined) {
      throw malformed(stepPath, `The training state is damaged: it is not {"format": ${FORMAT}, "step": …, "crc32": …}.`)
    }
    const { checksum, header, problem, nonFinite } = await scanSafetensors(tensorsPath)
    if (checksum !== crc32) {
      throw malformed(tensorsPath, `The training state is damaged: its bytes are not those that were written (CRC-32).`)
    }
    if (!header) throw problem!
    if (header.metadata.step !== String(step)) {
      throw malformed(stepPath, `The training state says step ${step}, its tensors are of step ${JSON.stringify(header.metadata.step)}.`)
    }
    if (nonFinite !== undefined) throw malformed(tensorsPath, `${nonFinite} holds numbers that are not finite.`)
    return { step, tensors: header.tensors }
  } catch (error) {
    if (!isPlumbError(error) || error.code === 'PLUMB_STATE_MALFORMED') throw error
    throw malformed(error.where ?? tensorsPath, `The training state is damaged: ${error.message}`, error)
  }
}

async function readText(path: string): Promise<string> {
  await fileStats(path)
  return readFile(path, 'utf8')
}

function parseStep(json: string): { readonly format?: unknown; readonly step?: number; readonly crc32?: number } {
  try {
    const value = JSON.parse(json) as { readonly format?: unknown; readonly step?: unknown; readonly crc32?: unknown } | null
    const count = (number: unknown) => (Number.isSafeInteger(number) && (number as number) >= 0 ? (number as number) : undefined)
    return { format: value?.format, step: count(value?.step), crc32: count(value?.crc32) }
  } catch {
    return {}
  }
}
