import { architectureOf, embeddingName, factorName, headName, scorePacked, type ModelConfig } from '@plumbline/transformer'
import { emit, type Emitted } from '../graph/emit'
import type { Device, Value } from '../graph/graph'
import { headPart, isWide, vocabularyChunks } from '../graph/head'
import type { DroppedInput, Residual } from '../graph/scoring-ops'
import { tableGradient } from '../graph/table-gradient'
import { beginTrace, EMBEDDING_ROWS, gradientOf, HEAD_FACTORS, HEAD_ROWS, LOG_PROBS, sumOf, type Traced } from './tracing'

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

/** @param traced what is not trained, and how weights are fed. */
export function traceTraining(traced: Traced, device: Device = 'cpu'): TrainingGraph {
  const { config, adapter } = traced
  const { graph, tape, frozen, inputs, weights, ops, shapes } = beginTrace(traced, device)
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

  const residuals = neededBy(outputs, ops.residuals)
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

/** Of what may be kept, each once, what a backward pass reads. */
export function neededBy(outputs: Readonly<Record<string, Value>>, keepable: readonly Residual[]): Residual[] {
  const values = keepable.map(({ value }) => value)
  const needed = new Set(emit(outputs, values).inputs.map(({ name }) => name))
  return [...new Map(keepable.map((residual) => [residual.value, residual])).values()].filter(({ value }) => needed.has(value.name))
}

/** Bytes of activations that one row leaves for the backward pass: what `linear`, `rope`, attention and the head keep. */
export function keptRowBytes({ layers, hiddenSize, heads, kvHeads, headDim, intermediateSize, vocabSize }: ModelConfig): number {
  const layer = 2 * hiddenSize + 2 * heads * headDim + 2 * kvHeads * headDim + 2 * intermediateSize
  return 4 * (layers * layer + (isWide(vocabSize) ? 1 : vocabSize))
}
