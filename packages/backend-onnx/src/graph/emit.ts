import { ELEMENT_TYPE, fedType, type DType } from './element-types'
import type { Attribute, Node, Value } from './graph'
import { ProtobufWriter } from './protobuf'

/** A serialised ONNX model: what it is fed and what it returns, by name. */
export interface Emitted {
  readonly model: Uint8Array
  readonly inputs: readonly { readonly name: string; readonly dtype: DType }[]
  readonly outputs: readonly string[]
  /** Large constants, which stand beside the model: the runtime reads them where they are, and they may exceed a model's 2 GiB. */
  readonly external: readonly ExternalData[]
  /** Whether it is fed weights of 16 bits, which it widens one after the other. */
  readonly widens: boolean
}

export interface ExternalData {
  readonly path: string
  readonly data: Uint8Array
}

/**
 * An output every model for the CPU has, before all others: a sequence, which the Node binding cannot return. See `Session.run` for
 * what that is good for.
 */
export const REFUSED_OUTPUT = 'refused'

/** Bytes from which a constant is external. */
const LARGE = 4096

/**
 * Extracts the part of a graph that computes `outputs`, as an ONNX model.
 *
 * Walks back from the outputs and stops at graph inputs and at `available` values, which become inputs of the model under
 * their own names. So one traced graph serves as forward pass, as backward pass from kept activations, and as backward pass
 * that computes them again.
 */
export function emit(outputs: Readonly<Record<string, Value>>, available: Iterable<Value> = []): Emitted {
  const given = new Set(available)
  const nodes = new Set<Node>()
  const fed = new Set<Value>()
  const constants = new Set<Value>()
  const seen = new Set<Value>()
  const pending = Object.values(outputs)
  while (pending.length > 0) {
    const value = pending.pop()!
    if (seen.has(value)) continue
    seen.add(value)
    if (given.has(value) || value.source.kind === 'input') fed.add(value)
    else if (value.source.kind === 'constant') constants.add(value)
    else {
      nodes.add(value.source.node)
      for (const input of value.source.node.inputs) if (input) pending.push(input)
    }
  }
  const inputs = [...fed].sort(byId)
  // A computed value carries its output's name; a second name for it, or an output that is fed or constant, needs a copy.
  const names = new Map<Value, string>()
  const copies: [string, Value][] = []
  for (const [name, value] of Object.entries(outputs)) {
    if (value.source.kind === 'node' && !given.has(value) && !names.has(value)) names.set(value, name)
    else copies.push([name, value])
  }
  const nameOf = (value: Value) => names.get(value) ?? value.name
  // The runtime walks back from the last leaf of the list first, and from a node to its last input first. Listed from the youngest to
  // the oldest, the leaves (each weight's gradient) run in the order they were made, and what they hold is free again soon: the
  // other way round every gradient of the network was alive until the chain behind them all had run, 1,350 instead of 920 MiB on
  // a model of 28M parameters.
  const ordered = [...nodes].sort(byId).reverse()
  const opset = Object.values(outputs)[0]?.graph.opset ?? 17
  const refusing = Object.values(outputs).every(({ graph }) => graph.device === 'cpu')
  const model = new ProtobufWriter()
    .int(1, opset === 17 ? 8 : 13) // ir_version
    .string(2, 'plumbline')
    .message(7, (graph) => {
      if (refusing) graph.message(1, writeRefusedNode)
      for (const node of ordered) graph.message(1, (w) => writeNode(w, node, seen, nameOf))
      for (const [name, value] of copies) {
        graph.message(1, (w) => w.string(1, nameOf(value)).string(2, name).string(3, `output_${name}`).string(4, 'Identity'))
      }
      graph.string(2, 'graph')
      if (refusing) graph.message(5, writeRefusedElement)
      for (const value of [...constants].sort(byId)) graph.message(5, (w) => writeConstant(w, value))
      for (const value of inputs) graph.message(11, (w) => writeValueInfo(w, value.name, value.dtype))
      if (refusing) graph.message(12, writeRefusedOutput)
      for (const [name, value] of Object.entries(outputs)) graph.message(12, (w) => writeValueInfo(w, name, value.dtype))
    })
    .message(8, (domain) => domain.string(1, '').int(2, opset))
    .message(8, (domain) => domain.string(1, 'com.microsoft').int(2, 1))
    .finish()
  const external = [...constants].filter(isLarge).map((value) => ({ path: value.name, data: bytesOf(value) }))
  const widens = inputs.some(({ dtype }) => dtype === 'bfloat16' || dtype === 'float16')
  return { model, inputs: inputs.map(({ name, dtype }) => ({ name, dtype })), outputs: Object.keys(outputs), external, widens }
}

