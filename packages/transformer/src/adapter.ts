import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  ADAPTER_CONFIG_FILE,
  ADAPTER_WEIGHTS_FILE,
  fileStats,
  isNestedTooDeep,
  isTarget,
  PlumbError,
  randomStreams,
  type LinearModule,
  type LoraPlan,
} from '@plumbline/core/base'
import { adapterConfigJson, parseAdapterConfig, type AdapterConfig } from './adapter-config'
import type { ModelConfig } from './model-config'
import { requireFiniteWeights } from './finite-weights'
import { linearModules, weightOf } from './linear-modules'
import { parameterShapes } from './parameters'
import { readSafetensors, readSafetensorsHeader, writeSafetensors, type StoredTensor, type WeightTensor } from './safetensors'
import { writeDurably, writeWholeFolder } from './whole-folder'

/** The factors of one module: its weight is W + s·B·A. */
export interface Factors {
  /** [rank, in] */
  readonly A: WeightTensor
  /** [out, rank] */
  readonly B: WeightTensor
}

/** A LoRA adapter (arXiv:2106.09685) as PEFT's format holds it. */
export interface Adapter {
  readonly config: AdapterConfig
  /** By the name of the module, in the order of the computation. */
  readonly factors: ReadonlyMap<string, Factors>
}

export interface WriteAdapterOptions {
  /** Whether files of the base hold matrices as [in, out], as GPT-2's Conv1D does: `fan_in_fan_out`. */
  readonly isTransposed?: boolean
  /** Further files, by name: a model card. */
  readonly extra?: Iterable<readonly [name: string, content: string]>
}

/** A config larger than this is none. */
const MOST_JSON_BYTES = 2 ** 20
const NAME = /^base_model\.model\.(.+)\.lora_(A|B)\.weight$/

/**
 * Reads an adapter that PEFT, or `writeAdapter`, wrote for a model. float32, bfloat16 and float16 are read as float32.
 *
 * @param base the model that it is going to be on.
 * @throws PlumbError PLUMB_ADAPTER_NOT_FOUND; PLUMB_ADAPTER_CONFIG and PLUMB_ADAPTER_UNSUPPORTED (see `parseAdapterConfig`);
 *   PLUMB_ADAPTER_BASE where the model lacks a module that has factors, or has another shape of it; PLUMB_ADAPTER_TENSOR for a tensor that is
 *   missing, or that contradicts the config; PLUMB_NON_FINITE_WEIGHTS; and those of `readSafetensors`.
 */
export async function readAdapter(folder: string, base: ModelConfig): Promise<Adapter> {
  const { config, file, modules, named } = await checkAdapter(folder, base)
  const tensors = await readSafetensors(file)
  requireFiniteWeights(tensors, 'such an adapter is not used', file)
  const factors = new Map<string, Factors>()
  for (const { name } of modules)
    if (named.has(name)) factors.set(name, { A: tensors.get(tensorName(name, 'A'))!, B: tensors.get(tensorName(name, 'B'))! })
  return { config, factors }
}

/** What can be known of an adapter before a number is read. */
export interface CheckedAdapter {
  readonly config: AdapterConfig
  /** With the weights. */
  readonly file: string
  /** Those of the base. */
  readonly modules: readonly LinearModule[]
  /** Names of those that have factors. */
  readonly named: ReadonlySet<string>
}

/** @throws PlumbError as `readAdapter` does, but for the numbers. */
export async function checkAdapter(folder: string, base: ModelConfig): Promise<CheckedAdapter> {
  const config = await readAdapterConfig(folder)
  const file = join(folder, ADAPTER_WEIGHTS_FILE)
  if (!(await fileStats(file))) {
    const message = `The adapter has no ${ADAPTER_WEIGHTS_FILE} (adapter_model.bin is not read).`
    throw new PlumbError('PLUMB_ADAPTER_NOT_FOUND', message, folder)
  }
  const modules = linearModules(base)
  return { config, file, modules, named: checkTensors((await readSafetensorsHeader(file)).tensors, config, modules, base, file) }
}

