/**
 * Cases that no engine computes yet, with what their refusal (PLUMB_MODEL_UNSUPPORTED) says today. Switching one on is deleting its line:
 * its numbers are then checked.
 */
export const PENDING: Readonly<Record<string, string>> = {
  gemma2: 'model_type "gemma2" is not supported',
  gemma3: 'model_type "gemma3_text" is not supported',
  gpt2: 'model_type "gpt2" is not supported',
  granite: 'model_type "granite" is not supported',
  'mistral-full': 'model_type "mistral" is not supported',
  'mistral-window': 'model_type "mistral" is not supported',
  olmo2: 'model_type "olmo2" is not supported',
  phi3: 'model_type "phi3" is not supported',
  'phi3-longrope-long': 'model_type "phi3" is not supported',
  'phi3-longrope-short': 'model_type "phi3" is not supported',
  'phi3-partial': 'model_type "phi3" is not supported',
  'phi3-window': 'model_type "phi3" is not supported',
  qwen2: 'model_type "qwen2" is not supported',
  'qwen2-window': 'model_type "qwen2" is not supported',
  qwen3: 'model_type "qwen3" is not supported',
  smollm3: 'model_type "smollm3" is not supported',
  'llama-bias': 'attention_bias true is not supported',
  'llama-dynamic': 'of type "dynamic" is not supported',
  'llama-dynamic-long': 'of type "dynamic" is not supported',
  'llama-linear': 'of type "linear" is not supported',
  'llama-llama3': 'of type "llama3" is not supported',
  'llama-yarn': 'of type "yarn" is not supported',
  'llama-yarn-options': 'of type "yarn" is not supported',
}

/** The same, of cases that only the TensorFlow.js engine refuses. */
export const PENDING_ON_TENSORFLOW: Readonly<Record<string, string>> = {}
