"""The cases: a config for each, and what of it must be seen in the numbers.

`bites`: the feature switched off, by config fields or by tensors set to zero; `same`: what must change nothing. `legacy`: how the config of transformers 4
differs beyond its rope fields (... deletes a field). `zero_centred`: norms that multiply by 1 + w.
"""
LLAMA = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5,
             rope_parameters=dict(rope_type="default", rope_theta=10000.0), tie_word_embeddings=False)
LONG_HEADS = dict(LLAMA, num_attention_heads=2, num_key_value_heads=1, head_dim=16)
PLAIN = dict(rope_parameters=dict(rope_type="default", rope_theta=100.0))


def scaled(rope_type, **settings):
    """A small theta, so that tiny heads have frequencies on both sides of every threshold."""
    return dict(rope_parameters=dict(rope_type=rope_type, rope_theta=100.0, **settings))


def rope(rope_type, **settings):
    return dict(LONG_HEADS, **scaled(rope_type, **settings))


LLAMA3 = dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
YARN = dict(factor=4.0, original_max_position_embeddings=64)
YARN_OPTIONS = dict(factor=4.0, original_max_position_embeddings=16, beta_fast=2.0, beta_slow=0.25, truncate=False, mscale=0.7, mscale_all_dim=0.3)

GEMMA2 = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=64, rms_norm_eps=1e-5,
              query_pre_attn_scalar=3, sliding_window=7, attn_logit_softcapping=2.0, final_logit_softcapping=3.0)
GEMMA3 = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=64, rms_norm_eps=1e-5,
              query_pre_attn_scalar=3, sliding_window=7, final_logit_softcapping=3.0,
              layer_types=["sliding_attention", "sliding_attention", "full_attention"])
GEMMA3_ROPE = dict(full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1000.0), sliding_attention=dict(rope_type="default", rope_theta=30.0))

PHI3 = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64,
            original_max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=False)
# head_dim 8, of which 6 turn
PARTIAL = dict(rope_type="default", rope_theta=100.0, partial_rotary_factor=0.75)
LONGROPE = dict(rope_type="longrope", rope_theta=100.0, partial_rotary_factor=0.75, short_factor=[1.0, 1.4, 2.1], long_factor=[1.1, 2.5, 6.0])

GRANITE = dict(LLAMA, num_attention_heads=2, num_key_value_heads=1, embedding_multiplier=3.0, attention_multiplier=0.6, residual_multiplier=0.4, logits_scaling=0.5)


def windows(w):
    """No window, and one that is one token off."""
    return {"no window": dict(sliding_window=None), "a window one longer": dict(sliding_window=w + 1), "a window one shorter": dict(sliding_window=w - 1)}


