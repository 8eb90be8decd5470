"""What may compute packed rows faster, where it was asked for: kernels of attention, compiled layers. Each is tried before it is used."""

from __future__ import annotations

import numpy as np
import torch

from plumbline_torch import attention
from plumbline_torch.attention import PackedPass
from plumbline_torch.errors import PlumbError, first_line, is_out_of_memory
from plumbline_torch.flex import FlexPass
from plumbline_torch.groups import Group
from plumbline_torch.model import HeldModel, layers_of
from plumbline_torch.scoring import log_probs
from plumbline_torch.varlen import VarlenPass, missing

KERNELS: dict[str, type[PackedPass]] = {"sdpa": PackedPass, "flex": FlexPass, "varlen": VarlenPass}
DIFFERENCE = {True: 0.1, False: 1e-3}
"""Of the largest log-probability, with products in bfloat16 and in float32: what rounding does not do."""


def settle_kernel(held: HeldModel, wanted: str) -> str | None:
    """Takes the kernel that is asked for, or says why it does not compute what `sdpa` does. Refuses what this device cannot do at all."""
    if wanted not in KERNELS or wanted == "sdpa" or held.padded_because is not None:
        return None
    if refusal := _refusal(wanted, held):
        raise PlumbError("PLUMB_TORCH_UNSUPPORTED", refusal, "backend.attention")
    expected = _tried(held)
    held.packed_pass = KERNELS[wanted]
    try:
        reason = None if _alike(_tried(held), expected, held.bf16) else "its numbers differ from those of sdpa"
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = f"{type(error).__name__}: {first_line(error)}"
    if reason:
        held.packed_pass = PackedPass
    return reason


def _refusal(wanted: str, held: HeldModel) -> str | None:
    kind = held.device.kind
    if kind != "cuda":
        what = "FlexAttention has no backward pass" if wanted == "flex" else "PyTorch has no kernel for ragged rows"
        return f"attention: {wanted} needs a CUDA device: on {kind} {what}; expected attention: sdpa."
    if wanted == "varlen":
        if not held.bf16:
            return "attention: varlen needs numbers of 16 bits; expected dtype: bf16, or attention: sdpa."
        if lack := missing():
            return f"attention: varlen cannot be used: {lack}; expected a newer PyTorch, or attention: sdpa."
    return None


def compile_layers(held: HeldModel) -> None:
    """Compiles every layer for rows of any number, and tries them."""
    expected = _tried(held)
    attention.register(compiled=True)
    held.is_compiled = True
    for layer in layers_of(held):
        layer.compile(dynamic=True)
    try:
        same = _alike(_tried(held), expected, held.bf16)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        message = (
            f"torch.compile does not work here ({type(error).__name__}: {first_line(error)}); expected a C++ compiler on the path, "
            "on CUDA Triton, or compile: false."
        )
        raise PlumbError("PLUMB_TORCH_UNSUPPORTED", message, "backend.compile") from error
    if not same:
        message = "Compiled layers of this model compute other numbers than it does itself; expected compile: false."
        raise PlumbError("PLUMB_TORCH_UNSUPPORTED", message, "backend.compile")


def _tried(held: HeldModel) -> torch.Tensor:
    """Log-probs of a few tokens, forward and backward."""
    draw = np.random.default_rng(1)

    def tokens(length: int) -> np.ndarray:
        return draw.integers(0, held.vocabulary, length)

    groups = [Group(tokens(5), [tokens(4), tokens(2), tokens(3)], [0, 1, 2]), Group(tokens(3), [tokens(5)], [0])]
    found = log_probs(held, groups)
    found.sum().backward()
    for parameter in held.parameters.values():
        parameter.grad = None
    return found.detach()


def _alike(ours: torch.Tensor, theirs: torch.Tensor, bf16: bool) -> bool:
    return bool((ours - theirs).abs().max() <= DIFFERENCE[bf16] * theirs.abs().max())
