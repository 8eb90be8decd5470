import {
  architectureOf,
  decoderLayer,
  embeddedTokens,
  embeddingName,
  factorName,
  headName,
  headRows,
  narrowToTail,
  packedAttend,
  scoredTokens,
} from '@plumbline/transformer'
import { emit, type Emitted } from '../graph/emit'
import type { Value } from '../graph/graph'
import { headPart, vocabularyChunks } from '../graph/head'
import type { DroppedInput, Residual } from '../graph/scoring-ops'
import { beginTrace, EMBEDDING_ROWS, frozenIn, gradientOf, HEAD_FACTORS, HEAD_ROWS, LOG_PROBS, sumOf, type Traced } from './tracing'
import { neededBy } from './training-graph'

/** What a layer or the head reads, and what is returned of its cotangent. [rows, d] */
export const SEGMENT_INPUT = 'segment_input'
export const INPUT_COTANGENT = 'segment_input_cotangent'
/** What the embedding or a layer gives, and its cotangent, which is fed. [rows, d]; the last layer's has a row for each tail row. */
export const SEGMENT_OUTPUT = 'segment_output'
export const OUTPUT_COTANGENT = 'segment_output_cotangent'

/** A part of the model that is computed by itself: the embedding, a layer by its number, or what follows the layers. */
export type Segment = 'embedding' | number | 'head'

/** A segment's forward pass with its backward pass, cut into ONNX models on demand. For the CPU. */
export interface SegmentGraph {
  /** SEGMENT_OUTPUT, or the head's log-probs. */
  forward(): Emitted
  /** The same, and what the backward pass wants of it beside its input. */
  forwardKeeping(): Emitted
  /** Gradients added to running sums, from the segment's input and what was kept; everything else is computed again. */
  backward(): Emitted
  /** The same, and INPUT_COTANGENT. */
  backwardToInput(): Emitted
  /**
   * What is kept beside the input: the result of a layer's attention, whose products with keys and values are the dearest to compute again
   * in a long sequence, and a number or a row of the head's for each tail row.
   */
  readonly kept: readonly Residual[]
  /** Trained parameters, and parts of the head, whose gradients the graph returns. */
  readonly inGraph: readonly string[]
  readonly dropped: readonly DroppedInput[]
}

/** Parameters of a segment; a table that is read outside of it, or by two of them, is among those of each. */
export function segmentParameters({ config }: Pick<Traced, 'config'>, segment: Segment): readonly string[] {
  const { names, layerParameters, finalParameters } = architectureOf(config)
  if (segment === 'embedding') return [embeddingName(config), ...(names.positions === undefined ? [] : [names.positions])]
  if (segment === 'head') return [...finalParameters(config).map(({ name }) => name), headName(config)]
  return layerParameters(config, segment).map(({ name }) => name)
}

/** Factors beside a segment's parameters. */
export function segmentFactors(traced: Traced, segment: Segment): readonly string[] {
  return segmentParameters(traced, segment).flatMap((name) => {
    const module = name.replace(/\.weight$/, '')
    return traced.adapter?.modules.has(module) ? [factorName(module, 'A'), factorName(module, 'B')] : []
  })
}

export function traceSegment(traced: Traced, segment: Segment): SegmentGraph {
  const { config } = traced
  // Log-probs of the whole vocabulary would be as much as several layers' activations.
  const { graph, tape, inputs, weights, ops } = beginTrace(traced, 'cpu', true)
  const x = graph.input(SEGMENT_INPUT)
  const compute = (): Value => {
    if (segment === 'embedding') return embeddedTokens(ops, config, weights, inputs)
    if (segment === 'head') return scoredTokens(ops, config, weights, inputs, headRows(ops, config, weights, x))
    return decoderLayer(ops, config, weights, segment, x, packedAttend(ops, config, inputs), narrowToTail(ops))
  }
  const y = compute()
  const inGraph = trainedIn(traced, segment)
  const parameters = inGraph.map((name) => graph.input(name))
  const source = segment === 'embedding' ? ops.embedded! : x
  const gradients = tape.gradients(
    y,
    segment === 'head' ? inputs.cotangent : graph.input(OUTPUT_COTANGENT),
    [source, ...parameters],
    new Map(parameters.map((value) => [value, graph.input(sumOf(value.name))])),
  )
  const outputs: Record<string, Value> = {}
  if (segment === 'head' && !frozenIn(traced).has(headName(config))) {
    outputs[HEAD_ROWS] = ops.hidden!
    if (ops.scoredSlope) outputs[HEAD_FACTORS] = graph.node('Mul', [inputs.cotangent, ops.scoredSlope])
  }
  for (const value of parameters) outputs[gradientOf(value.name)] = gradients.get(value)!
  const ofSource = { [segment === 'embedding' ? EMBEDDING_ROWS : INPUT_COTANGENT]: gradients.get(source)! }
  const kept = neededBy({ ...outputs, ...ofSource }, segment === 'head' ? ops.residuals : ops.attended)
  const keptValues = kept.map(({ value }) => value)
  const forward = { [segment === 'head' ? LOG_PROBS : SEGMENT_OUTPUT]: y }
  return {
    forward: () => emit(forward),
    forwardKeeping: () => emit({ ...forward, ...Object.fromEntries(keptValues.map((value) => [value.name, value])) }),
    backward: () => emit(segment === 'embedding' ? ofSource : outputs, keptValues),
    backwardToInput: () => emit({ ...outputs, ...ofSource }, keptValues),
    kept,
    inGraph,
    dropped: ops.dropped,
  }
}

function trainedIn(traced: Traced, segment: Segment): string[] {
  const { config } = traced
  const frozen = frozenIn(traced)
  if (segment === 'embedding') return []
  const head = headName(config)
  const own = segmentParameters(traced, segment).filter((name) => name !== head && !frozen.has(name))
  const parts = segment === 'head' && !frozen.has(head) ? vocabularyChunks(config.vocabSize).map((_, c) => headPart(head, c)) : []
  return [...own, ...parts, ...segmentFactors(traced, segment)]
}
