"""What can be known of a model only by computing with it: whether the packed form is right for it, and what a row's activations take."""

from __future__ import annotations

import numpy as np
import torch

from plumbline_torch import attention
from plumbline_torch.attention import Pass, begin
from plumbline_torch.errors import first_line, is_out_of_memory
from plumbline_torch.groups import Group
from plumbline_torch.kernel import Options
from plumbline_torch.model import HeldModel
from plumbline_torch.scoring import packed, padded

DIFFERENCE = 1e-3
"""Of the largest logit. Rounding in float32 is a thousandth of it; a token that sees another completion is far above."""
KINDS_OF_LAYERS = {"full_attention", "sliding_attention"}


def settle_attention(held: HeldModel, pads: bool = False) -> None:
    """Takes the packed form where it computes what padded rows do, and else padded rows with the model's own attention, and says why."""
    if held.padded_because is not None:
        return
    # In float32: what bfloat16 rounds away is larger than the difference that is looked for.
    bf16, held.bf16 = held.bf16, False
    try:
        held.padded_because = _reason_to_pad(held, pads)
    finally:
        held.bf16 = bf16


def _reason_to_pad(held: HeldModel, pads: bool) -> str | None:
    groups = _sample(held.vocabulary)
    reason = "as asked for" if pads else _unknown_layers(held)
    with torch.no_grad():
        if reason is None:
            try:
                ours = _logits(held, *packed(held, groups))
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                reason = f"{type(error).__name__}: {first_line(error)}"
        # Caps and sinks are computed by `eager` alone.
        held.model.set_attn_implementation("eager")
        theirs = _logits(held, *padded(held, groups))
        if reason is None and not _alike(ours, theirs):
            reason = "its layers do more with a sequence than attention"
        if reason is None:
            held.model.set_attn_implementation(attention.NAME)
        else:
            _fastest_of_its_own(held, groups, theirs)
    return reason


def _fastest_of_its_own(held: HeldModel, groups: list[Group], expected: torch.Tensor) -> None:
    try:
        held.model.set_attn_implementation("sdpa")
        if _alike(_logits(held, *padded(held, groups)), expected):
            return
    except (ValueError, KeyError, NotImplementedError):
        pass
    held.model.set_attn_implementation("eager")


def _alike(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    return bool((ours - theirs).abs().max() <= DIFFERENCE * theirs.abs().max())


def _logits(held: HeldModel, hidden: torch.Tensor, _ids: torch.Tensor) -> torch.Tensor:
    with held.numbers():
        return held.logits(hidden)


def _unknown_layers(held: HeldModel) -> str | None:
    """Layers whose mask says what their attention is not told."""
    config = held.model.config
    kinds = getattr(config, "layer_types", None)
    unknown = sorted(set(kinds or []) - KINDS_OF_LAYERS)
    if unknown:
        return f"it has layers of the kind {unknown[0]}"
    recorder = _Recorder()
    tokens = torch.zeros((1, 2), dtype=torch.int64, device=held.torch_device)
    try:
        begin(recorder)
        with torch.no_grad():
            held.trunk(input_ids=tokens, position_ids=torch.arange(2, device=held.torch_device)[None], use_cache=False)
    except Exception as error:
        return f"{type(error).__name__}: {first_line(error)}"
    layers = config.num_hidden_layers
    if len(recorder.windows) != layers:
        return f"{len(recorder.windows)} of its {layers} layers go through transformers' AttentionInterface"
    if sorted(recorder.windows) != list(range(layers)):
        return "its layers do not say their index"
    sliding = [i for i, kind in enumerate(kinds) if kind == "sliding_attention"] if kinds else []
    if not kinds and getattr(config, "sliding_window", None) and not any(recorder.windows.values()):
        sliding = [0]
    untold = next((i for i in sliding if recorder.windows[i] is None), None)
    return None if untold is None else f"layer {untold} does not tell its attention of its window"


class _Recorder(Pass):
    """Notes which layers come by."""

    def __init__(self) -> None:
        self.windows: dict[int, int | None] = {}

    def attend(self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, options: Options) -> torch.Tensor:
        self.windows[layer] = options.window
        return value.repeat_interleave(query.shape[1] // value.shape[1], 1)


def row_bytes(held: HeldModel) -> int:
    """What a row's activations take while they wait for the backward pass, measured on a few rows."""
    own = {each.untyped_storage().data_ptr() for each in held.model.parameters()}
    held_bytes: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held_bytes[storage.data_ptr()] = storage.nbytes()
        return tensor

    tokens = np.arange(1, 65) % held.vocabulary
    groups = [Group(tokens[:32], [tokens[32:]], [0])]
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        hidden, _ = (padded if held.padded_because else packed)(held, groups)
    del hidden
    return max(1, sum(held_bytes.values()) // 63)


def _sample(vocabulary: int) -> list[Group]:
    """Two prompts of unequal length with unequal completions."""
    draw = np.random.default_rng(1)

    def tokens(length: int) -> np.ndarray:
        return draw.integers(0, vocabulary, length)

    return [Group(tokens(5), [tokens(4), tokens(1), tokens(3)], [0, 1, 2]), Group(tokens(2), [tokens(5)], [0])]
