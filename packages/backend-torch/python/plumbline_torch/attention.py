"""One attention function for every architecture that goes through transformers' `AttentionInterface`.

The model computes one packed row; who sees whom is known to the pass that is under way, not to the model: its mask function gives none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from transformers.masking_utils import AttentionMaskInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from plumbline_torch.kernel import Options, attend
from plumbline_torch.layout import Layout

NAME = "plumbline"


class Pass(Protocol):
    """What computes attention while a row goes through the model."""

    def attend(self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, options: Options) -> torch.Tensor:
        """query [rows, heads, d], key and value [rows, key heads, d] → [rows, heads, value's d]"""
        ...


_under_way: list[Pass] = []
_functions: list[Callable[..., Any]] = []
"""What layers call where some of them are compiled."""


def begin(current: Pass) -> None:
    """Makes a pass the one that is under way, until the next: layers that compute their activations again do so in the backward pass."""
    _under_way[:] = [current]


def register(compiled: bool = False) -> None:
    """Tells transformers of the function and of its mask, which is none. Compiled layers call it without looking into it."""
    if compiled:  # from then on, for all models; what is loaded for it takes seconds
        _functions[:] = [torch.compiler.disable(_attention)]
    ALL_ATTENTION_FUNCTIONS.register(NAME, _functions[0] if _functions else _attention)
    AttentionMaskInterface.register(NAME, lambda *_args, **_kwargs: None)


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **_others: Any,
) -> tuple[torch.Tensor, None]:
    """query [1, heads, rows, d] → [1, rows, heads, d]"""
    options = Options(query.shape[-1] ** -0.5 if scaling is None else scaling, sliding_window, softcap, s_aux)
    layer = int(getattr(module, "layer_idx", None) or 0)
    rows = [each[0].transpose(0, 1) for each in (query, key, value)]
    return _under_way[0].attend(layer, rows[0], rows[1], rows[2], options)[None], None


class PackedPass:
    """Every prompt over itself, and every completion over its prompt and itself, with PyTorch's fused attention and a mask."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._masks: dict[int | None, tuple[torch.Tensor | None, torch.Tensor | None]] = {}

    def attend(self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, options: Options) -> torch.Tensor:
        layout = self.layout
        of_prompts, of_completions = self._masks_of(options.window)
        prompt_keys, prompt_values = self._prompts(key), self._prompts(value)
        out = attend(self._prompts(query), prompt_keys, prompt_values, options, of_prompts, causal=True)
        parts = [out.transpose(1, 2).flatten(0, 1)]
        if len(layout.completion_rows) > 0:
            keys = torch.cat([prompt_keys.index_select(0, layout.group_of_slot), self._completions(key)], 2)
            values = torch.cat([prompt_values.index_select(0, layout.group_of_slot), self._completions(value)], 2)
            out = attend(self._completions(query), keys, values, options, of_completions)
            parts.append(out.transpose(1, 2).flatten(0, 1))
        return torch.cat(parts).index_select(0, layout.order)

    def _prompts(self, rows: torch.Tensor) -> torch.Tensor:
        return side_by_side(rows, self.layout.prompt_rows)

    def _completions(self, rows: torch.Tensor) -> torch.Tensor:
        return side_by_side(rows, self.layout.completion_rows)

    def _masks_of(self, window: int | None) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        if window not in self._masks:
            self._masks[window] = (self._prompt_mask(window), self._completion_mask(window))
        return self._masks[window]

    def _prompt_mask(self, window: int | None) -> torch.Tensor | None:
        longest = self.layout.prompt_rows.shape[1]
        if window is None or window >= longest:
            return None  # causal: what pads a prompt stands behind all that is read
        steps = torch.arange(longest, device=self.layout.tokens.device)
        return near(steps[:, None], steps, window)[None, None]

    def _completion_mask(self, window: int | None) -> torch.Tensor | None:
        layout = self.layout
        if len(layout.completion_rows) == 0:
            return None
        lengths = layout.prompt_lengths[layout.group_of_slot]
        prompt = torch.arange(layout.prompt_rows.shape[1], device=lengths.device)
        own = torch.arange(layout.completion_rows.shape[1], device=lengths.device)
        queries = lengths[:, None] + own  # [slots, own]
        seen = (prompt < lengths[:, None])[:, None].expand(-1, len(own), -1)
        if window is not None:
            seen = seen & (queries[:, :, None] - prompt < window)
        among = near(own[:, None], own, window)[None].expand(len(lengths), -1, -1)
        return torch.cat([seen, among], 2)[:, None]


def near(query: torch.Tensor, key: torch.Tensor, window: int | None) -> torch.Tensor:
    """Whether a position sees another: not a later one, and none that lies outside of the window."""
    seen = key <= query
    return seen if window is None else seen & (query - key < window)


def side_by_side(rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """rows [rows, heads, d], places [sequences, length] → [sequences, heads, length, d]"""
    placed: torch.Tensor = rows.index_select(0, places.flatten()).unflatten(0, places.shape)
    return placed.transpose(1, 2)
