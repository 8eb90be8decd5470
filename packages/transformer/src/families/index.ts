import { shownValue } from '@plumbline/core/base'
import type { Architecture } from '../architecture'
import type { Fields } from '../fields'
import type { ModelConfig } from '../model-config'
import { gemma2, gemma3 } from './gemma'
import { gpt2 } from './gpt2'
import { granite } from './granite'
import { llama } from './llama'
import { mistral } from './mistral'
import { olmo2 } from './olmo2'
import { phi3 } from './phi3'
import { qwen2 } from './qwen2'
import { qwen3 } from './qwen3'
import { smollm3 } from './smollm3'

/** Every family that is computed here. */
export const ARCHITECTURES: readonly Architecture[] = [llama, smollm3, mistral, qwen2, qwen3, gemma2, gemma3, phi3, olmo2, granite, gpt2]

const byType = new Map(ARCHITECTURES.map((architecture) => [architecture.modelType, architecture]))

export function architectureOf({ modelType }: Pick<ModelConfig, 'modelType'>): Architecture {
  const found = byType.get(modelType)
  if (!found) throw new Error(`There is no architecture ${modelType}`)
  return found
}

/** The family that a config.json names. @throws PlumbError PLUMB_MODEL_UNSUPPORTED */
export function architectureNamed(fields: Fields): Architecture {
  const { model_type: modelType } = fields.json
  const found = typeof modelType === 'string' ? byType.get(modelType) : undefined
  if (found) return found
  const supported = [...byType.keys()].join(', ')
  throw fields.unsupported(`model_type ${shownValue(modelType)} is not supported; supported: ${supported}.`)
}
