import type { PlumbError } from '@plumbline/core/base'
import { elements } from './parameters'

/** The format allows 100 MB; headers of models have kilobytes, and JSON of this size is parsed in a second. */
export const MOST_HEADER_BYTES = 32 * 2 ** 20

/** `{"a":{"dtype":"F32","shape":[],"data_offsets":[0,0]},`: no entry is shorter. */
const FEWEST_ENTRY_BYTES = 50
/** The header's object, a tensor's, and the lists in it. */
const DEEPEST = 3

const BYTES_PER_ELEMENT: Readonly<Record<string, number>> = { F32: 4, BF16: 2, F16: 2 }

/** As the header says it: the byte range begins where the header ends. */
export interface HeaderEntry {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

type Broken = (message: string, options?: ErrorOptions) => PlumbError

/**
 * Parses the JSON of a safetensors header. What could not be one is refused by a look at its brackets, before a parser builds
 * millions of objects from it.
 */
export function parseHeader(
  bytes: Uint8Array,
  broken: Broken,
): { readonly tensors: readonly HeaderEntry[]; readonly metadata: Readonly<Record<string, unknown>> } {
  const { depth, keys } = outline(bytes)
  if (depth > DEEPEST || (keys[1] ?? 0) > 2 + bytes.length / FEWEST_ENTRY_BYTES)
    throw broken('The safetensors header is not one: it does not list tensors.')
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw broken('The safetensors header is not valid JSON.', { cause })
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) throw broken('The safetensors header is not a JSON object.')
  const entries = Object.entries(header as Readonly<Record<string, unknown>>)
  const fields = entries.reduce((sum, [, value]) => sum + (isObject(value) ? Object.keys(value).length : 0), 0)
  // A key that stands twice is kept once by the parser: which of the two was meant cannot be known.
  if (entries.length !== keys[1] || fields !== (keys[2] ?? 0)) throw broken('The safetensors header holds a name twice.')
  const tensors = entries.flatMap(([name, value]) => (name === '__metadata__' ? [] : [parseEntry(name, value, broken)]))
  const metadata = (header as { readonly __metadata__?: unknown }).__metadata__
  return { tensors, metadata: isObject(metadata) ? metadata : {} }
}

function parseEntry(name: string, value: unknown, broken: Broken): HeaderEntry {
  const { dtype, shape, data_offsets: offsets } = isObject(value) ? value : {}
  const [begin, end] = isSizes(offsets) ? offsets : []
  if (
    typeof dtype !== 'string' ||
    !isSizes(shape) ||
    begin === undefined ||
    end === undefined ||
    begin > end ||
    (offsets as unknown[]).length > 2
  ) {
    throw broken(`The header entry of tensor ${name} is malformed; expected dtype, shape and data_offsets.`)
  }
  const bytes = BYTES_PER_ELEMENT[dtype]
  if (bytes !== undefined && end - begin !== elements(shape) * bytes) {
    throw broken(
      `Tensor ${name} has shape [${shape.join(', ')}] in ${dtype} but ${end - begin} bytes; expected ${elements(shape) * bytes}.`,
    )
  }
  return { name, dtype, shape, begin, end }
}

const isSizes = (value: unknown): value is number[] => Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0)
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a]
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d]

/** How deep brackets are nested, at most one deeper than allowed, and how many keys stand at each depth. */
function outline(bytes: Uint8Array): { readonly depth: number; readonly keys: Int32Array } {
  const keys = new Int32Array(DEEPEST + 2)
  let depth = 0
  for (let i = 0; i < bytes.length; i++) {
    switch (bytes[i]) {
      case QUOTE:
        for (i++; i < bytes.length && bytes[i] !== QUOTE; i++) if (bytes[i] === BACKSLASH) i++
        break
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (++depth > DEEPEST) return { depth, keys }
        break
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth--
        break
      case COLON:
        if (depth >= 0) keys[depth]!++
        break
      default: // any other byte is within a key or a value
    }
  }
  return { depth, keys }
}
