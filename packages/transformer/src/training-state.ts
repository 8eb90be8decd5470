import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileStats, isPlumbError, PlumbError } from '@plumbline/core/base'
import { nonFiniteTensor, requireFiniteWeights } from './finite-weights'
import { fileChecksum, readSafetensors, readSafetensorsHeader, writeSafetensors, type WeightTensor, type Weights } from './safetensors'
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

/** Which tensors a state must hold. */
export interface StateShape {
  readonly parameters: ReadonlyMap<string, readonly number[]>
  readonly frozen: ReadonlySet<string>
}

/** Written into both files. Another one was written by another version, whose files say other things. */
const FORMAT = 2

/**
 * Writes weights, moments and the step count, whole or not at all.
 * @throws PlumbError PLUMB_STATE_FOLDER_TAKEN; PLUMB_NON_FINITE_WEIGHTS before anything is written.
 */
export async function writeTrainingState(folder: string, state: TrainingState): Promise<void> {
  const parts = ['weight', 'mean', 'variance'] as const
  const tensors = new Map(parts.flatMap((part) => [...state[part]].map(([name, tensor]) => [`${part}.${name}`, tensor] as const)))
  requireFiniteWeights(tensors, 'such a state is not saved', folder)
  const fill = async (temporary: string) => {
    const checksum = await writeSafetensors(join(temporary, TENSORS_FILE), tensors, { step: String(state.step) })
    await writeDurably(join(temporary, STEP_FILE), JSON.stringify({ format: FORMAT, step: state.step, crc32: checksum }) + '\n')
  }
  await writeWholeFolder(folder, { mark: STEP_FILE, taken: 'PLUMB_STATE_FOLDER_TAKEN' }, fill)
}

/**
 * Reads what `writeTrainingState` wrote, and nothing else: a file that is cut, of which a bit has changed, or that belongs to another step
 * is refused.
 * @throws PlumbError PLUMB_STATE_NOT_FOUND, PLUMB_STATE_MALFORMED, PLUMB_STATE_MODEL_DIFFERS
 */
export async function readTrainingState(requested: string, { parameters, frozen }: StateShape): Promise<TrainingState> {
  // A process killed between the two renames of a replacement leaves the state it was about to replace beside the target.
  const aside = `${resolve(requested)}.old`
  const folder = !existsSync(requested) && existsSync(aside) ? aside : requested
  const [stepPath, tensorsPath] = [join(folder, STEP_FILE), join(folder, TENSORS_FILE)]
  if (!existsSync(stepPath) || !existsSync(tensorsPath)) {
    throw new PlumbError('PLUMB_STATE_NOT_FOUND', `There is no training state here; expected ${STEP_FILE} and ${TENSORS_FILE}.`, folder)
  }
  const { step, found } = await readUndamaged(stepPath, tensorsPath)
  const differs = (message: string) => new PlumbError('PLUMB_STATE_MODEL_DIFFERS', message, tensorsPath)
  const stray = [...frozen].find((name) => found.has(`mean.${name}`))
  if (stray !== undefined) throw differs(`The state was written while ${stray} was trained; here it is frozen.`)
  const part = (prefix: string, names: Iterable<string>): Weights =>
    new Map(
      [...names].map((name) => {
        const tensor = found.get(`${prefix}.${name}`)
        const shape = parameters.get(name)!
        if (tensor?.shape.join() === shape.join()) return [name, tensor]
        const actual = tensor ? `has shape [${tensor.shape.join(', ')}]` : 'is missing'
        throw differs(`${prefix}.${name} ${actual}; this model has [${shape.join(', ')}].`)
      }),
    )
  const trained = [...parameters.keys()].filter((name) => !frozen.has(name))
  const state = { step, weight: part('weight', parameters.keys()), mean: part('mean', trained), variance: part('variance', trained) }
  const expected = state.weight.size + state.mean.size + state.variance.size
  const extra = found.size > expected ? [...found.keys()].find((name) => !parameters.has(name.slice(name.indexOf('.') + 1))) : undefined
  if (extra !== undefined) throw differs(`The state holds ${extra}, which this model does not have.`)
  return state
}

/** The step and the tensors, once both files are known to be as they were written. */
async function readUndamaged(stepPath: string, tensorsPath: string): Promise<{ step: number; found: Map<string, WeightTensor> }> {
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
    if ((await fileChecksum(tensorsPath)) !== crc32) {
      throw malformed(tensorsPath, `The training state is damaged: its bytes are not those that were written (CRC-32).`)
    }
    const { metadata } = await readSafetensorsHeader(tensorsPath)
    if (metadata.step !== String(step)) {
      throw malformed(stepPath, `The training state says step ${step}, its tensors are of step ${JSON.stringify(metadata.step)}.`)
    }
    const found = await readSafetensors(tensorsPath)
    const infinite = nonFiniteTensor(found)
    if (infinite !== undefined) throw malformed(tensorsPath, `${infinite} holds numbers that are not finite.`)
    return { step, found }
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
