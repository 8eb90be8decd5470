"""Sampling over a cache of keys and values: a prompt is computed once for its candidates, then every step adds a token to each."""

from __future__ import annotations

import math
from typing import Any

import torch

from plumbline_torch.attention import PackedPass, begin, near
from plumbline_torch.choosing import Choice, choose
from plumbline_torch.devices import free_bytes
from plumbline_torch.groups import Group
from plumbline_torch.kernel import Options, attend
from plumbline_torch.layout import Layout, pack
from plumbline_torch.model import HeldModel

MOST_ROWS = {"cpu": 64, "cuda": 512, "mps": 128}
CACHE_SHARE = {"cpu": 0.1, "cuda": 0.5, "mps": 0.25}
"""Of the memory that is free, what keys and values may take."""

Cache = tuple[torch.Tensor, torch.Tensor]
"""Keys and values of a layer. [slots, key heads, capacity, d]"""


class Sampler:
    """Rows that are continued together. Those under way are always the first ones."""

    def __init__(self, held: HeldModel, wanted: int, capacity: int, choice: Choice) -> None:
        self.held = held
        self.capacity = capacity
        self.choice = choice
        self.slots = max(1, min(wanted, MOST_ROWS[held.device.kind], _rows_that_fit(held, capacity)))
        self._caches: dict[int, Cache] = {}

    @torch.no_grad()
    def start(self, prompts: list[Group], slots: list[list[int]], uniforms: torch.Tensor) -> torch.Tensor:
        """Computes prompts, puts their keys and values into slots, and chooses the first token of every slot, in their order."""
        layout = pack(prompts, self.held.torch_device)
        rows = [slot for own in slots for slot in own]
        sources = [p for p, own in enumerate(slots) for _ in own]
        begin(_Prefill(self, layout, rows, sources))
        with self.held.numbers():
            hidden = self.held.hidden(layout.tokens, layout.positions)
        ends = layout.prompt_lengths.cumsum(0) - 1
        logits = self._logits(hidden.index_select(0, ends))
        return self._choose(logits.index_select(0, torch.tensor(sources, device=logits.device)), uniforms)

    @torch.no_grad()
    def step(self, tokens: torch.Tensor, positions: torch.Tensor, moves: list[list[int]], uniforms: torch.Tensor) -> torch.Tensor:
        """Adds a token to each of the first rows and chooses the next. positions: where those tokens stand."""
        for source, target in moves:
            for keys, values in self._caches.values():
                keys[target].copy_(keys[source])
                values[target].copy_(values[source])
        tokens, positions = tokens.to(self.held.torch_device), positions.to(self.held.torch_device)
        begin(_Continue(self, positions))
        with self.held.numbers():
            # One packed row again: a token of every sequence, each at its own position.
            hidden = self.held.hidden(tokens, positions)
        return self._choose(self._logits(hidden), uniforms)

    def cache(self, layer: int, like_keys: torch.Tensor, like_values: torch.Tensor) -> Cache:
        """A layer's, made when it is first asked for. like: [rows, key heads, d]"""
        if layer not in self._caches:
            keys, values = (each.new_zeros(self.slots, each.shape[1], self.capacity, each.shape[2]) for each in (like_keys, like_values))
            self._caches[layer] = (keys, values)
        return self._caches[layer]

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        with self.held.numbers():
            return self.held.logits(hidden)

    def _choose(self, logits: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
        return choose(logits, uniforms.to("cpu" if logits.device.type == "mps" else logits.device), self.choice)


class _Prefill(PackedPass):
    """Prompts alone, whose keys and values are kept."""

    def __init__(self, sampler: Sampler, layout: Layout, rows: list[int], sources: list[int]) -> None:
        super().__init__(layout)
        self._sampler = sampler
        self._rows = torch.tensor(rows, device=layout.tokens.device)
        self._sources = torch.tensor(sources, device=layout.tokens.device)

    def attend(self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, options: Options) -> torch.Tensor:
        length = self.layout.prompt_rows.shape[1]
        for cache, rows in zip(self._sampler.cache(layer, key, value), (key, value), strict=True):
            cache[self._rows, :, :length] = self._prompts(rows).index_select(0, self._sources)
        return super().attend(layer, query, key, value, options)


class _Continue:
    """One token a row, which sees what its own slot holds up to its position."""

    def __init__(self, sampler: Sampler, positions: torch.Tensor) -> None:
        self._sampler = sampler
        self._positions = positions
        self._rows = torch.arange(len(positions), device=positions.device)
        self._length = int(positions.max()) + 1
        self._masks: dict[int | None, torch.Tensor] = {}

    def attend(self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, options: Options) -> torch.Tensor:
        keys, values = self._sampler.cache(layer, key, value)
        keys[self._rows, :, self._positions] = key
        values[self._rows, :, self._positions] = value
        rows, heads, _ = query.shape
        # Query heads that share a key head are queries of one sequence: keys are not repeated. Sinks are by head, so not there.
        shape = (rows, key.shape[1], heads // key.shape[1], -1) if options.sinks is None else (rows, heads, 1, -1)
        seen_keys, seen_values = keys[:rows, :, : self._length], values[:rows, :, : self._length]
        out = attend(query.reshape(shape), seen_keys, seen_values, options, self._mask(options.window))
        return out.reshape(rows, heads, -1)

    def _mask(self, window: int | None) -> torch.Tensor:
        if window not in self._masks:
            steps = torch.arange(self._length, device=self._positions.device)
            self._masks[window] = near(self._positions[:, None], steps, window)[:, None, None]
        return self._masks[window]


def _rows_that_fit(held: HeldModel, capacity: int) -> int:
    config: Any = held.model.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    row: int = 2 * config.num_hidden_layers * heads * width * capacity * (2 if held.bf16 else 4)
    return math.floor(CACHE_SHARE[held.device.kind] * free_bytes(held.device.kind) / row)
