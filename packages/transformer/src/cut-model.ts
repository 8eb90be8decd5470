import type { BaseSource, ModelSource } from '@plumbline/core/base'
import { parseModelConfig } from './config'
import { architectureNamed } from './families'
import { COMMON_FIELDS } from './families/common'
import { Fields } from './fields'
import type { TokenizerIds } from './load-model'
import type { ModelConfig } from './model-config'
import { readModelConfig } from './model-folder'

type Scratch = Extract<BaseSource, { kind: 'scratch' }>

/** A model cut down: where it comes from, what it is, and what a tokenizer of it would say. */
export interface CutModel {
  readonly source: Scratch
  readonly config: ModelConfig
  readonly tokenizer: TokenizerIds
}

/** A vocabulary that holds the tokens of any test, whatever is left of it. */
const FEWEST_WORDS = 256

/**
 * A model with the widths and heads of this one, its first layers alone, and random weights: what a layer costs can be measured of it without
 * reading a weight. The vocabulary is cut with the layers, so that the head has the part in the work that it has in the whole model.
 *
 * @param layers how many are left; at most those that there are
 * @throws PlumbError as reading the model's `config.json` does
 */
export async function cutModel(source: ModelSource, whole: ModelConfig, layers: number): Promise<CutModel> {
  const base = source.kind === 'adapter' ? source.base : source
  const given = base.kind === 'folder' ? (await readModelConfig(base.path)).configJson : base.architecture
  const { fields } = architectureNamed(new Fields(given, 'config.json'))
  const left = Math.min(layers, whole.layers)
  const vocabularySize = Math.min(whole.vocabSize, Math.max(FEWEST_WORDS, Math.round((whole.vocabSize * left) / whole.layers)))
  const perLayer = (value: unknown) => (Array.isArray(value) && value.length === whole.layers ? (value as unknown[]).slice(0, left) : value)
  // A folder's config.json may hold more than what the model is computed by, which random weights of an architecture may not.
  const known = Object.entries(given).filter(([key]) => COMMON_FIELDS.includes(key) || fields.includes(key))
  const architecture = {
    ...Object.fromEntries(known.map(([key, value]) => [key, perLayer(value)])),
    num_hidden_layers: left,
    ...(fields.includes('n_layer') ? { n_layer: left } : {}),
    vocab_size: vocabularySize,
    // none of them is among the words that are left for sure
    bos_token_id: null,
    eos_token_id: null,
    pad_token_id: null,
  }
  return {
    source: { kind: 'scratch', architecture, tokenizer: base.kind === 'folder' ? base.path : base.tokenizer, seed: 0 },
    config: parseModelConfig(architecture, 'config.json'),
    tokenizer: { vocabularySize },
  }
}
