import { shownValue as show } from '@plumbline/core/base'
import { Fields, isObject } from './fields'

/** A rotary position embedding (arXiv:2104.09864), halves rotated as Hugging Face does. */
export interface Rope {
  /** θ, from which the frequencies were made. */
  readonly theta: number
  /** Numbers of a head that turn; the others pass. Even. */
  readonly dim: number
  /** Angle of one position for each half. [dim / 2], float32 */
  readonly frequencies: readonly number[]
  /** Factor on cosine and sine (YaRN's attention factor). */
  readonly factor: number
  /** Longest sequence that these frequencies hold for; any when absent. */
  readonly limit?: number
}

/** Cosine and sine of positions 0 … n − 1. Row-major [n, dim / 2] */
export interface RopeTable {
  readonly cosine: Float32Array
  readonly sine: Float32Array
  readonly half: number
}

/** As Hugging Face computes them: angles in float32. */
export function ropeTable({ frequencies, factor }: Rope, positions: number): RopeTable {
  const half = frequencies.length
  const cosine = new Float32Array(positions * half)
  const sine = new Float32Array(positions * half)
  for (const [i, frequency] of frequencies.entries()) {
    for (let position = 0; position < positions; position++) {
      const angle = Math.fround(position * frequency)
      cosine[position * half + i] = Math.fround(Math.cos(angle)) * factor
      sine[position * half + i] = Math.fround(Math.sin(angle)) * factor
    }
  }
  return { cosine, sine, half }
}

/** Without scaling: 1 / θ^(2i / dim). */
export function plainRope(theta: number, dim: number): Rope {
  return { theta, dim, factor: 1, frequencies: powers(theta, dim).map((power) => Math.fround(1 / power)) }
}

/** θ^(2i / dim), in float32. */
function powers(theta: number, dim: number): number[] {
  return Array.from({ length: dim / 2 }, (_, i) => Math.fround(theta ** Math.fround((2 * i) / dim)))
}

/** Where a family's rotary settings stand, and what they are when absent. */
export interface RopeDefaults {
  readonly headDim: number
  readonly maxPositions: number
  readonly theta?: number
  /** Kinds that the family's code knows; all when absent. */
  readonly types?: readonly string[]
  /** Whether the family reads every kind but the default as `longrope` (Phi-3). */
  readonly longRopeOnly?: boolean
  /** `original_max_position_embeddings` where it is absent; `max_position_embeddings` in most families. */
  readonly original?: number
  /** Whether a part of a head may turn alone. */
  readonly partial?: boolean
}

const KINDS: Readonly<Record<string, (settings: Fields, base: Base) => Rope>> = {
  default: (_, { theta, dim }) => plainRope(theta, dim),
  linear: (settings, { theta, dim }) => divided(plainRope(theta, dim), settings.number('factor', NaN)),
  // Up to `max_position_embeddings` these are the plain frequencies. Beyond, they change with the length of the sequence, so that a prompt
  // would have no keys of its own: the context ends there.
  dynamic: (settings, { theta, dim, maxPositions }) => {
    settings.number('factor', NaN)
    return { ...plainRope(theta, dim), limit: maxPositions }
  },
  llama3,
  yarn,
  longrope: longRope,
}

interface Base {
  readonly theta: number
  readonly dim: number
  readonly maxPositions: number
  /** The context that the model was first trained with. */
  readonly original: number
}

/**
 * Reads the rotary embedding of a `config.json`. transformers 5 nests it under `rope_parameters`; earlier versions keep the base beside
 * `rope_scaling`. Where both objects are there, `rope_scaling` has the word, as in transformers, and a base within an object goes before
 * one beside it. Formulas: transformers' modeling_rope_utils.py.
 *
 * @throws PlumbError PLUMB_MODEL_UNSUPPORTED, PLUMB_MODEL_CONFIG
 */
export function readRope(fields: Fields, defaults: RopeDefaults): Rope {
  for (const key of ['rope_scaling', 'rope_parameters']) {
    const value = fields.json[key]
    if (value != null && !isObject(value)) throw fields.malformed(`${key} is ${show(value)}; expected an object or null.`)
  }
  const found = ['rope_scaling', 'rope_parameters'].find((key) => Object.keys(fields.json[key] ?? {}).length > 0)
  return ropeOf(fields, found === undefined ? {} : (fields.json[found] as Record<string, unknown>), found ?? 'rope_parameters', defaults)
}

