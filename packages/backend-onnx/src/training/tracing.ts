import { adaptedWeights, parameterShapes, type AdapterShape, type ModelConfig } from '@plumbline/transformer'
import type { AttentionLayout } from '../graph/attention-layout'
import { Tape } from '../graph/autodiff'
import { BatchInputs } from '../graph/batch-inputs'
import type { DType } from '../graph/element-types'
import { Graph, type Device } from '../graph/graph'
import { OnnxScoringOps } from '../graph/scoring-ops'

export const LOG_PROBS = 'selected_log_probs'
export const COTANGENT = 'cotangent'
/** Output with the cotangents of the embedded rows, which are added to the tables outside the graph on the CPU. [rows, d] */
export const EMBEDDING_ROWS = 'embedding_rows'
/** Output with the rows that the head reads: with their cotangents they are added to its gradient outside the graph. [tailRows, d] */
export const HEAD_ROWS = 'head_rows'
/** Output with the cotangents that those rows are added with, where they are not those of the log-probs: logits are capped. [m] */
export const HEAD_FACTORS = 'head_factors'
export const gradientOf = (parameter: string) => `gradient:${parameter}`
export const sumOf = (parameter: string) => `sum:${parameter}`
/** Which inputs of a module's factors are kept. [n, in], of booleans */
export const keptInputOf = (module: string) => `kept:${module}`

/** Factors in a graph: they alone are trained. */
export interface GraphAdapter extends AdapterShape {
  /** Whether their inputs are dropped. */
  readonly drops: boolean
}

/** What a training graph is traced from. */
export interface Traced {
  readonly config: ModelConfig
  readonly layout: AttentionLayout
  /** Parameters that are not trained: what stands below the lowest one that is, is not differentiated. None when absent. */
  readonly frozen?: ReadonlySet<string>
  readonly adapter?: GraphAdapter
  /** What a weight is fed as; float32 when absent. */
  readonly typeOf?: (parameter: string) => DType
}

/** Parameters without gradients: beside factors all of the model's own. */
export function frozenIn({ config, frozen = new Set(), adapter }: Traced): ReadonlySet<string> {
  return adapter ? new Set(parameterShapes(config).keys()) : frozen
}

/** An empty graph of a device, and what traces the model into it. */
export function beginTrace(traced: Traced, device: Device, wideHead?: boolean) {
  const { config, layout, adapter, typeOf = () => 'float32' } = traced
  const shapes = parameterShapes(config)
  const graph = new Graph(device, [...shapes.keys()].every((name) => typeOf(name) === 'float32') ? 17 : 26)
  const tape = new Tape()
  const frozen = frozenIn(traced)
  const inputs = new BatchInputs(graph, layout)
  const { weights, lowRankOf } = adaptedWeights((name) => graph.input(name, typeOf(name)), adapter)
  const maskOf = (module: string) => graph.input(keptInputOf(module), 'bool')
  const ops = new OnnxScoringOps(
    graph,
    tape,
    ({ name }) => shapes.get(name)!,
    inputs,
    { lowRankOf, ...(adapter?.drops ? { maskOf } : {}) },
    (name) => frozen.has(name),
    wideHead,
  )
  return { graph, tape, frozen, inputs, weights, ops, shapes }
}
