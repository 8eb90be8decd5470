import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { PlumbError } from '@plumbline/core/base'
import { readSafetensors, writeSafetensors, type Weights } from './safetensors'
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

/**
 * Writes weights, moments and the step count, whole or not at all.
 * @throws PlumbError PLUMB_STATE_FOLDER_TAKEN
 */
export async function writeTrainingState(folder: string, state: TrainingState): Promise<void> {
  const parts = ['weight', 'mean', 'variance'] as const
  const tensors = new Map(parts.flatMap((part) => [...state[part]].map(([name, tensor]) => [`${part}.${name}`, tensor] as const)))
  const fill = async (temporary: string) => {
    await writeSafetensors(join(temporary, TENSORS_FILE), tensors)
    await writeDurably(join(temporary, STEP_FILE), JSON.stringify({ format: 1, step: state.step }) + '\n')
  }
  await writeWholeFolder(folder, { mark: STEP_FILE, taken: 'PLUMB_STATE_FOLDER_TAKEN' }, fill)
}

/** @throws PlumbError PLUMB_STATE_NOT_FOUND, PLUMB_STATE_MALFORMED, PLUMB_STATE_MODEL_DIFFERS */
export async function readTrainingState(requested: string, { parameters, frozen }: StateShape): Promise<TrainingState> {
  // A process killed between the two renames of a replacement leaves the state it was about to replace beside the target.
  const aside = `${resolve(requested)}.old`
  const folder = !existsSync(requested) && existsSync(aside) ? aside : requested
  const [stepPath, tensorsPath] = [join(folder, STEP_FILE), join(folder, TENSORS_FILE)]
  if (!existsSync(stepPath) || !existsSync(tensorsPath)) {
    throw new PlumbError('PLUMB_STATE_NOT_FOUND', `There is no training state here; expected ${STEP_FILE} and ${TENSORS_FILE}.`, folder)
  }
  const step = readStep(await readFile(stepPath, 'utf8'), stepPath)
  const found = await readSafetensors(tensorsPath)
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
  return { step, weight: part('weight', parameters.keys()), mean: part('mean', trained), variance: part('variance', trained) }
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
