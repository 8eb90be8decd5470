"""Attention by the flash kernel for ragged rows (`torch.nn.attention.varlen`): no padding and no mask. CUDA and 16 bits alone."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from plumbline_torch.attention import PackedPass
from plumbline_torch.errors import first_line
from plumbline_torch.kernel import Options
from plumbline_torch.layout import Layout


class Kernel(Protocol):
    """Queries of ragged sequences over keys of ragged sequences; the last query sees the last key, each one before it a key less."""

    def __call__(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, spans: SpansOnDevice, scale: float, window: int | None
    ) -> torch.Tensor:
        """query [queries, heads, d], key and value [keys, key heads, d] → [queries, heads, d]"""
        ...


@dataclass(frozen=True)
class Spans:
    """Which rows are a sequence's queries, and which its keys. Queries are all rows in their order, keys are picked."""

    query_ends: np.ndarray
    """0, then where each sequence's queries end. [sequences + 1]"""
    key_ends: np.ndarray
    """The same of its keys. [sequences + 1]"""
    keys: np.ndarray
    """A row for every key: a prompt's own; of a completion its prompt's and then its own. [keys]"""


def spans_of(places: np.ndarray) -> Spans:
    """places [rows, 3]: group, sequence (0 for the prompt, which stands before its completions), place in it."""
    changes = np.flatnonzero(np.any(places[1:, :2] != places[:-1, :2], axis=1)) + 1
    starts, ends = np.concatenate([[0], changes]), np.concatenate([changes, [len(places)]])
    prompts = {int(places[a, 0]): np.arange(a, b) for a, b in zip(starts, ends, strict=True) if places[a, 1] == 0}
    keys = [
        np.arange(a, b) if places[a, 1] == 0 else np.concatenate([prompts[int(places[a, 0])], np.arange(a, b)])
        for a, b in zip(starts, ends, strict=True)
    ]
    return Spans(
        query_ends=np.concatenate([[0], ends]).astype(np.int32),
        key_ends=np.cumsum([0, *map(len, keys)]).astype(np.int32),
        keys=np.concatenate(keys),
    )


@dataclass(frozen=True)
class SpansOnDevice:
    query_ends: torch.Tensor
    key_ends: torch.Tensor
    keys: torch.Tensor
    longest_query: int
    longest_key: int

    @staticmethod
    def of(spans: Spans, device: torch.device) -> SpansOnDevice:
        query_ends, key_ends, keys = (torch.from_numpy(each).to(device) for each in (spans.query_ends, spans.key_ends, spans.keys))
        return SpansOnDevice(query_ends, key_ends, keys, int(np.diff(spans.query_ends).max()), int(np.diff(spans.key_ends).max()))


def flash(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, spans: SpansOnDevice, scale: float, window: int | None
) -> torch.Tensor:
    """PyTorch's kernel."""
    from torch.nn.attention.varlen import varlen_attn

    found = varlen_attn(
        query,
        key,
        value,
        spans.query_ends,
        spans.key_ends,
        spans.longest_query,
        spans.longest_key,
        scale=scale,
        # None after its own place; of those before it all, or so many that with its own they make the window.
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return found if isinstance(found, torch.Tensor) else found[0]


def missing() -> str | None:
    """What this PyTorch lacks for the kernel, if anything. Its arguments changed between versions."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError as error:
        return f"PyTorch {torch.__version__} has no varlen_attn ({first_line(error)})"
    lacking = {"scale", "window_size", "enable_gqa"} - set(inspect.signature(varlen_attn).parameters)
    return f"varlen_attn of PyTorch {torch.__version__} takes no {sorted(lacking)[0]}" if lacking else None


class VarlenPass(PackedPass):
    """Every prompt and every completion is a sequence of queries. Layers with caps or sinks are computed as `sdpa` does."""

    kernel: Kernel = staticmethod(flash)

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._spans = SpansOnDevice.of(spans_of(layout.places), layout.tokens.device)

    def attend(self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, options: Options) -> torch.Tensor:
        if options.softcap is not None or options.sinks is not None or query.shape[-1] != value.shape[-1]:
            return super().attend(layer, query, key, value, options)
        # Some families turn positions in float32, under autocast, too.
        query, key, value_in = (each if each.dtype.itemsize == 2 else each.bfloat16() for each in (query, key, value))
        picked = [each.index_select(0, self._spans.keys) for each in (key, value_in)]
        return self.kernel(query.contiguous(), picked[0], picked[1], self._spans, options.scale, options.window).to(value.dtype)
