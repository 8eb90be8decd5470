import { PlumbError, shownValue as show, type LoraPlan } from '@plumbline/core/base'

/** What `adapter_config.json` of PEFT says of a LoRA adapter, as far as it decides a number. */
export interface AdapterConfig {
  /** `r` */
  readonly rank: number
  /** `lora_alpha` */
  readonly alpha: number
  /** `use_rslora` */
  readonly rslora: boolean
  /** `lora_dropout` */
  readonly dropout: number
  /** As it stands; a text other than `all-linear` is a regular expression of Python's, which is not read: the tensors name the modules. */
  readonly targetModules: string | readonly string[]
  /** Whether only some of the modules that fit `targetModules` have factors: `exclude_modules`, `layers_to_transform`. */
  readonly isPartial?: boolean
  /** `base_model_name_or_path`: a path, or a name on the Hub. */
  readonly baseName?: string
}

/** The factor s of W + s·B·A. */
export function scalingOf({ rank, alpha, rslora }: Pick<LoraPlan, 'rank' | 'alpha' | 'rslora'>): number {
  return alpha / (rslora ? Math.sqrt(rank) : rank)
}

/** Fields that are read. */
const READ = [
  'peft_type',
  'r',
  'lora_alpha',
  'lora_dropout',
  'use_rslora',
  'target_modules',
  'base_model_name_or_path',
  'bias',
  'init_lora_weights',
]

/**
 * Fields that decide no number of an adapter that is loaded: what PEFT notes, how training began or was spread over devices, which modules were
 * chosen (the tensors say so), and `fan_in_fan_out`, which PEFT sets by the kind of the layer whatever stands there.
 */
const WITHOUT_EFFECT = [
  ...['task_type', 'auto_mapping', 'peft_version', 'revision', 'inference_mode', 'fan_in_fan_out', 'runtime_config', 'ensure_weight_tying'],
  ...['exclude_modules', 'layers_to_transform', 'layers_pattern', 'megatron_core', 'qalora_group_size'],
  ...['loftq_config', 'eva_config', 'corda_config', 'lora_ga_config'],
]

/** Initialisations that leave the base as it is; the others (`pissa`, `olora`, `corda`, `loftq`, …) change its weights when PEFT loads it. */
const PLAIN_INITIAL: readonly unknown[] = [undefined, null, true, false, 'gaussian', 'orthogonal', 'eva']

/**
 * Reads an `adapter_config.json`. A field that asks for something is either computed, or known to decide nothing, or refused by its name:
 * DoRA, factors for embeddings, other modules that were trained, ranks of single modules, and whatever a later PEFT may bring.
 *
 * @param where names the source in errors, e.g. the file's path.
 * @throws PlumbError PLUMB_ADAPTER_UNSUPPORTED for what is not computed, PLUMB_ADAPTER_CONFIG for a field that is missing or malformed.
 */
export function parseAdapterConfig(json: Readonly<Record<string, unknown>>, where: string): AdapterConfig {
  const unsupported = (field: string, supported: string) =>
    new PlumbError('PLUMB_ADAPTER_UNSUPPORTED', `${field} ${show(json[field])} is not supported; supported: ${supported}.`, where)
  if (json.peft_type !== 'LORA') throw unsupported('peft_type', '"LORA"')
  if (json.bias !== undefined && json.bias !== null && json.bias !== 'none') throw unsupported('bias', '"none"')
  if (!PLAIN_INITIAL.includes(json.init_lora_weights))
    throw unsupported('init_lora_weights', 'true, false, "gaussian", "orthogonal", "eva"')
  for (const [field, value] of Object.entries(json)) {
    if (!READ.includes(field) && !WITHOUT_EFFECT.includes(field) && asksForSomething(value)) throw unsupported(field, 'none')
  }
  const isPartial = ['exclude_modules', 'layers_to_transform'].some((name) => asksForSomething(json[name]))
  const { base_model_name_or_path: baseName, target_modules: targetModules } = json
  const field = new Fields(json, where)
  return {
    rank: field.number('r', 'a positive whole number', (value) => Number.isSafeInteger(value) && value > 0),
    alpha: field.number('lora_alpha', 'a number', Number.isFinite),
    dropout: json.lora_dropout == null ? 0 : field.number('lora_dropout', 'a number from 0 to 1', (value) => value >= 0 && value <= 1),
    rslora: json.use_rslora == null ? false : field.boolean('use_rslora'),
    targetModules: isTargets(targetModules) ? targetModules : field.refuse('target_modules', 'a text or a list of texts'),
    ...(isPartial ? { isPartial } : {}),
    ...(typeof baseName === 'string' && baseName !== '' ? { baseName } : {}),
  }
}

/**
 * An `adapter_config.json` that PEFT and what reads its format load.
 *
 * @param targetModules the modules' names, or the last parts of them.
 */
export function adapterConfigJson(config: AdapterConfig & { readonly fanInFanOut: boolean }): Readonly<Record<string, unknown>> {
  return {
    alpha_pattern: {},
    auto_mapping: null,
    base_model_name_or_path: config.baseName ?? null,
    bias: 'none',
    fan_in_fan_out: config.fanInFanOut,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: config.alpha,
    lora_dropout: config.dropout,
    modules_to_save: null,
    peft_type: 'LORA',
    r: config.rank,
    rank_pattern: {},
    revision: null,
    target_modules: config.targetModules,
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: config.rslora,
  }
}

/** PEFT writes every field it has; what it does not use is null, false or empty. */
function asksForSomething(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return false
  return typeof value !== 'object' || Object.keys(value).length > 0
}

function isTargets(value: unknown): value is string | readonly string[] {
  const isText = (each: unknown) => typeof each === 'string' && each !== ''
  return isText(value) || (Array.isArray(value) && value.length > 0 && value.every(isText))
}

class Fields {
  constructor(
    private readonly json: Readonly<Record<string, unknown>>,
    private readonly where: string,
  ) {}

  number(name: string, expected: string, isRight: (value: number) => boolean): number {
    const value = this.json[name]
    return typeof value === 'number' && isRight(value) ? value : this.refuse(name, expected)
  }

  boolean(name: string): boolean {
    const value = this.json[name]
    return typeof value === 'boolean' ? value : this.refuse(name, 'true or false')
  }

  refuse(name: string, expected: string): never {
    const value = this.json[name]
    const is = value == null ? 'is missing' : `is ${show(value)}`
    throw new PlumbError('PLUMB_ADAPTER_CONFIG', `${name} ${is}; expected ${expected}.`, this.where)
  }
}
