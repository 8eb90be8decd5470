"""Attention of queries over keys that stand side by side: what a layer asks for (scale, window, cap, sinks), and the product."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import scaled_dot_product_attention


@dataclass(frozen=True)
class Options:
    """What a layer passes to its attention."""

    scale: float
    window: int | None = None
    """A query sees its own position and the `window` - 1 before it."""
    softcap: float | None = None
    """Scores become c · tanh(score / c) before the mask."""
    sinks: torch.Tensor | None = None
    """One more score a head, which takes its share and has no value. [heads]"""


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, options: Options, mask: torch.Tensor | None = None, causal: bool = False
) -> torch.Tensor:
    """query [batch, heads, n, d], key and value [batch, key heads, m, d] → [batch, heads, n, value's d].

    mask: true where a query sees a key, to be broadcast over heads. [batch, 1, n, m]
    """
    if options.softcap is None and options.sinks is None:
        key, value = _repeated(key, query.shape[1]), _repeated(value, query.shape[1])
        return scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal and mask is None, scale=options.scale)
    key, value = _repeated(key, query.shape[1]), _repeated(value, query.shape[1])
    scores = torch.matmul(query, key.transpose(-1, -2)) * options.scale
    if options.softcap is not None:
        scores = options.softcap * torch.tanh(scores / options.softcap)
    if mask is None and causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    scores = scores.float()
    if options.sinks is None:
        return torch.matmul(torch.softmax(scores, -1).to(value.dtype), value)
    sinks = options.sinks.float().reshape(1, -1, 1, 1).expand(*scores.shape[:-1], 1)
    weights = torch.softmax(torch.cat([scores, sinks], -1), -1)[..., :-1]
    return torch.matmul(weights.to(value.dtype), value)


def _repeated(heads: torch.Tensor, count: int) -> torch.Tensor:
    """Key heads, each as often as query heads share it."""
    times = count // heads.shape[1]
    if times == 1:
        return heads
    batch, own, length, width = heads.shape
    return heads[:, :, None].expand(batch, own, times, length, width).reshape(batch, count, length, width)
