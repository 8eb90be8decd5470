"""How a token is chosen from logits and a number in [0, 1): temperature, then top-k, then top-p, in float64, as in packages/transformer."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Choice:
    temperature: float
    """0 takes the likeliest, the lowest id on ties."""
    top_k: int = 0
    top_p: float = 1.0


def choose(logits: torch.Tensor, uniforms: torch.Tensor, choice: Choice) -> torch.Tensor:
    """The token whose share of the unit interval, laid out in the order of the ids, holds the number; -1 where the logits are not finite.

    logits float32 [rows, vocabulary], of which -inf excludes a token; uniforms float64 [rows] → int64 [rows]
    """
    largest, likeliest = logits.max(1)
    bad = ~torch.isfinite(largest) | torch.isnan(logits).any(1)
    if choice.temperature <= 0:
        return torch.where(bad, -1, likeliest)
    if logits.device.type == "mps":  # it has no float64
        logits, largest, bad, uniforms = logits.cpu(), largest.cpu(), bad.cpu(), uniforms.cpu()
    weights = torch.exp((logits.double() - largest.double()[:, None]) * (1 / choice.temperature))
    if 0 < choice.top_k < logits.shape[1]:
        smallest = logits.topk(choice.top_k, 1).values[:, -1:]
        weights = weights.masked_fill(logits < smallest, 0)
    if choice.top_p < 1:
        weights = _nucleus(logits, weights, choice.top_p)
    sums = weights.cumsum(1)
    found = torch.searchsorted(sums, (uniforms * sums[:, -1])[:, None], right=True)[:, 0]
    # Rounding can leave the number at the very end.
    last = weights.shape[1] - 1 - (weights > 0).flip(1).to(torch.uint8).argmax(1)
    return torch.where(bad, -1, torch.minimum(found, last)).to(likeliest.device)


def _nucleus(logits: torch.Tensor, weights: torch.Tensor, top_p: float) -> torch.Tensor:
    """Keeps the smallest set of tokens whose probability reaches p (arXiv:1904.09751); of equally likely ones the lower ids."""
    order = torch.sort(logits, dim=1, descending=True, stable=True).indices
    ranked = weights.gather(1, order)
    before = ranked.cumsum(1) - ranked
    kept = before < top_p * ranked.sum(1, keepdim=True)
    kept[:, 0] = True
    return torch.zeros_like(weights).scatter(1, order, ranked * kept)