const REFUSED_ELEMENT = 'refused_element'

function writeRefusedNode(w: ProtobufWriter): void {
  w.string(1, REFUSED_ELEMENT).string(2, REFUSED_OUTPUT).string(3, REFUSED_OUTPUT).string(4, 'SequenceConstruct')
}

function writeRefusedElement(w: ProtobufWriter): void {
  w.int(2, ELEMENT_TYPE.float32).string(8, REFUSED_ELEMENT).bytes(9, new Uint8Array(4))
}

function writeRefusedOutput(w: ProtobufWriter): void {
  w.string(1, REFUSED_OUTPUT).message(2, (type) => type.message(4, (sequence) => sequence.message(1, tensorType('float32'))))
}

const byId = (a: { readonly id: number }, b: { readonly id: number }) => a.id - b.id

/** Operators none of whose several outputs may be left out. */
const NONE_OPTIONAL: ReadonlySet<string> = new Set(['TopK'])

function writeNode(w: ProtobufWriter, node: Node, used: ReadonlySet<Value>, nameOf: (value: Value) => string): void {
  for (const input of node.inputs) w.string(1, input ? nameOf(input) : '')
  // The empty name leaves out an optional output that nothing reads.
  const isNamed = (output: Value, i: number) => i === 0 || used.has(output) || NONE_OPTIONAL.has(node.op)
  for (const [i, output] of node.outputs.entries()) w.string(2, isNamed(output, i) ? nameOf(output) : '')
  w.string(3, `${node.op}_${node.id}`).string(4, node.op)
  for (const [name, value] of Object.entries(node.attributes)) w.message(5, (a) => writeAttribute(a, name, value))
  if (node.domain) w.string(7, node.domain)
}

function writeAttribute(w: ProtobufWriter, name: string, value: Attribute): void {
  w.string(1, name)
  if (typeof value === 'number') w.int(3, value).int(20, 2)
  else if (typeof value === 'string') w.string(4, value).int(20, 3)
  else if ('float' in value) w.float(2, value.float).int(20, 1)
  else {
    for (const item of value) w.int(8, item)
    w.int(20, 7)
  }
}

function writeConstant(w: ProtobufWriter, value: Value): void {
  if (value.source.kind !== 'constant') throw new Error(`${value.name} is not a constant`)
  for (const dim of value.source.dims) w.int(1, dim)
  w.int(2, ELEMENT_TYPE[value.dtype])
  w.string(8, value.name)
  if (!isLarge(value)) w.bytes(9, bytesOf(value))
  else {
    const entries = { location: value.name, offset: '0', length: String(bytesOf(value).byteLength) }
    for (const [key, text] of Object.entries(entries)) w.message(13, (entry) => entry.string(1, key).string(2, text))
    w.int(14, 1) // data_location: EXTERNAL
  }
}

function bytesOf({ source }: Value): Uint8Array {
  if (source.kind !== 'constant') return new Uint8Array(0)
  return new Uint8Array(source.data.buffer, source.data.byteOffset, source.data.byteLength)
}

const isLarge = (value: Value) => bytesOf(value).byteLength >= LARGE

function writeValueInfo(w: ProtobufWriter, name: string, dtype: DType): void {
  w.string(1, name).message(2, tensorType(dtype))
}

/** A TypeProto: a tensor of any shape. */
function tensorType(dtype: DType): (w: ProtobufWriter) => unknown {
  return (type) => type.message(1, (tensor) => tensor.int(1, fedType(dtype)))
}
