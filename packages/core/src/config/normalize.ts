import { alignVariantSchema, dataSourceSchema } from './schema'
import type { KeyPath } from './source'
import { DATA_KEYS } from './sources'

/** A config with its shorthands written out, and where each of its keys stood before. */
export interface Normalized {
  readonly value: unknown
  /** The path in the file for a path in `value`. */
  origin(path: KeyPath): KeyPath
}

type Section = Readonly<Record<string, unknown>>

/** Keys of a variant that are not its loss's options. */
export const VARIANT_KEYS: readonly string[] = Object.keys(alignVariantSchema.shape)

/** Writes the shorthands out. What is not of the expected shape stays as it is, for the schema to complain about. */
export function normalize(raw: unknown): Normalized {
  const moves = new Moves()
  if (!isSection(raw)) return { value: raw, origin: moves.origin }
  const value: Record<string, unknown> = { ...raw }
  if (isSection(raw.data)) value.data = data(raw.data, moves)
  if (typeof raw.label === 'string') value.label = { name: raw.label }
  if (isSection(raw.align)) {
    moves.add(['align', 0], ['align'])
    value.align = [variant(raw.align, ['align', 0], moves)]
  } else if (Array.isArray(raw.align)) {
    value.align = (raw.align as unknown[]).map((entry, index) => (isSection(entry) ? variant(entry, ['align', index], moves) : entry))
  }
  return { value, origin: moves.origin }
}

const SOURCE_KEYS = Object.keys(dataSourceSchema.shape)

function data(written: Section, moves: Moves): Section {
  return Object.fromEntries(
    Object.entries(written).map(([key, value]) => [
      key,
      (DATA_KEYS as readonly string[]).includes(key) ? sources(value, ['data', key], moves) : value,
    ]),
  )
}

/** One source as it is; several, in a list or in a section by their names, as a list. */
function sources(written: unknown, at: KeyPath, moves: Moves): unknown {
  const source = (value: unknown): unknown => (typeof value === 'string' ? { path: value } : value)
  if (Array.isArray(written)) return (written as unknown[]).map(source)
  if (!isSection(written) || !isByName(written)) return source(written)
  return Object.entries(written).map(([name, value], index) => {
    moves.add([...at, index], [...at, name])
    const full = source(value)
    return isSection(full) ? { name, ...full } : full
  })
}

/** Whether the keys of a section are names of sources, and not what one source is described by. */
function isByName(section: Section): boolean {
  const entries = Object.entries(section)
  return (
    entries.length > 0 && entries.every(([key, value]) => !SOURCE_KEYS.includes(key) && (typeof value === 'string' || isSection(value)))
  )
}

/** `{ loss: ca, constraint: …, steps: … }` → `{ losses: [{ loss: sft }, { loss: ca, constraint: … }], steps: … }`, with a name. */
function variant(written: Section, at: KeyPath, moves: Moves): Section {
  let result: Record<string, unknown> = { ...written }
  if (typeof written.loss === 'string' && written.losses === undefined) {
    const isOption = (key: string): boolean => !VARIANT_KEYS.includes(key)
    const options = Object.fromEntries(Object.entries(written).filter(([key]) => isOption(key)))
    const training = Object.fromEntries(Object.entries(written).filter(([key]) => !isOption(key)))
    const losses = written.loss === 'sft' ? [options] : [{ loss: 'sft' }, options]
    moves.add([...at, 'losses'], at)
    losses.forEach((_, index) => {
      moves.add([...at, 'losses', index], at)
    })
    result = { ...training, losses }
  } else if (Array.isArray(written.losses)) {
    result.losses = (written.losses as unknown[]).map((entry) => (typeof entry === 'string' ? { loss: entry } : entry))
  }
  return { name: nameOf(result.losses), ...result }
}

/** `ca-boundary` for L_VFT + CA with the boundary constraint, `sft` for L_VFT alone. */
function nameOf(losses: unknown): string {
  if (!Array.isArray(losses)) return 'variant'
  const entries = losses.filter((entry): entry is Section => isSection(entry) && typeof entry.loss === 'string')
  const aligned = entries.filter((entry) => entry.loss !== 'sft')
  const named = aligned.length > 0 ? aligned : entries
  const parts = named.flatMap(({ loss, constraint }) => (typeof constraint === 'string' ? [loss, constraint] : [loss]))
  return parts.length === 0 ? 'variant' : parts.join('-')
}

class Moves {
  private readonly from = new Map<string, KeyPath>()

  add(now: KeyPath, then: KeyPath): void {
    this.from.set(JSON.stringify(now), this.origin(then))
  }

  readonly origin = (path: KeyPath): KeyPath => {
    for (let length = path.length; length > 0; length--) {
      const then = this.from.get(JSON.stringify(path.slice(0, length)))
      if (then !== undefined) return [...then, ...path.slice(length)]
    }
    return path
  }
}

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
