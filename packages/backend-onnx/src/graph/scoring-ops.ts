import type { AttentionShape, LowRank, ScoringOps } from '@plumbline/transformer'
import { flat, packedAttention, packedAttentionRule } from './attention'
import { plus, type Tape } from './autodiff'
import { BatchInputs } from './batch-inputs'
import { deviceLogProbs } from './device-head'
import type { Graph, Value } from './graph'
import { selectedLogProbs } from './head'
import { OnnxOps } from './ops'

/** A value worth keeping for the backward pass, and its shape: `split` rows of width `width / split` for each row it belongs to. */
export interface Residual {
  readonly value: Value
  readonly width: number
  readonly split: number
  /** One for each tail row, else for each row. */
  readonly tail: boolean
}

/** A module whose factors see only some of their inputs. */
export interface DroppedInput {
  readonly module: string
  /** One row for each tail row, else for each row. */
  readonly tail: boolean
}

export interface FactorOptions {
  readonly lowRankOf: (weight: Value) => LowRank<Value> | undefined
  /** Gives the mask of a module's inputs; nothing is dropped when absent. */
  readonly maskOf?: (module: string) => Value
}

/** What scoring a packed batch needs on top, with the gradients of all of it. */
export class OnnxScoringOps extends OnnxOps implements ScoringOps<Value> {
  /** Results of matrix products. Everything else is cheap to compute again. */
  readonly residuals: Residual[] = []
  /** Those of them that are the results of attention. */
  readonly attended: Residual[] = []
  private readonly tailValues = new Set<Value>()
  /** Inputs that masks are read for. */
  readonly dropped: DroppedInput[] = []
  /** The embedded rows: where differentiation ends. */
  embedded: Value | undefined
  /** The rows that the output head reads. [tailRows, d] */
  hidden: Value | undefined
  /** Slope of the cap at each scored token, where logits are capped. [m] */
  scoredSlope: Value | undefined

  constructor(
    graph: Graph,
    private readonly recorded: Tape,
    /** Shape of a weight. */
    private readonly shapeOf: (weight: Value) => readonly number[] = (weight) => {
      throw new Error(`The shape of ${weight.name} is not known`)
    },
    private readonly batch = new BatchInputs(graph),
    private readonly factors?: FactorOptions,
    private readonly isFrozen: (weight: string) => boolean = () => false,
    /** Whether the head keeps no log-probs, however small its vocabulary; by its size when absent. */
    private readonly wideHead?: boolean,
  ) {
    super(graph, recorded, factors?.lowRankOf)
  }

  override embedding(table: Value, ids: Value): Value {
    // Its gradient is added row by row outside the graph: the runtime's ScatterND(add) races on repeated indices
    // (microsoft/onnxruntime#18048). `gradients` is asked for this output instead.
    if (this.embedded) throw new Error('A second embedding would have no gradient: only one table\u2019s rows are asked for')
    return (this.embedded = super.embedding(table, ids))
  }

  tail(x: Value): Value {
    const { graph, batch } = this
    const y = graph.node('Slice', [x, batch.tailStart, graph.ints(2 ** 31), graph.ints(0)], { label: 'tail' })
    this.tailValues.add(y)
    return this.record(y, [x], (g) => [plus(graph.node('Pad', [g, batch.tailPadding]))])
  }

  attention(q: Value, k: Value, v: Value, queries: 'all' | 'tail', shape: AttentionShape): Value {
    const { heads, kvHeads, headDim } = shape
    const inputs = { q: flat(this.graph, q, headDim), k: flat(this.graph, k, headDim), v: flat(this.graph, v, headDim) }
    const y = packedAttention(this.graph, this.batch, inputs, queries, shape)
    if (queries === 'tail') this.tailValues.add(y)
    // Kept as they are read: a view of a kept tensor would be a copy.
    this.residuals.push({ value: inputs.q, width: heads * headDim, split: heads, tail: queries === 'tail' })
    this.residuals.push({ value: inputs.k, width: kvHeads * headDim, split: kvHeads, tail: false })
    this.keep(y, heads * headDim)
    this.attended.push(this.residuals.at(-1)!)
    return this.record(y, [q, k, v], (g) => packedAttentionRule(this.graph, this.batch, inputs, y, g, queries, shape).map(plus))
  }

  /** Reads which rows and words from the batch's inputs, where they stand chunk by chunk. */
  selectedLogProbs(hidden: Value, head: Value, _rows: Value, _ids: Value, softcap?: number): Value {
    this.hidden = hidden
    const keep = (value: Value, width: number) => this.residuals.push({ value, width, split: 1, tail: true })
    const { graph, recorded, batch } = this
    const [words, width] = this.shapeOf(head) as [number, number]
    if (graph.device === 'webgpu') return deviceLogProbs(graph, recorded, batch, keep, words, hidden, head, softcap).logProbs
    const options = { wide: this.wideHead, ...(this.isFrozen(head.name) ? { frozenWidth: width } : {}) }
    const scored = selectedLogProbs(graph, recorded, batch, keep, words, hidden, head, softcap, options)
    this.scoredSlope = scored.slope
    return scored.logProbs
  }

  protected override widthOf(weight: Value): number {
    // One that is shifted first is as wide as it was.
    const { source } = weight
    return source.kind === 'node' ? this.widthOf(source.node.inputs[0]!) : this.shapeOf(weight)[0]!
  }

  protected override alike(x: Value, y: Value): Value {
    if (this.tailValues.has(x)) this.tailValues.add(y)
    return y
  }

  protected override keptInput = (x: Value, { module }: LowRank<Value>): Value | undefined => {
    const mask = this.factors?.maskOf?.(module)
    if (mask) this.dropped.push({ module, tail: this.tailValues.has(x) })
    return mask
  }

  protected override keepProduct = (y: Value, weight: Value): void => this.keep(y, this.shapeOf(weight)[0]!)

  private keep(value: Value, width: number): void {
    this.residuals.push({ value, width, split: 1, tail: this.tailValues.has(value) })
  }
}
