"""Families beyond those that packages/transformer has a file for: packed against padded rows, and sampling against whole forward passes."""

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from plumbline_torch.check import settle_attention
from plumbline_torch.choosing import Choice
from plumbline_torch.devices import choose_device
from plumbline_torch.groups import Group
from plumbline_torch.model import HeldModel, open_model
from plumbline_torch.sampling import Sampler
from plumbline_torch.scoring import log_probs
from plumbline_torch.session import Session
from plumbline_torch.whole_rows import WholeRows

pytestmark = pytest.mark.slow

SMALL = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
PACKED = {
    "gpt_neox": {},
    "starcoder2": {"sliding_window": 5},
    "cohere": {},
    "stablelm": {},
    "qwen3_moe": {"moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2, "head_dim": 8},
}
PADDED = {
    "mamba": {"state_size": 4},
    "bloom": {"n_layer": 2, "n_head": 4},
    "jamba": {
        "attn_layer_offset": 1,
        "attn_layer_period": 2,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "num_experts": 2,
        "num_experts_per_tok": 1,
        "use_mamba_kernels": False,
    },
}


def opened(kind: str, extra: dict, folder) -> HeldModel:
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **{**SMALL, **extra})).save_pretrained(folder)
    held, _ = open_model(str(folder), choose_device("cpu"), bf16=False)
    settle_attention(held)
    return held


def groups() -> list[Group]:
    draw = np.random.default_rng(3)
    return [
        Group(draw.integers(3, 61, 9), [draw.integers(3, 61, n) for n in (5, 1, 7)], [0, 1, 2]),
        Group(draw.integers(3, 61, 4), [draw.integers(3, 61, 3)], [0]),
    ]


def plain(held: HeldModel) -> torch.Tensor:
    """Each completion in a row of its own, by the model's forward pass."""
    held.model.set_attn_implementation("eager")
    found = []
    for group in groups():
        for tokens in group.completions:
            row = torch.from_numpy(np.concatenate([group.prompt, tokens]))
            logits = held.model(input_ids=row[None], use_cache=False).logits[0].log_softmax(-1)
            found.append(logits[len(group.prompt) - 1 : -1].gather(1, torch.from_numpy(tokens)[:, None])[:, 0])
    return torch.cat(found)


def gradients(held: HeldModel, values: torch.Tensor) -> dict[str, torch.Tensor]:
    weights = torch.linspace(-1, 1, len(values))
    held.model.zero_grad()
    (values * weights).sum().backward()
    return {name: each.grad.clone() for name, each in held.parameters.items() if each.grad is not None}


@pytest.mark.parametrize("kind", [*PACKED, *PADDED])
def test_log_probs_and_gradients_are_those_of_rows_of_their_own(kind, tmp_path):
    held = opened(kind, {**PACKED, **PADDED}[kind], tmp_path)
    assert (held.padded_because is None) == (kind in PACKED), held.padded_because
    ours = log_probs(held, groups())
    own = gradients(held, ours)
    theirs = plain(held)
    assert float((ours - theirs).abs().max()) < 2e-5
    for name, expected in gradients(held, theirs).items():
        assert float((own[name] - expected).abs().max()) <= 1e-4 * float(expected.abs().max()) + 1e-7, name


@pytest.mark.parametrize("kind", [*PACKED, *PADDED])
def test_greedy_rows_are_the_likeliest_tokens_of_whole_forward_passes(kind, tmp_path):
    held = opened(kind, {**PACKED, **PADDED}[kind], tmp_path)
    prompts = [Group(group.prompt, [], []) for group in groups()]
    sampler = WholeRows(held, 3, Choice(0.0)) if kind in PADDED else Sampler(held, 3, 32, Choice(0.0))
    zeros = torch.zeros(3, dtype=torch.float64)
    rows = [[int(token)] for token in sampler.start(prompts, [[0, 1], [2]], zeros)]
    lengths = [9, 9, 4]
    for _ in range(6):
        tokens = torch.tensor([row[-1] for row in rows])
        positions = torch.tensor([length + len(row) - 1 for length, row in zip(lengths, rows, strict=True)])
        for row, token in zip(rows, sampler.step(tokens, positions, [], zeros), strict=True):
            row.append(int(token))
    held.model.set_attn_implementation("eager")
    for prompt, row in [(prompts[0].prompt, rows[0]), (prompts[0].prompt, rows[1]), (prompts[1].prompt, rows[2])]:
        whole = torch.from_numpy(np.concatenate([prompt, row[:-1]]))
        logits = held.model(input_ids=whole[None], use_cache=False).logits[0]
        assert logits[len(prompt) - 1 :].argmax(-1).tolist() == row


def test_bfloat16_is_for_products_and_for_frozen_weights(tmp_path):
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **SMALL)).save_pretrained(tmp_path)
    shapes = [{"prompt": 5, "completions": [4, 3], "selected": [0, 1]}]
    tokens, cotangents = np.arange(3, 15, dtype=np.int32), np.linspace(-1, 1, 7, dtype=np.float32)
    adamw = {"learningRate": 1e-3, "betas": [0.9, 0.999], "epsilon": 1e-8, "weightDecay": 0}
    found = {}
    for dtype in ("f32", "bf16"):
        session = Session({"folder": str(tmp_path), "dtype": dtype}, choose_device("cpu"))
        assert session.held.padded_because is None
        _, (found[dtype],) = session.forward({"groups": shapes, "keep": True}, [tokens])
        session.backward({}, [cotangents])
        session.optim_step(adamw, [])
        assert {each.dtype for each in session.held.parameters.values()} == {torch.float32}
    difference = np.abs(found["f32"] - found["bf16"]).max()
    assert 0 < difference < 0.1  # eight bits of fraction

    session = Session({"folder": str(tmp_path), "dtype": "bf16"}, choose_device("cpu"))
    modules = [each["name"] for each in session.opened["linearModules"]]
    session.prepare_training({"frozen": [], "lora": {"modules": modules, "rank": 2, "scaling": 2.0, "dropout": 0}}, [])
    _, (started,) = session.forward({"groups": shapes, "keep": True}, [tokens])
    session.backward({}, [cotangents])
    (report, _) = session.optim_step(adamw, [])
    assert report["gradNorm"] > 0
    assert {each.dtype for each in session.held.parameters.values()} == {torch.bfloat16}
    assert {each.dtype for each in session.held.factors.values()} == {torch.float32}
    assert np.abs(started - found["f32"]).max() < 0.1
