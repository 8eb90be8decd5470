import type { GenerationPrompt } from '@plumbline/core/base'
import type { ModelConfig } from '@plumbline/transformer'
import { FEWEST_ROWS } from '../decode/batch'
import { padded } from '../decode/prompt-cache'
import { FLOAT, largestTensorBytes, MIB } from './limits'
import { BLOCK } from './wave'

/** Most completions of a wave. A step costs the host as much for one as for hundreds, and a GPU that waits for the host more. */
const MOST_ROWS = 384
/** Most prompt tokens of a wave, padding included. */
const MOST_PROMPT_TOKENS = 16_384
/** Keys and values of a wave's completions. Each step writes them anew, so that twice as much is there for a moment. */
const OWN_CACHE_BYTES = 1024 * MIB
/** Keys and values of a wave's prompts. */
const PROMPT_CACHE_BYTES = 512 * MIB
/** Scores of a layer while the prompts are read. */
const SCORES_BYTES = 256 * MIB

/** How much goes into one wave. */
export interface WaveLimits {
  /** Completions, those that have ended among them. */
  readonly rows: number
  /** Tokens of prompts, padding included. */
  readonly promptTokens: number
  /** Positions of one prompt times positions of another: prompts × width². */
  readonly promptPairs: number
}

/** By the model alone: what a completion is does not depend on its wave. */
export function waveLimits(config: ModelConfig, maxNewTokens: number): WaveLimits {
  const { layers, heads, kvHeads, headDim, vocabSize } = config
  const slots = BLOCK * Math.ceil(maxNewTokens / BLOCK)
  const layerBytes = kvHeads * headDim * FLOAT
  const largest = largestTensorBytes(config)
  const rows = Math.min(
    MOST_ROWS,
    Math.floor(OWN_CACHE_BYTES / (slots * layers * 2 * layerBytes)),
    Math.floor(largest / (slots * layerBytes)),
    Math.floor(largest / (vocabSize * FLOAT)),
  )
  return {
    rows: Math.max(FEWEST_ROWS, rows),
    promptTokens: Math.min(MOST_PROMPT_TOKENS, Math.floor(PROMPT_CACHE_BYTES / (layers * 2 * layerBytes))),
    promptPairs: Math.floor(SCORES_BYTES / (heads * FLOAT)),
  }
}

/** Prompts of similar length together, as many as fit; one that does not fit stands alone, and the candidates of one may need several waves. */
export function waves(requests: readonly GenerationPrompt[], { rows, promptTokens, promptPairs }: WaveLimits): GenerationPrompt[][] {
  const parts = requests.flatMap((request) =>
    Array.from({ length: Math.ceil(request.candidates.length / rows) }, (_, i) => ({
      ...request,
      candidates: request.candidates.slice(i * rows, (i + 1) * rows),
    })),
  )
  parts.sort((a, b) => b.prompt.length - a.prompt.length)
  const result: GenerationPrompt[][] = []
  for (const part of parts) {
    const wave = result.at(-1)
    const joined = wave ? [...wave, part] : []
    const cells = Math.max(0, ...joined.map(({ candidates }) => candidates.length))
    const width = Math.max(0, ...joined.map(({ prompt }) => padded(prompt.length)))
    const fits = joined.length * cells <= rows && joined.length * width <= promptTokens && joined.length * width ** 2 <= promptPairs
    if (wave && fits) wave.push(part)
    else result.push([part])
  }
  return result
}