/** The rotary embedding of one settings object, which stands at `key`. */
export function ropeOf(
  fields: Fields,
  object: Readonly<Record<string, unknown>>,
  key: string,
  {
    headDim,
    maxPositions,
    theta = 10_000,
    types = Object.keys(KINDS),
    longRopeOnly = false,
    original: absent,
    partial = false,
  }: RopeDefaults,
): Rope {
  const type = object.rope_type ?? object.type ?? 'default'
  if (typeof type !== 'string' || !types.includes(type)) {
    throw fields.unsupported(`${key} of type ${show(type)} is not supported; supported: ${types.map((one) => show(one)).join(', ')}.`)
  }
  const rotary = object.partial_rotary_factor ?? fields.json.partial_rotary_factor ?? 1
  const name = object.partial_rotary_factor == null ? 'partial_rotary_factor' : `${key}.partial_rotary_factor`
  if (rotary !== 1 && !partial) throw fields.unsupported(`${name} ${show(rotary)} is not supported; supported: 1.`)
  if (typeof rotary !== 'number' || !(rotary > 0 && rotary <= 1)) throw fields.malformed(`${name} is ${show(rotary)}; expected 0 < x ≤ 1.`)
  const dim = Math.trunc(headDim * rotary)
  if (dim % 2 !== 0 || dim === 0) {
    const which = rotary === 1 ? `head_dim is ${headDim}` : `${name} ${rotary} of head_dim ${headDim} is ${dim}`
    throw fields.malformed(`${which}; rotary embeddings need an even number.`)
  }
  const settings = new Fields({ rope_theta: fields.json.rope_theta, ...present(object) }, fields.where, `${key}.`)
  const beside = new Fields(
    { ...present(object), ...present({ original_max_position_embeddings: fields.json.original_max_position_embeddings }) },
    fields.where,
  )
  const original = beside.positive('original_max_position_embeddings', absent ?? maxPositions)
  const kind = longRopeOnly && type !== 'default' ? 'longrope' : type
  return KINDS[kind]!(settings, { theta: settings.number('rope_theta', theta), dim, maxPositions, original })
}

const present = (object: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value != null))

function divided(rope: Rope, factor: number): Rope {
  return { ...rope, frequencies: rope.frequencies.map((frequency) => Math.fround(frequency / factor)) }
}

/** `_compute_llama3_parameters`: long waves are slowed down, short ones kept, those between blended. */
function llama3(settings: Fields, { theta, dim, original }: Base): Rope {
  const [factor, low, high] = ['factor', 'low_freq_factor', 'high_freq_factor'].map((key) => settings.number(key, NaN)) as [
    number,
    number,
    number,
  ]
  if (low >= high) throw settings.malformed(`low_freq_factor (${low}) must be below high_freq_factor (${high}).`)
  const plain = plainRope(theta, dim)
  const frequencies = plain.frequencies.map((frequency) => {
    const wavelength = Math.fround((2 * Math.PI) / frequency)
    if (wavelength < original / high) return frequency
    if (wavelength > original / low) return Math.fround(frequency / factor)
    const smooth = Math.fround(Math.fround(Math.fround(original / wavelength) - low) / (high - low))
    return Math.fround(Math.fround(Math.fround((1 - smooth) * frequency) / factor) + Math.fround(smooth * frequency))
  })
  return { ...plain, frequencies }
}

/** `_compute_yarn_parameters` (arXiv:2309.00071). */
function yarn(settings: Fields, { theta, dim, maxPositions, original }: Base): Rope {
  const factor = settings.number('factor', maxPositions / original)
  const fast = settings.number('beta_fast', 32)
  const slow = settings.number('beta_slow', 1)
  const magnitude = (scale: number, weight = 1) => (scale <= 1 ? 1 : 0.1 * weight * Math.log(scale) + 1)
  const [mscale, all] = [settings.json.mscale, settings.json.mscale_all_dim].map((value) => (typeof value === 'number' ? value : 0)) as [
    number,
    number,
  ]
  const attention = settings.number(
    'attention_factor',
    mscale && all ? magnitude(factor, mscale) / magnitude(factor, all) : magnitude(factor),
  )
  const correction = (rotations: number) => (dim * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(theta))
  const isTruncated = settings.boolean('truncate', true)
  let [low, high] = [correction(fast), correction(slow)]
  if (isTruncated) [low, high] = [Math.floor(low), Math.ceil(high)]
  low = Math.max(low, 0)
  high = Math.min(high, dim - 1)
  if (low === high) high += 0.001
  const frequencies = powers(theta, dim).map((power, i) => {
    const ramp = Math.fround(Math.min(1, Math.max(0, Math.fround(Math.fround(i - low) / (high - low)))))
    const kept = Math.fround(1 - ramp)
    const [stretched, own] = [Math.fround(1 / Math.fround(factor * power)), Math.fround(1 / power)]
    return Math.fround(Math.fround(stretched * Math.fround(1 - kept)) + Math.fround(own * kept))
  })
  return { theta, dim, frequencies, factor: attention }
}

/**
 * `_compute_longrope_parameters` (arXiv:2402.13753), for sequences within the original context: the short factors. The long ones hold for
 * all positions of a longer sequence at once, so that a prompt would have no keys of its own: the context ends there.
 */
function longRope(settings: Fields, { theta, dim, maxPositions, original }: Base): Rope {
  const short = settings.json.short_factor
  if (!Array.isArray(short) || short.length !== dim / 2 || !short.every((one) => typeof one === 'number' && one > 0)) {
    throw settings.malformed(`short_factor is ${show(short)}; expected ${dim / 2} positive numbers.`)
  }
  const scale = settings.number('factor', maxPositions / original)
  const attention = settings.number('attention_factor', scale <= 1 ? 1 : Math.sqrt(1 + Math.log(scale) / Math.log(original)))
  const frequencies = powers(theta, dim).map((power, i) => Math.fround(1 / Math.fround(Math.fround(short[i] as number) * power)))
  return { theta, dim, frequencies, factor: attention, limit: original }
}
