import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { heldWeights, loadModel, wordLevelTokenizerConfig, wordLevelTokenizerJson, writeModel } from '@plumbline/transformer'
import { TINY_CONFIG, tinyProject } from './cli'

const ARCHITECTURE = {
  model_type: 'llama',
  hidden_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  intermediate_size: 16,
  max_position_embeddings: 64,
}

/** The tiny configuration on a backend with models, as YAML has it. */
export function onBackend(backend: string, config: string = TINY_CONFIG): string {
  return config.replace('backend: fake', `backend: ${backend}`).replace(/^plugins.*\n/m, '')
}

/** The same with one variant, and as little sampled and answered as can be: what is looked at are weights. */
export function trainedOnly(config: string): string {
  return config
    .replace(/^ {2}- \{ name: further-sft.*\n/m, '')
    .replace('evaluate: { maxNewTokens: 50, control: further-sft }', 'evaluate: { maxNewTokens: 4 }')
    .replace('k: 4, maxNewTokens: 50', 'k: 2, maxNewTokens: 6, cutOff: wrong')
}

/** The tiny project with a real model in its folder, of random weights. */
export async function projectWithModel(config: string, dtype: 'float32' | 'bfloat16' = 'float32'): Promise<string> {
  const cwd = tinyProject(config)
  const words = ['What', 'is', '+', '=', '####', ...Array.from({ length: 200 }, (_, n) => String(n))]
  const tokenizer = join(cwd, 'tokenizer.json')
  writeFileSync(tokenizer, JSON.stringify(wordLevelTokenizerJson(words)))
  writeFileSync(join(cwd, 'tokenizer_config.json'), JSON.stringify(wordLevelTokenizerConfig()))
  const model = join(cwd, 'model')
  rmSync(model, { recursive: true })
  const made = await loadModel({ kind: 'scratch', architecture: ARCHITECTURE, tokenizer, seed: 0 })
  await writeModel(model, { ...made, weights: heldWeights(made.weights) }, { dtype })
  return cwd
}