/** What an adapter's `adapter_config.json` says. @throws PlumbError as `readAdapter` does. */
export async function readAdapterConfig(folder: string): Promise<AdapterConfig> {
  const file = join(folder, ADAPTER_CONFIG_FILE)
  const found = await fileStats(file)
  if (!found) {
    const message = `There is no adapter here; expected ${ADAPTER_CONFIG_FILE} and ${ADAPTER_WEIGHTS_FILE}, as PEFT writes them.`
    throw new PlumbError('PLUMB_ADAPTER_NOT_FOUND', message, folder)
  }
  const malformed = (message: string, cause?: unknown) => new PlumbError('PLUMB_ADAPTER_CONFIG', message, file, { cause })
  if (found.size > MOST_JSON_BYTES) throw malformed(`The file has ${found.size} bytes; expected at most ${MOST_JSON_BYTES}.`)
  let value: unknown
  try {
    value = JSON.parse(await readFile(file, 'utf8'))
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    throw malformed(`This is not valid JSON: ${cause.message}`, cause)
  }
  if (isNestedTooDeep(value)) throw malformed('Its lists and objects are nested too deeply.')
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('This is not a JSON object.')
  return parseAdapterConfig(value as Readonly<Record<string, unknown>>, file)
}

/**
 * Writes an adapter in PEFT's format, float32, whole or not at all. An adapter that is already there is replaced. Same adapter, same bytes.
 *
 * @throws PlumbError PLUMB_ADAPTER_FOLDER_TAKEN when the target exists and is no adapter, PLUMB_NON_FINITE_WEIGHTS before anything is written.
 */
export async function writeAdapter(folder: string, { config, factors }: Adapter, options: WriteAdapterOptions = {}): Promise<void> {
  const { isTransposed = false, extra = [] } = options
  const tensors = new Map<string, WeightTensor>()
  for (const [module, { A, B }] of factors) tensors.set(tensorName(module, 'A'), A).set(tensorName(module, 'B'), B)
  requireFiniteWeights(tensors, 'such an adapter is not saved', folder)
  const json = adapterConfigJson({ ...config, targetModules: writtenTargets(config, [...factors.keys()]), fanInFanOut: isTransposed })
  await writeWholeFolder(folder, { mark: ADAPTER_CONFIG_FILE, taken: 'PLUMB_ADAPTER_FOLDER_TAKEN' }, async (temporary) => {
    for (const [name, content] of extra) await writeDurably(join(temporary, name), content)
    await writeDurably(join(temporary, ADAPTER_CONFIG_FILE), JSON.stringify(json, null, 2) + '\n')
    await writeSafetensors(join(temporary, ADAPTER_WEIGHTS_FILE), tensors)
  })
}

/** As PEFT does, the last parts of the modules' names in the place of `all-linear`: not everything that reads adapters knows that word. */
function writtenTargets({ targetModules }: AdapterConfig, modules: readonly string[]): string | readonly string[] {
  if (targetModules !== 'all-linear') return targetModules
  return [...new Set(modules.map((name) => name.slice(name.lastIndexOf('.') + 1)))].sort()
}

/**
 * An adapter before training, as PEFT has it: A uniform between ±1/√in (Kaiming's with a = √5), B zero. Each A draws from its own stream,
 * keyed by (seed, module).
 *
 * @param modules those that `loraModules` of core chooses.
 * @param baseName for `base_model_name_or_path`: what `hubName` finds.
 */
export function initialAdapter(plan: LoraPlan, modules: readonly LinearModule[], baseName?: string): Adapter {
  const { rank, alpha, rslora, dropout, targetModules, seed } = plan
  const streams = randomStreams(seed)
  const factors = new Map<string, Factors>()
  for (const { name, inFeatures, outFeatures } of modules) {
    const uniform = streams('lora-a', name)
    const bound = 1 / Math.sqrt(inFeatures)
    const data = Float32Array.from({ length: rank * inFeatures }, () => (2 * uniform() - 1) * bound)
    factors.set(name, {
      A: { shape: [rank, inFeatures], data },
      B: { shape: [outFeatures, rank], data: new Float32Array(outFeatures * rank) },
    })
  }
  return { config: { rank, alpha, rslora, dropout, targetModules, baseName }, factors }
}

/**
 * Whether an adapter is one that a plan can go on with: the same scaling, rank and modules. Its dropout is the plan's.
 * @throws PlumbError PLUMB_ADAPTER_DIFFERS
 */