CASES = {
    "llama-plain": dict(model_type="llama", config=LLAMA),
    "llama-tied": dict(model_type="llama", config=dict(LLAMA, num_key_value_heads=4, tie_word_embeddings=True)),
    "llama-bias": dict(model_type="llama", config=dict(LLAMA, attention_bias=True, mlp_bias=True), bites={
        name: dict(zero=name) for name in ["q_proj.bias", "k_proj.bias", "v_proj.bias", "o_proj.bias", "gate_proj.bias", "up_proj.bias", "down_proj.bias"]}),
    "llama-head-dim": dict(model_type="llama", config=dict(LLAMA, head_dim=6)),
    "llama-linear": dict(model_type="llama", config=rope("linear", factor=4.0), bites={"scaling": PLAIN}),
    "llama-dynamic": dict(model_type="llama", config=dict(rope("dynamic", factor=4.0), max_position_embeddings=64), same={"scaling": PLAIN},
                          note="Sequences of at most max_position_embeddings tokens: the default frequencies."),
    "llama-dynamic-long": dict(model_type="llama", config=dict(rope("dynamic", factor=4.0), max_position_embeddings=16), bites={"scaling": PLAIN}, cache_agrees=False,
                               note="Longer than max_position_embeddings. Every sequence begins with the frequencies of its own length, whatever went before; "
                                    "greedy text is computed without a cache, each step with the frequencies of the whole text so far."),
    "llama-llama3": dict(model_type="llama", config=rope("llama3", **LLAMA3), bites={
        "scaling": PLAIN, "the middle band": scaled("llama3", **dict(LLAMA3, low_freq_factor=3.99)), "factor": scaled("llama3", **dict(LLAMA3, factor=4.0))}),
    "llama-yarn": dict(model_type="llama", config=dict(rope("yarn", **YARN), max_position_embeddings=256), bites={
        "scaling": PLAIN, "attention_factor": scaled("yarn", **YARN, attention_factor=1.0), "the ramp": scaled("yarn", **YARN, beta_slow=31.0)}),
    "llama-yarn-options": dict(model_type="llama", config=rope("yarn", **YARN_OPTIONS), bites={
        "scaling": PLAIN, "truncate": scaled("yarn", **dict(YARN_OPTIONS, truncate=True)), "mscale": scaled("yarn", **dict(YARN_OPTIONS, mscale=None)),
        "beta_fast": scaled("yarn", **dict(YARN_OPTIONS, beta_fast=32.0)), "beta_slow": scaled("yarn", **dict(YARN_OPTIONS, beta_slow=1.0))}),
    "smollm3": dict(model_type="smollm3", config=dict({k: v for k, v in LLAMA.items() if k != "tie_word_embeddings"}, num_hidden_layers=4), bites={
        "no_rope_layers": dict(no_rope_layers=[1, 1, 1, 1]), "their order": dict(no_rope_layers=[0, 1, 1, 1])}),
    "mistral-full": dict(model_type="mistral", config=dict(LLAMA, sliding_window=None), same={"long window": dict(sliding_window=64)}),
    "mistral-window": dict(model_type="mistral", config=dict(LLAMA, sliding_window=7), bites=windows(7)),
    "qwen2": dict(model_type="qwen2", config=dict(LLAMA, sliding_window=7, max_window_layers=1), legacy=dict(sliding_window=7, layer_types=...), bites={
        name: dict(zero=name) for name in ["q_proj.bias", "k_proj.bias", "v_proj.bias"]}),
    "qwen2-window": dict(model_type="qwen2", config=dict(LLAMA, num_hidden_layers=3, use_sliding_window=True, sliding_window=7, max_window_layers=1, tie_word_embeddings=True),
                         legacy=dict(layer_types=...), bites={
        "which layers": dict(layer_types=["sliding_attention", "sliding_attention", "full_attention"]), "a window one longer": dict(sliding_window=8),
        "a window one shorter": dict(sliding_window=6), "no window": dict(layer_types=["full_attention"] * 3)}),
    "qwen3": dict(model_type="qwen3", config=dict(LLAMA, head_dim=8, tie_word_embeddings=True), legacy=dict(layer_types=...), bites={
        name: dict(zero=name) for name in ["q_norm", "k_norm"]}),
    "gemma2": dict(model_type="gemma2", zero_centred=True, config=GEMMA2, legacy=dict(layer_types=..., hidden_act="gelu_pytorch_tanh"), bites={
        **windows(7), "no window": dict(layer_types=["full_attention"] * 2), "which layers": dict(layer_types=["full_attention", "sliding_attention"]), "attn_logit_softcapping": dict(attn_logit_softcapping=None),
        "final_logit_softcapping": dict(final_logit_softcapping=None), "query_pre_attn_scalar": dict(query_pre_attn_scalar=8),
        "hidden_activation": dict(hidden_activation="silu")}),
    "gemma3": dict(model_type="gemma3_text", zero_centred=True, config=dict(GEMMA3, rope_parameters=GEMMA3_ROPE),
                   legacy=dict(layer_types=..., _sliding_window_pattern=..., sliding_window_pattern=3, rope_theta=1000.0, rope_local_base_freq=30.0,
                               rope_scaling=dict(rope_type="linear", factor=8.0)), bites={
        "a window one longer": dict(sliding_window=8), "a window one shorter": dict(sliding_window=6), "no window": dict(layer_types=["full_attention"] * 3),
        "which layers": dict(layer_types=["full_attention", "sliding_attention", "sliding_attention"]),
        "scaling": dict(rope_parameters=dict(GEMMA3_ROPE, full_attention=dict(rope_type="default", rope_theta=1000.0))),
        "global theta": dict(rope_parameters=dict(GEMMA3_ROPE, full_attention=dict(rope_type="linear", factor=8.0, rope_theta=30.0))),
        "local theta": dict(rope_parameters=dict(GEMMA3_ROPE, sliding_attention=dict(rope_type="default", rope_theta=1000.0))),
        "final_logit_softcapping": dict(final_logit_softcapping=None), "query_pre_attn_scalar": dict(query_pre_attn_scalar=8), "q_norm": dict(zero="q_norm"),
        "k_norm": dict(zero="k_norm")}, same={"attn_logit_softcapping": dict(attn_logit_softcapping=1.0)}),
    "phi3": dict(model_type="phi3", config=dict(PHI3, rope_parameters=dict(rope_type="default", rope_theta=10000.0))),
    "phi3-window": dict(model_type="phi3", config=dict(PHI3, sliding_window=7, rope_parameters=dict(rope_type="default", rope_theta=10000.0)), bites=windows(7)),
    "phi3-partial": dict(model_type="phi3", config=dict(PHI3, tie_word_embeddings=True, rope_parameters=PARTIAL), bites={
        "partial_rotary_factor": dict(rope_parameters=dict(PARTIAL, partial_rotary_factor=1.0))}),
    "phi3-longrope-short": dict(model_type="phi3", config=dict(PHI3, max_position_embeddings=256, rope_parameters=LONGROPE), bites={
        "short_factor": dict(rope_parameters=dict(LONGROPE, short_factor=[1.0, 1.0, 1.0])),
        "attention_factor": dict(rope_parameters=dict(LONGROPE, attention_factor=1.0))}, same={
        "long_factor": dict(rope_parameters=dict(LONGROPE, long_factor=[1.0, 1.0, 1.0]))},
        note="No sequence is longer than original_max_position_embeddings: short_factor, with the attention factor of the whole context."),
    "phi3-longrope-long": dict(model_type="phi3", config=dict(PHI3, original_max_position_embeddings=16, rope_parameters=LONGROPE), bites={
        "long_factor": dict(rope_parameters=dict(LONGROPE, long_factor=[1.0, 1.4, 2.1])),
        "attention_factor": dict(rope_parameters=dict(LONGROPE, attention_factor=1.0))},
        note="Every prompt is longer than original_max_position_embeddings (16): long_factor throughout. The limit that decides is 17 tokens or more."),
    "olmo2": dict(model_type="olmo2", config=dict(LLAMA, head_dim=8, rope_parameters=dict(rope_type="default", rope_theta=10000.0)), bites={
        name: dict(zero=name) for name in ["q_norm", "k_norm"]}),
    "granite": dict(model_type="granite", config=GRANITE, bites={
        name: {name: 1.0} for name in ["embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling"]}),
    "gpt2": dict(model_type="gpt2", config=dict(n_embd=16, n_layer=2, n_head=4, n_positions=64), bites={
        "wpe": dict(zero="wpe"), "activation_function": dict(activation_function="silu"), **{
            name: dict(zero=name) for name in ["c_attn.bias", "attn.c_proj.bias", "c_fc.bias", "mlp.c_proj.bias", "ln_1.bias", "ln_2.bias", "ln_f.bias"]}}),
}
