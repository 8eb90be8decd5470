"""Kernels of attention and compiled layers against `sdpa`. What only CUDA computes is replaced by its definition."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoConfig, AutoModelForCausalLM

from plumbline_torch import fast
from plumbline_torch.attention import PackedPass
from plumbline_torch.check import settle_attention
from plumbline_torch.devices import Device, choose_device
from plumbline_torch.errors import PlumbError
from plumbline_torch.flex import FlexPass, sees
from plumbline_torch.groups import Group
from plumbline_torch.kernel import Options
from plumbline_torch.layout import pack
from plumbline_torch.model import open_model
from plumbline_torch.scoring import log_probs
from plumbline_torch.session import Session
from plumbline_torch.varlen import Spans, VarlenPass, spans_of

CPU = torch.device("cpu")
LENGTHS = [(5, (4, 1, 3)), (1, (6,)), (7, (2, 2))]


def groups(vocabulary: int = 61) -> list[Group]:
    draw = np.random.default_rng(3)
    return [
        Group(draw.integers(3, vocabulary, p), [draw.integers(3, vocabulary, n) for n in own], list(range(len(own)))) for p, own in LENGTHS
    ]


def by_definition(query, key, value, spans, scale, window):
    """What `varlen_attn` is said to compute: sequence by sequence, causal with the last query at the last key."""
    found = []
    for s in range(len(spans.query_ends) - 1):
        q = query[spans.query_ends[s] : spans.query_ends[s + 1]]
        k, v = (each[spans.key_ends[s] : spans.key_ends[s + 1]] for each in (key, value))
        steps = torch.arange(len(q))[:, None] + len(k) - len(q) - torch.arange(len(k))
        mask = (steps >= 0) if window is None else (steps >= 0) & (steps <= window - 1)
        q, k, v = (each.transpose(0, 1)[None] for each in (q, k, v))
        found.append(scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale, enable_gqa=True)[0].transpose(0, 1))
    return torch.cat(found)


def test_sequences_of_ragged_rows_by_hand():
    # A prompt of two with completions of two and one rows, and a prompt of one without any.
    places = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 3, 0]])
    spans = spans_of(places)
    assert isinstance(spans, Spans)
    assert spans.query_ends.tolist() == [0, 2, 3, 5, 6]
    assert spans.key_ends.tolist() == [0, 2, 3, 7, 10]
    assert spans.keys.tolist() == [0, 1, 2, 0, 1, 3, 4, 0, 1, 5]
    assert spans.query_ends.dtype == spans.key_ends.dtype == np.int32  # as the kernel wants them


@pytest.fixture
def rows():
    generator = torch.Generator().manual_seed(2)
    layout = pack(groups(), CPU)
    return layout, [torch.randn(layout.rows, heads, 8, generator=generator, requires_grad=True) for heads in (4, 2, 2)]


@pytest.mark.parametrize("window", [None, 1, 3, 100])
def test_ragged_rows_see_what_rows_side_by_side_do(rows, monkeypatch, window):
    layout, inputs = rows
    # In float32: what 16 bits round away is more than what is looked for.
    monkeypatch.setattr(VarlenPass, "kernel", staticmethod(by_definition))
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda tensor: tensor)
    options = Options(0.3, window)
    weights = torch.randn(layout.rows, 4, 8, generator=torch.Generator().manual_seed(4))
    found = []
    for kind in (PackedPass, VarlenPass):
        out = kind(layout).attend(0, *inputs, options)
        found.append([out, *torch.autograd.grad((out * weights).sum(), inputs)])
    for ours, theirs in zip(found[1], found[0], strict=True):
        assert float((ours - theirs).detach().abs().max()) < 1e-5


@pytest.mark.parametrize("options", [Options(0.3), Options(0.3, 3), Options(0.3, None, 2.0), Options(0.3, 2, 2.0)])
def test_flex_attention_sees_what_rows_side_by_side_do(rows, options):
    layout, inputs = rows
    inputs = [each.detach() for each in inputs]  # it has no backward pass on a CPU
    ours, theirs = (kind(layout).attend(0, *inputs, options) for kind in (FlexPass, PackedPass))
    assert float((ours - theirs).abs().max()) < 1e-5


def test_sinks_and_caps_are_left_to_sdpa(rows):
    layout, inputs = rows
    sinks = Options(0.3, None, None, torch.ones(4))
    for kind, options in [(FlexPass, sinks), (VarlenPass, sinks), (VarlenPass, Options(0.3, None, 2.0))]:
        assert torch.equal(kind(layout).attend(0, *inputs, options), PackedPass(layout).attend(0, *inputs, options))


def test_who_sees_whom_by_hand():
    # A prompt of two, its completions of one row each, and another prompt.
    group, sequence, position = (torch.tensor(each) for each in ([0, 0, 0, 0, 1], [0, 0, 1, 2, 0], [0, 1, 2, 2, 0]))
    ids = torch.arange(5)
    none = torch.tensor(0)
    for window, expected in [(None, ["10000", "11000", "11100", "11010", "00001"]), (2, ["10000", "11000", "01100", "01010", "00001"])]:
        mask = sees(group, sequence, position, window)(none, none, ids[:, None], ids)
        assert ["".join(str(int(each)) for each in row) for row in mask] == expected


SMALL = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
}


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **SMALL)).save_pretrained(tmp_path)
    return str(tmp_path)


@pytest.mark.parametrize(("attention", "dtype"), [("flex", "f32"), ("varlen", "bf16")])
def test_what_a_cpu_has_not_is_refused(folder, attention, dtype):
    with pytest.raises(PlumbError) as caught:
        Session({"folder": folder, "dtype": dtype, "attention": attention}, choose_device("cpu"))
    assert (caught.value.code, caught.value.where) == ("PLUMB_TORCH_UNSUPPORTED", "backend.attention")
    assert f"attention: {attention} needs a CUDA device" in caught.value.message


def test_numbers_of_32_bits_are_refused_for_ragged_rows(folder):
    held, _ = open_model(folder, choose_device("cpu"), bf16=False)
    held.device = Device("cuda", "said to be")
    with pytest.raises(PlumbError, match="expected dtype: bf16"):
        fast.settle_kernel(held, "varlen")


def test_a_kernel_that_fails_or_computes_something_else_is_not_taken_and_that_is_told(folder, monkeypatch):
    monkeypatch.setattr(fast, "_refusal", lambda *_: None)
    held, _ = open_model(folder, choose_device("cpu"), bf16=True)
    settle_attention(held)

    def without_causality(query, key, value, spans, scale, window):
        return by_definition(query, key, value, replace(spans, key_ends=spans.key_ends.clamp(max=2)), scale, window) * 0 + 3

    assert "RuntimeError" in fast.settle_kernel(held, "varlen") or "NotImplementedError" in fast.settle_kernel(held, "varlen")
    assert held.packed_pass is PackedPass
    monkeypatch.setattr(VarlenPass, "kernel", staticmethod(without_causality))
    assert fast.settle_kernel(held, "varlen") == "its numbers differ from those of sdpa"
    assert held.packed_pass is PackedPass
    monkeypatch.setattr(VarlenPass, "kernel", staticmethod(by_definition))
    assert fast.settle_kernel(held, "varlen") is None
    assert held.packed_pass is VarlenPass
    assert all(each.grad is None for each in held.parameters.values())


def test_layers_cannot_be_compiled_without_a_compiler_and_that_is_told(folder, monkeypatch):
    def fails(self, **_options):
        def call(*_args, **_kwargs):
            raise RuntimeError("no compiler")

        self._compiled_call_impl = call

    monkeypatch.setattr(torch.nn.Module, "compile", fails)
    with pytest.raises(PlumbError, match=r"torch\.compile does not work here \(RuntimeError: no compiler\)") as caught:
        Session({"folder": folder, "dtype": "f32", "compile": True}, choose_device("cpu"))
    assert caught.value.where == "backend.compile"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile wants a C++ compiler")
def test_compiled_layers_compute_the_same(folder):
    plain = Session({"folder": folder, "dtype": "f32"}, choose_device("cpu"))
    compiled = Session({"folder": folder, "dtype": "f32", "compile": True}, choose_device("cpu"))
    for own in (groups(), groups()[:1]):  # rows of another number are not compiled anew
        ours, theirs = log_probs(compiled.held, own), log_probs(plain.held, own)
        assert float((ours - theirs).detach().abs().max()) < 1e-5
        (ours * torch.linspace(-1, 1, len(ours))).sum().backward()
        (theirs * torch.linspace(-1, 1, len(ours))).sum().backward()
        for name, parameter in plain.held.parameters.items():
            difference = (parameter.grad - compiled.held.parameters[name].grad).abs().max()
            assert float(difference) <= 1e-5 * float(parameter.grad.abs().max()), name