export function requireSameAdapter({ config, factors }: Adapter, plan: LoraPlan, modules: readonly LinearModule[], where: string): void {
  const differs = (what: string, has: unknown, asked: unknown) => {
    const message = `The adapter that training would go on with has ${what} ${show(has)}; lora asks for ${show(asked)}.`
    return new PlumbError('PLUMB_ADAPTER_DIFFERS', message, where)
  }
  for (const key of ['rank', 'alpha', 'rslora'] as const) if (config[key] !== plan[key]) throw differs(key, config[key], plan[key])
  const planned = modules.map(({ name }) => name)
  const missing = planned.find((name) => !factors.has(name))
  if (missing !== undefined) throw differs('no factors for', missing, 'them')
  const further = [...factors.keys()].find((name) => !planned.includes(name))
  if (further !== undefined) throw differs('factors for', further, 'none')
}

const show = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

const tensorName = (module: string, factor: 'A' | 'B'): string => `base_model.model.${module}.lora_${factor}.weight`

/** @returns the modules that have factors */
function checkTensors(
  tensors: readonly StoredTensor[],
  config: AdapterConfig,
  modules: readonly LinearModule[],
  base: ModelConfig,
  file: string,
): ReadonlySet<string> {
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]))
  const known = new Map(modules.map((module) => [module.name, module]))
  const named = new Set<string>()
  for (const { name } of tensors) {
    const module = NAME.exec(name)?.[1]
    if (module === undefined) {
      throw new PlumbError(
        'PLUMB_ADAPTER_UNSUPPORTED',
        `Tensor ${name} is no factor A or B of a linear layer, and nothing else is computed.`,
        file,
      )
    }
    if (!known.has(module)) throw foreignModule(module, config, base, file)
    named.add(module)
  }
  const tensorWrong = (message: string) => new PlumbError('PLUMB_ADAPTER_TENSOR', message, file)
  for (const module of named) {
    const { inFeatures, outFeatures } = known.get(module)!
    for (const [factor, ours, others] of [
      ['A', 0, 1],
      ['B', 1, 0],
    ] as const) {
      const shape = shapes.get(tensorName(module, factor))
      if (!shape) throw tensorWrong(`Tensor ${tensorName(module, factor)} is missing.`)
      const features = factor === 'A' ? inFeatures : outFeatures
      if (shape.length !== 2 || shape[ours] !== config.rank) {
        throw tensorWrong(
          `Tensor ${tensorName(module, factor)} has shape [${shape.join(', ')}]; a rank of ${config.rank} asks for another.`,
        )
      }
      if (shape[others] !== features) {
        const message = `${tensorName(module, factor)} has shape [${shape.join(', ')}], and ${module} of this model is [${outFeatures}, ${inFeatures}]`
        throw otherBase(message, config, file)
      }
    }
  }
  const { targetModules } = config
  if (named.size === 0) throw tensorWrong('The adapter holds no factors.')
  if (targetModules === 'all-linear' || typeof targetModules !== 'string') {
    const isMeant = (module: string) => targetModules === 'all-linear' || targetModules.some((target) => isTarget(module, target))
    const stray = [...named].find((module) => !isMeant(module))
    const missing = config.isPartial ? undefined : modules.find(({ name }) => isMeant(name) && !named.has(name))
    if (missing)
      throw tensorWrong(`Tensor ${tensorName(missing.name, 'A')} is missing, which target_modules of ${ADAPTER_CONFIG_FILE} asks for.`)
    if (stray !== undefined)
      throw tensorWrong(`The adapter has factors for ${stray}, which target_modules of ${ADAPTER_CONFIG_FILE} does not name.`)
  }
  return named
}

function foreignModule(module: string, config: AdapterConfig, base: ModelConfig, file: string): PlumbError {
  if (parameterShapes(base).has(weightOf(module))) {
    return new PlumbError(
      'PLUMB_ADAPTER_UNSUPPORTED',
      `Factors for ${module} are not computed; expected those of linear layers within the model's layers.`,
      file,
    )
  }
  return otherBase(`it has factors for ${module}, which this model does not have`, config, file)
}

function otherBase(reason: string, { baseName }: AdapterConfig, file: string): PlumbError {
  const trained = baseName === undefined ? '' : ` (it was trained on ${JSON.stringify(baseName)})`
  return new PlumbError('PLUMB_ADAPTER_BASE', `The adapter is of another base${trained}: ${reason}.`, file)
}
