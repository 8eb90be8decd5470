"""Attention by FlexAttention: one packed row over itself, with a mask by blocks of who sees whom. It has no backward pass on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from plumbline_torch.attention import PackedPass
from plumbline_torch.kernel import Options
from plumbline_torch.layout import Layout

Sees = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def sees(group: torch.Tensor, sequence: torch.Tensor, position: torch.Tensor, window: int | None) -> Sees:
    """Whether a row sees another, by three numbers of each: not one of another group, of a sibling, after it, or outside of the window."""

    def mask(_batch: torch.Tensor, _head: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        own = (sequence[key] == 0) | (sequence[key] == sequence[query])
        seen = (group[key] == group[query]) & own & (position[key] <= position[query])
        return seen if window is None else seen & (position[query] - position[key] < window)

    return mask


@cache
def _functions(kind: str) -> tuple[Any, Any]:
    """What makes masks and what attends. Not compiled, both hold a number for every pair of rows."""
    if kind != "cuda":
        return create_block_mask, flex_attention
    return torch.compile(create_block_mask), torch.compile(flex_attention, dynamic=True)


class FlexPass(PackedPass):
    """Prompts and completions where they stand. Layers with sinks are computed as `sdpa` does."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        device = layout.tokens.device
        self._group, self._sequence = (torch.from_numpy(layout.places[:, i].copy()).to(device) for i in (0, 1))
        self._blocks: dict[int | None, BlockMask] = {}

    def attend(self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, options: Options) -> torch.Tensor:
        if options.sinks is not None:
            return super().attend(layer, query, key, value, options)
        _, attend = _functions(query.device.type)
        query, key, value_in = (each.to(value.dtype).transpose(0, 1)[None] for each in (query, key, value))
        out = attend(
            query,
            key,
            value_in,
            score_mod=_capped(options.softcap),
            block_mask=self._blocks_of(options.window),
            scale=options.scale,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        found: torch.Tensor = out[0].transpose(0, 1)
        return found

    def _blocks_of(self, window: int | None) -> BlockMask:
        if window not in self._blocks:
            make, _ = _functions(self._group.device.type)
            mask = sees(self._group, self._sequence, self.layout.positions, window)
            rows = self.layout.rows
            self._blocks[window] = make(mask, None, None, rows, rows, device=self._group.device)
        return self._blocks[window]


@cache
def _capped(cap: float | None) -> Any:
    if cap is None:
        return None

    def capped(score: torch.Tensor, *_place: torch.Tensor) -> torch.Tensor:
        return cap * torch.tanh(score / cap)

    return capped
