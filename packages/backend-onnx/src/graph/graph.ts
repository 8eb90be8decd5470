import type { DType } from './element-types'

/**
 * A small intermediate representation over ONNX operators: nodes in creation order, which is a topological order.
 *
 * Shapes are not tracked. Sizes that vary from call to call (rows, slots) stay open, and a rule that needs a static size
 * (heads, head width) is told it by its caller.
 */

export type { DType }

/** What a graph is written for: the runtime's providers have different operators (see `formulations.ts`). */
export type Device = 'cpu' | 'webgpu'

/** An attribute of an ONNX node; `{ float }` tells a float from an integer of the same value. */
export type Attribute = number | string | readonly number[] | { readonly float: number }

export type Source =
  | { readonly kind: 'input' }
  | { readonly kind: 'constant'; readonly data: ConstantData; readonly dims: readonly number[] }
  | { readonly kind: 'node'; readonly node: Node }

export type ConstantData = Float32Array | Int32Array | BigInt64Array

/** One tensor of a graph. */
export class Value {
  constructor(
    readonly graph: Graph,
    /** Creation order: every value has a larger number than those it was made from. */
    readonly id: number,
    readonly name: string,
    readonly dtype: DType,
    readonly source: Source,
  ) {}
}

export interface Node {
  readonly id: number
  readonly op: string
  /** Empty for the default domain, or `com.microsoft`. */
  readonly domain: string
  readonly inputs: readonly (Value | undefined)[]
  readonly outputs: readonly Value[]
  readonly attributes: Readonly<Record<string, Attribute>>
}

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, Attribute>>
  readonly domain?: 'com.microsoft'
  /** Element type of the output; that of the first input when absent. */
  readonly dtype?: DType
  /** Part of the output's name, for profiles. */
  readonly label?: string
}

export class Graph {
  private next = 0
  private readonly inputs = new Map<string, Value>()
  private readonly constants = new Map<string, Value>()

  constructor(
    readonly device: Device = 'cpu',
    /** BitCast, which makes numbers of fed bits, is of version 26; where there are none, models stay what they were. */
    readonly opset: 17 | 26 = 17,
  ) {}

  /** A graph input; asking again for the same name gives the same value. */
  input(name: string, dtype: DType = 'float32'): Value {
    const known = this.inputs.get(name)
    if (known) return known
    const value = new Value(this, this.next++, name, dtype, { kind: 'input' })
    this.inputs.set(name, value)
    return value
  }

  /** A constant stored in the model; equal ones are shared. */
  constant(data: ConstantData, dims: readonly number[] = [data.length]): Value {
    // Shapes and scalars are shared; a large constant is a weight and has no twin.
    const key = data.length > 64 ? `weight ${this.next}` : `${data.constructor.name}:${dims.join('x')}:${data.join(',')}`
    const known = this.constants.get(key)
    if (known) return known
    const dtype = data instanceof Float32Array ? 'float32' : data instanceof Int32Array ? 'int32' : 'int64'
    const id = this.next++
    const value = new Value(this, id, `constant_${id}`, dtype, { kind: 'constant', data, dims })
    this.constants.set(key, value)
    return value
  }

  scalar(value: number): Value {
    return this.constant(Float32Array.of(value), [])
  }

  /** A constant of int64 numbers: shapes, axes, slice bounds. */
  ints(...values: number[]): Value {
    return this.constant(BigInt64Array.from(values, BigInt))
  }

  /** Adds a node with one output. */
  node(op: string, inputs: readonly (Value | undefined)[], options: NodeOptions = {}): Value {
    return this.nodes(op, inputs, 1, options)[0]!
  }

  /** Adds a node with several outputs of one element type. */
  nodes(op: string, inputs: readonly (Value | undefined)[], count: number, options: NodeOptions = {}): Value[] {
    const dtype = options.dtype ?? inputs[0]?.dtype ?? 'float32'
    const outputs: Value[] = []
    const node: Node = { id: this.next++, op, domain: options.domain ?? '', inputs, outputs, attributes: options.attributes ?? {} }
    for (let i = 0; i < count; i++) {
      const id = this.next++
      outputs.push(new Value(this, id, `${options.label ?? op}_${id}`, dtype, { kind: 'node', node }))
    }
    return outputs
  }
}
