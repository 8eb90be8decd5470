import { totalmem } from 'node:os'
import { frozenParameters, loraModules } from '@plumbline/core/base'
import type { LoraPlan, MemoryNeeds, TrainingPlan } from '@plumbline/core/base'
import { elements, linearModules, parameterCount, parameterShapes, windowsOf, type ModelConfig } from '@plumbline/transformer'
import { HEAD_WORDS } from './decode/logits'
import { rowsFor } from './decode/rows'
import { isSmallEnoughToStore } from './decode/weights'
import { vocabularyChunks } from './graph/head'
import { LONG_BLOCK, mostScores } from './training/attention-blocks'
import { keptRowBytes } from './training/training-graph'

const MIB = 2 ** 20

/** As messages have it. */
export const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(1)

/** Bounds of the rows of a micro-batch: smaller products waste the processor, larger ones gain nothing. */
const [FEWEST_ROWS, MOST_ROWS] = [256, 8192]
/** A group of up to this many micro-batches' rows is computed alone, in one piece: parts would compute its prompt and activations again. */
const LONE = 2

/** Up to this many parameters each thread gets an engine of its own: the operators are short, and the copies cost little memory. */
export const SMALL_MODEL = 2_000_000
/** Weights, gradients and two moments in float32. */
export const BYTES_PER_PARAMETER = 16

/** Parameters from which on a model's activations may take more than `SMALL_KEPT`. */
const LARGE_MODEL = 100e6
const SMALL_KEPT = 288 * MIB
const LARGE_KEPT = 512 * MIB
/** Beside weights and optimizer state this is little, and a row of a larger model takes more. */
const KEPT_PER_PARAMETER = 0.75

export interface RowLimits {
  /** Most rows of one micro-batch. */
  readonly microBatch: number
  /** Most rows of a group that is computed alone. */
  readonly lone: number
}

/**
 * How many rows a micro-batch has where nobody says. By the model alone, neither by the machine nor by what is free at the moment: how a
 * step is cut decides in which order numbers are added, and so the last bits of the result.
 *
 * 288 MiB of activations are 340 rows of a model of 135M parameters: fewer than a question with six answers, which was then cut,
 * computed its prompt for each part and its activations twice.
 */
export function rowLimits(parameters: number, rowBytes: number, asked?: number): RowLimits {
  if (asked !== undefined) return { microBatch: asked, lone: asked }
  const kept = parameters < LARGE_MODEL ? SMALL_KEPT : Math.max(LARGE_KEPT, KEPT_PER_PARAMETER * parameters)
  const microBatch = Math.min(MOST_ROWS, Math.max(FEWEST_ROWS, Math.floor(kept / rowBytes)))
  return { microBatch, lone: LONE * microBatch }
}

/** What is computed one layer after the other: what would not fit in one piece, everything, or nothing. */
export type ActivationCheckpointing = 'auto' | 'layers' | 'none'

/**
 * Rows above which what is computed together is computed layer by layer: by `auto` those that would keep more than the largest group that is
 * computed in one piece may. A question of several candidates is cut before it is that large; one long candidate cannot be. By the model and
 * the configuration alone, like the rows themselves.
 */
export function checkpointedAbove(choice: ActivationCheckpointing, parameters: number, rowBytes: number, asked = 0): number {
  if (choice === 'layers') return 0
  if (choice === 'none') return Infinity
  return Math.max(asked, rowLimits(parameters, rowBytes).lone)
}

export interface MemoryQuestion {
  readonly plan?: TrainingPlan
  readonly engines?: number
  readonly microBatchTokens?: number
  /** `auto` when absent. */
  readonly activationCheckpointing?: ActivationCheckpointing
  /** Rows of the largest micro-batch; as many as one may have when absent. */
  readonly rows?: number
  /** Tokens of the longest sequence, prompt and completion; as many as the context holds when absent. */
  readonly longest?: number
  readonly maxNewTokens?: number
  /** What the model's own weights take where they are not trained and are held as stored; as float32 when absent. */
  readonly frozenBytes?: number
  /** Whether sampling has a packed copy of the weights; where they are small, when absent. */
  readonly prepackedWeights?: boolean
}

/** Node with an engine's thread and the runtime's library, measured. */
const PROCESS_BYTES = 105 * MIB
/** Of the sessions, per layer of the model and session: the graphs have hundreds of nodes a layer. Measured. */
const SESSION_LAYER_BYTES = 1.1 * MIB
const LIKELY_NEW_TOKENS = 512
/** Number of tensors of the widest part of a layer that are alive at once in the backward pass, measured. */
const ALIVE = 24

/** Of a number of 16 bits while a product reads it: as float32, and the bits that are widened. */
const WIDENED_BYTES = 4 + 2

/** Of a number in the copy that the runtime packs, at the most: while the session is made it holds some tensors as they come as well. Measured. */
const PACKED_BYTES = 5.6

