/**
 * The messages of event files, as protocol buffers (tensorflow/core/util/event.proto, framework/summary.proto), as far as scalars need them:
 *
 *     Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5 }
 *     Summary { repeated Value value = 1 }
 *     Value   { string tag = 1; float simple_value = 2 }
 */
export interface ScalarEvent {
  /** Seconds since 1970. */
  readonly wallTime: number
  readonly step: number
  /** By their tags. */
  readonly scalars: Readonly<Record<string, number>>
}

/** What the first event of a file says. */
export const FILE_VERSION = 'brain.Event:2'

export function versionEvent(wallTime: number): Uint8Array {
  return Buffer.concat([double(1, wallTime), text(3, FILE_VERSION)])
}

export function encodeEvent({ wallTime, step, scalars }: ScalarEvent): Uint8Array {
  const values = Object.entries(scalars).map(([tag, value]) => bytes(1, Buffer.concat([text(1, tag), float(2, value)])))
  return Buffer.concat([double(1, wallTime), key(2, VARINT), varint(step), bytes(5, Buffer.concat(values))])
}

/** The scalars of an event; none where it holds other things. Fields that are not known are passed over. */
export function decodeEvent(data: Uint8Array): ScalarEvent {
  let [wallTime, step] = [0, 0]
  const scalars: Record<string, number> = {}
  for (const { field, value } of fields(Buffer.from(data))) {
    if (field === 1 && Buffer.isBuffer(value)) wallTime = value.readDoubleLE()
    if (field === 2 && typeof value === 'number') step = value
    if (field !== 5 || !Buffer.isBuffer(value)) continue
    for (const inner of fields(value)) {
      if (inner.field !== 1 || !Buffer.isBuffer(inner.value)) continue
      let tag = ''
      let scalar: number | undefined
      for (const { field: number, value: part } of fields(inner.value)) {
        if (number === 1 && Buffer.isBuffer(part)) tag = part.toString('utf8')
        if (number === 2 && Buffer.isBuffer(part)) scalar = part.readFloatLE()
      }
      if (scalar !== undefined) scalars[tag] = scalar
    }
  }
  return { wallTime, step, scalars }
}

// The wire format of protocol buffers: a key (field number and type), then the value.
const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

function key(field: number, type: number): Buffer {
  return Buffer.from([(field << 3) | type])
}

/** A whole number that is not negative, seven bits at a time. */
function varint(value: number): Buffer {
  const groups: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) groups.push((rest % 0x80) | 0x80)
  return Buffer.from([...groups, rest])
}

function double(field: number, value: number): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeDoubleLE(value)
  return Buffer.concat([key(field, FIXED64), buffer])
}

function float(field: number, value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeFloatLE(value)
  return Buffer.concat([key(field, FIXED32), buffer])
}

function bytes(field: number, value: Buffer): Buffer {
  return Buffer.concat([key(field, BYTES), varint(value.length), value])
}

const text = (field: number, value: string): Buffer => bytes(field, Buffer.from(value, 'utf8'))

interface Field {
  readonly field: number
  /** A number of type varint, or the bytes of the others. */
  readonly value: number | Buffer
}

function* fields(message: Buffer): Generator<Field> {
  let at = 0
  const number = (): number => {
    let value = 0
    for (let scale = 1; at < message.length; scale *= 0x80) {
      const byte = message[at++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) break
    }
    return value
  }
  const taken = (length: number): Buffer => message.subarray(at, (at += length))
  while (at < message.length) {
    const tag = number()
    const field = tag >>> 3
    const type = tag & 7
    if (type === VARINT) yield { field, value: number() }
    else if (type === FIXED64) yield { field, value: taken(8) }
    else if (type === FIXED32) yield { field, value: taken(4) }
    else if (type === BYTES) yield { field, value: taken(number()) }
    else return
  }
}
