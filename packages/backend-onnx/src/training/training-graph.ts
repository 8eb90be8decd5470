import {
  adaptedWeights,
  architectureOf,
  embeddingName,
  factorName,
  headName,
  parameterShapes,
  scorePacked,
  type AdapterShape,
  type ModelConfig,
} from '@plumbline/transformer'
import type { AttentionLayout } from '../graph/attention-layout'
import { Tape } from '../graph/autodiff'
import { BatchInputs } from '../graph/batch-inputs'
import type { DType } from '../graph/element-types'
import { emit, type Emitted } from '../graph/emit'
import { Graph, type Device, type Value } from '../graph/graph'
import { headPart, isWide, vocabularyChunks } from '../graph/head'
import { OnnxScoringOps, type DroppedInput, type Residual } from '../graph/scoring-ops'
import { tableGradient } from '../graph/table-gradient'

/** Output with the cotangents of the embedded rows, which are added to the tables outside the graph on the CPU. [rows, d] */
export const EMBEDDING_ROWS = 'embedding_rows'
/** Output with the rows that the head reads: with their cotangents they are added to its gradient outside the graph. [tailRows, d] */
export const HEAD_ROWS = 'head_rows'
/** Output with the cotangents that those rows are added with, where they are not those of the log-probs: logits are capped. [m] */
export const HEAD_FACTORS = 'head_factors'
export const LOG_PROBS = 'selected_log_probs'
export const COTANGENT = 'cotangent'
export const gradientOf = (parameter: string) => `gradient:${parameter}`
export const sumOf = (parameter: string) => `sum:${parameter}`
/** Which inputs of a module's factors are kept. [n, in], of booleans */
export const keptInputOf = (module: string) => `kept:${module}`

/** The traced model: one forward graph with its backward pass, cut into ONNX models on demand. */
export interface TrainingGraph {
  /** Log-probs of the scored tokens. */
  forward(): Emitted
  /** Log-probs and the activations the backward pass wants, by name. */
  forwardKeeping(): Emitted
  /** Gradients added to running sums, from kept activations. */
  backwardFromKept(): Emitted
  /** The same with every activation computed again. */
  backwardRecomputing(): Emitted
  /** The kept activations, one row per packed row or per tail row. */
  readonly residuals: readonly Residual[]
  /** Trained parameters, and parts of the head, whose gradients the graph returns; on the CPU the embedding's own comes from EMBEDDING_ROWS. */
  readonly inGraph: readonly string[]
  /** The inputs that are dropped in part, whose masks the graph reads. */
  readonly dropped: readonly DroppedInput[]
}

/** Factors in a graph: they alone are trained. */
export interface GraphAdapter extends AdapterShape {
  /** Whether their inputs are dropped. */
  readonly drops: boolean
}

/**
 * @param frozenNames parameters without gradients: what stands below the lowest one that has one is not differentiated.
 * @param typeOf what a weight is fed as.
 */
export function traceTraining(
  config: ModelConfig,
  layout: AttentionLayout,
  frozenNames: ReadonlySet<string> = new Set(),
  device: Device = 'cpu',
  adapter?: GraphAdapter,
  typeOf: (parameter: string) => DType = () => 'float32',
): TrainingGraph {
  const shapes = parameterShapes(config)
  const graph = new Graph(device, [...shapes.keys()].every((name) => typeOf(name) === 'float32') ? 17 : 26)
  const tape = new Tape()
  const frozen = adapter ? new Set(shapes.keys()) : frozenNames
  const inputs = new BatchInputs(graph, layout)
  const { weights, lowRankOf } = adaptedWeights((name) => graph.input(name, typeOf(name)), adapter)
  const maskOf = (module: string) => graph.input(keptInputOf(module), 'bool')
  const ops = new OnnxScoringOps(
    graph,
    tape,
    ({ name }) => shapes.get(name)!,
    inputs,
    {
      lowRankOf,
      ...(adapter?.drops ? { maskOf } : {}),
    },
    (name) => frozen.has(name),
  )
  const logProbs = scorePacked(ops, config, weights, inputs)
  const embedded = ops.embedded!
  const [embedding, head, { positions }] = [embeddingName(config), headName(config), architectureOf(config).names]
  const wholeOrParts = device === 'cpu' ? vocabularyChunks(config.vocabSize).map((_, c) => headPart(head, c)) : [head]
  const parts = frozen.has(head) ? [] : wholeOrParts
  const outside = new Set([embedding, head, positions])
  const factors = [...(adapter?.modules ?? [])].flatMap((module) => [factorName(module, 'A'), factorName(module, 'B')])
  const inGraph = [...[...shapes.keys()].filter((name) => !outside.has(name) && !frozen.has(name)), ...parts, ...factors]
  const parameters = inGraph.map((name) => graph.input(name))
  const hasRows = [embedding, positions].some((name) => name !== undefined && !frozen.has(name))
  const gradients = tape.gradients(
    logProbs,
    inputs.cotangent,
    hasRows ? [embedded, ...parameters] : parameters,
    new Map(parameters.map((value) => [value, graph.input(sumOf(value.name))])),
  )
  const outputs: Record<string, Value> = {}
  if (device === 'cpu' && hasRows) outputs[EMBEDDING_ROWS] = gradients.get(embedded)!
  if (device === 'cpu' && !frozen.has(head)) {
    outputs[HEAD_ROWS] = ops.hidden!
    if (ops.scoredSlope) outputs[HEAD_FACTORS] = graph.node('Mul', [inputs.cotangent, ops.scoredSlope])
  }
  for (const value of parameters) outputs[gradientOf(value.name)] = gradients.get(value)!
  if (device === 'webgpu') {
    for (const [of, table] of Object.entries({ token: embedding, position: positions })) {
      if (table === undefined || frozen.has(table)) continue
      const sum = outputs[gradientOf(table)] ?? graph.input(sumOf(table))
      outputs[gradientOf(table)] = tableGradient(graph, inputs.tableRows(of as 'token' | 'position'), gradients.get(embedded)!, sum)
    }
  }

  const keepable = ops.residuals.map(({ value }) => value)
  const needed = new Set(emit(outputs, keepable).inputs.map(({ name }) => name))
  const residuals = [...new Map(ops.residuals.map((residual) => [residual.value, residual])).values()].filter(({ value }) =>
    needed.has(value.name),
  )
  const kept = residuals.map(({ value }) => value)
  return {
    forward: () => emit({ [LOG_PROBS]: logProbs }),
    forwardKeeping: () => emit({ [LOG_PROBS]: logProbs, ...Object.fromEntries(kept.map((value) => [value.name, value])) }),
    backwardFromKept: () => emit(outputs, kept),
    backwardRecomputing: () => emit(outputs),
    residuals,
    inGraph,
    dropped: ops.dropped,
  }
}

/** Bytes of activations that one row leaves for the backward pass: what `linear`, `rope`, attention and the head keep. */
export function keptRowBytes({ layers, hiddenSize, heads, kvHeads, headDim, intermediateSize, vocabSize }: ModelConfig): number {
  const layer = 2 * hiddenSize + 2 * heads * headDim + 2 * kvHeads * headDim + 2 * intermediateSize
  return 4 * (layers * layer + (isWide(vocabSize) ? 1 : vocabSize))
}