/** What the CPU path takes, by part, in bytes: from the dimensions alone. `test/memory-plan.test.ts` holds it against the system's count. */
export function memoryNeeds(config: ModelConfig, question: MemoryQuestion = {}): MemoryNeeds {
  const { plan = {}, engines = 1, maxNewTokens = LIKELY_NEW_TOKENS } = question
  const all = parameterCount(config)
  const adapter = plan.lora ? adapterCount(config, plan.lora) : 0
  const trained = plan.lora ? adapter : trainedCount(config, plan.freeze)
  const rowBytes = keptRowBytes(config)
  const above = checkpointedAbove(question.activationCheckpointing ?? 'auto', all, rowBytes, question.microBatchTokens)
  const longest = Math.min(config.maxPositions, question.longest ?? Infinity)
  // One candidate cannot be cut, however small a micro-batch is meant to be.
  const rows = question.rows ?? Math.max(rowLimits(all, rowBytes, question.microBatchTokens).lone, Math.min(longest, above))
  const words = vocabularyChunks(config.vocabSize)[0]!.to
  const alive = 4 * rows * (ALIVE * widestPart(config) + 3 * words) + scoreBytes(config, rows, longest)
  const samplingRows = rowsFor(config, maxNewTokens)
  const { layers, kvHeads, headDim, vocabSize } = config
  const isHalf = plan.lora !== undefined && question.frozenBytes !== undefined && question.frozenBytes < 4 * all
  const base = plan.lora ? (question.frozenBytes ?? 4 * all) : 4 * all
  const widened = isHalf ? WIDENED_BYTES * largestMatrix(config) : 0
  const widenedHead = isHalf ? WIDENED_BYTES * vocabularyChunks(vocabSize, HEAD_WORDS)[0]!.to * config.hiddenSize : 0
  const isPacked = question.prepackedWeights ?? isSmallEnoughToStore(all)
  const packed = isPacked ? PACKED_BYTES * (all + adapter) : 0
  const dropped = plan.lora ? factorRowBytes(config, plan.lora) : 0
  // Beside the activations of layers, what factors and 16-bit numbers take.
  const layered = (tokens: number) => engines * (layeredBytes(config, tokens) + (tokens * dropped) / config.layers + widened)
  const cache = 4 * samplingRows * maxNewTokens * layers * 2 * kvHeads * headDim
  return {
    process: PROCESS_BYTES + engines * 2 * layers * SESSION_LAYER_BYTES,
    weights: engines * (base + 4 * adapter),
    gradients: engines * 4 * trained,
    moments: engines * (plan.moments === 'bfloat16' ? 4 : 8) * trained,
    // Computed again, they are alive all the same, within one run.
    activations: rows > above ? layered(rows) : engines * (rows * (rowBytes + dropped) + alive + widened),
    sampling: engines * (cache + 4 * samplingRows * vocabSize + Math.max(widened, widenedHead) + packed),
    // Beside factors that are trained the weights stay as they are.
    snapshot: engines * 4 * (plan.lora ? adapter : all),
    available: machineBytes(),
    ...(longest > above ? { byLayers: byLayers(longest, above, layered) } : {}),
  }
}

/** A text of this length is long, and models of today read it. */
const LONG_TEXT = 4096

function byLayers(longest: number, above: number, layered: (tokens: number) => number): MemoryNeeds['byLayers'] {
  const tokens = Math.min(longest, Math.max(LONG_TEXT, 2 * above))
  return { above, tokens, activations: layered(tokens) }
}

const widestPart = ({ intermediateSize, heads, headDim }: ModelConfig) => Math.max(intermediateSize, heads * headDim)

/**
 * What attention takes in a backward pass beside what a row keeps, where sequences are `longest`: the probabilities of all blocks, which the
 * gradients of the values want first; then the gradient of one block's probabilities, and what becomes of it. The mask is one for all
 * heads, and for all layers of a window; where scores are capped, the cap's slope waits with the probabilities and becomes a number each.
 */
function scoreBytes({ heads, attention }: ModelConfig, rows: number, longest: number): number {
  const length = Math.min(rows, longest)
  const { all, largest } = mostScores(rows / length, length)
  const [masks, isCapped] = [windowsOf(attention).length, attention.some(({ softcap }) => softcap !== undefined)]
  return 4 * (heads * ((isCapped ? 2 : 1) * all + (isCapped ? 3 : 2) * largest) + masks * all)
}

/** Tensors of the widest part that are alive at once where one layer is computed at a time, and blocks of attention scores; measured. */
const [LAYER_ALIVE, BLOCKS_ALIVE] = [15, 5]

/** Activations of a pass that is computed layer by layer: what each layer reads and its attention's result, one layer, one block. */
function layeredBytes(config: ModelConfig, rows: number): number {
  const { layers, hiddenSize, heads, headDim } = config
  const checkpoints = (layers + 3) * hiddenSize + layers * heads * headDim
  const scores = BLOCKS_ALIVE * heads * Math.min(rows, LONG_BLOCK)
  return 4 * rows * (checkpoints + LAYER_ALIVE * widestPart(config) + scores)
}

/** Numbers of a model's parameters that are trained. */
function trainedCount(config: ModelConfig, freeze: readonly string[] = []): number {
  const shapes = parameterShapes(config)
  const frozen = frozenParameters(freeze, [...shapes.keys()])
  return [...shapes].reduce((sum, [name, shape]) => sum + (frozen.has(name) ? 0 : elements(shape)), 0)
}

/** Numbers of the largest matrix within the layers. */
function largestMatrix(config: ModelConfig): number {
  return Math.max(...linearModules(config).map(({ inFeatures, outFeatures }) => inFeatures * outFeatures))
}

/** Numbers of all factors A and B of a plan. */
function adapterCount(config: ModelConfig, plan: LoraPlan): number {
  const modules = loraModules(plan, linearModules(config))
  return modules.reduce((sum, { inFeatures, outFeatures }) => sum + plan.rank * (inFeatures + outFeatures), 0)
}

/** What factors take for a row beside the model's own activations: which of their inputs are kept, a byte each, of all modules at once. */
function factorRowBytes(config: ModelConfig, plan: LoraPlan): number {
  if (plan.dropout === 0) return 0
  return loraModules(plan, linearModules(config)).reduce((sum, { inFeatures }) => sum + inFeatures, 0)
}

/** Of the machine, or of a container, where it has a limit of its own; without one that number is huge or 0. */
export function machineBytes(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Infinity)
}
