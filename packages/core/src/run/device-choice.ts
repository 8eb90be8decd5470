import { readdir } from 'node:fs/promises'
import path from 'node:path'
import type { BackendProbe } from '../seams/policy'
import { shownPath } from '../util/shown-path'
import { damaged, readJson, readText, writeJson } from './files'
import { canonicalJson } from './hash'
import type { StageIdentity } from './store'

/** In a run folder: which device `backend: auto` computes on there, so that a run that goes on has the one that it began with. */
export const DEVICE_FILE = 'device.json'

/** The kind of a device as keys have it. */
export function kindOf({ kind, accelerated }: BackendProbe): string {
  return kind ?? (accelerated ? 'gpu' : 'cpu')
}

/** What a device is chosen for. Everything here determines the stages too, so a remembered choice holds as long as they do. */
export interface ChosenFor {
  readonly backend: string
  readonly options?: unknown
  readonly code: Readonly<Record<string, string>>
  /** A hash of the model's shape, not of its weights. */
  readonly model: string
  /** How moments are held, where any section says it: a device may not be able to. */
  readonly moments?: string
}

/** A choice as it is remembered. */
export interface DeviceChoice {
  readonly for: ChosenFor
  /** The kind of the device, as stages have it in their keys: `webgpu`, `cpu`. */
  readonly kind: string
  /** The device by its own name. */
  readonly device: string
  /** What was measured, as a clause. */
  readonly found: string
  /** Whether it is another device than the backend takes by itself. */
  readonly isOther: boolean
}

/**
 * What the run folder remembers for this.
 * @throws PlumbError PLUMB_ARTIFACT_DAMAGED for a file that is not as it was written.
 */
export async function rememberedDevice(run: string, what: ChosenFor): Promise<DeviceChoice | undefined> {
  return (await readChoices(run)).find((choice) => isFor(choice, what))
}

/** Remembers a choice, in the place of an earlier one for the same. */
export async function rememberDevice(run: string, choice: DeviceChoice): Promise<void> {
  const others = (await readChoices(run)).filter((each) => !isFor(each, choice.for))
  await writeJson(path.join(run, DEVICE_FILE), { choices: [...others, choice] })
}

/** Whether the run folder has a stage, done or begun, that this backend computed on a device of this kind. */
export async function hasStageOn(run: string, backend: string, kind: string): Promise<boolean> {
  for (const name of await readdir(run).catch((): string[] => [])) {
    for (const file of [path.join(run, name, 'done.json'), path.join(run, name, 'work', 'stage.json')]) {
      const identity = await readJson<StageIdentity>(file).catch(() => undefined)
      const { backend: engine } = (identity?.determinedBy ?? {}) as {
        readonly backend?: { readonly name?: unknown; readonly device?: unknown }
      }
      if (engine?.name === backend && engine.device === kind) return true
    }
  }
  return false
}

async function readChoices(run: string): Promise<readonly DeviceChoice[]> {
  const file = path.join(run, DEVICE_FILE)
  const text = await readText(file)
  if (text === undefined) return []
  const choices = parsed(text)
  if (Array.isArray(choices) && choices.every(isChoice)) return choices
  const message =
    'The file says on which device backend: auto computes in this run folder, and is not as it was written. Delete it to have that ' +
    'measured again, or name the device, e.g. backend: { name: onnx, device: cpu }.'
  throw damaged(shownPath(file), message)
}

function parsed(text: string): unknown {
  try {
    return (JSON.parse(text) as { readonly choices?: unknown } | null)?.choices
  } catch {
    return undefined
  }
}

function isChoice(value: unknown): value is DeviceChoice {
  if (typeof value !== 'object' || value === null) return false
  const choice = value as Readonly<Record<keyof DeviceChoice, unknown>>
  const areTexts = [choice.kind, choice.device, choice.found].every((text) => typeof text === 'string')
  return areTexts && typeof choice.isOther === 'boolean' && typeof choice.for === 'object' && choice.for !== null
}

const isFor = (choice: DeviceChoice, what: ChosenFor): boolean => canonicalJson(choice.for) === canonicalJson(what)
