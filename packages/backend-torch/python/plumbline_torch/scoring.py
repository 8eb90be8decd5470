"""Log-probabilities of completions, packed or padded, with the vocabulary in chunks."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint

from plumbline_torch.attention import begin
from plumbline_torch.dropout import KeyedDropout, row_keys
from plumbline_torch.groups import Group
from plumbline_torch.layout import pack
from plumbline_torch.model import HeldModel

CHUNK_BYTES = {"cpu": 64 * 2**20, "cuda": 512 * 2**20, "mps": 128 * 2**20}
"""Logits that are held at once; of more rows they are computed again in the backward pass."""


def log_probs(held: HeldModel, groups: list[Group], dropout: KeyedDropout | None = None) -> torch.Tensor:
    """Of every completion token given the prompt and the tokens before it, completion by completion. [scored], float32"""
    hidden, ids = (padded if held.padded_because else packed)(held, groups, dropout)
    return _selected(held, hidden, ids)


def packed(held: HeldModel, groups: list[Group], dropout: KeyedDropout | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states that predict the scored tokens, and those tokens: from one row in which every prompt stands once."""
    layout = pack(groups, held.torch_device)
    if dropout:
        dropout.draw_for(row_keys([group.key for group in groups], layout.places))
    begin(held.packed_pass(layout))
    with held.numbers():
        hidden = held.hidden(layout.tokens, layout.positions)
    return hidden.index_select(0, layout.scored_rows), layout.scored_ids


def padded(held: HeldModel, groups: list[Group], dropout: KeyedDropout | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """The same from a row for every completion, prompt included, padded to the longest: for any architecture."""
    rows = [
        (g, i, group.prompt, tokens) for g, group in enumerate(groups) for i, tokens in zip(group.selected, group.completions, strict=True)
    ]
    longest = max(len(prompt) + len(tokens) - 1 for _, _, prompt, tokens in rows)
    inputs = np.zeros((len(rows), longest), np.int64)
    mask = np.zeros_like(inputs)
    places = np.zeros((len(rows), longest, 3), np.int64)
    scored, ids = [], []
    for r, (g, i, prompt, tokens) in enumerate(rows):
        length = len(prompt) + len(tokens) - 1
        inputs[r, :length] = np.concatenate([prompt, tokens[:-1]])
        mask[r, :length] = 1
        places[r, :, 0] = g
        places[r, len(prompt) :, 1] = 1 + i
        places[r, :, 2] = np.concatenate([np.arange(len(prompt)), np.arange(longest - len(prompt))])
        scored.append(r * longest + len(prompt) - 1 + np.arange(len(tokens)))
        ids.append(tokens)
    if dropout:
        dropout.draw_for(row_keys([group.key for group in groups], places.reshape(-1, 3)))

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values).to(held.torch_device)

    with held.numbers():
        out = held.trunk(input_ids=tensor(inputs), attention_mask=tensor(mask), use_cache=False)
    hidden = out.last_hidden_state.flatten(0, 1)
    return hidden.index_select(0, tensor(np.concatenate(scored))), tensor(np.concatenate(ids))


def _selected(held: HeldModel, hidden: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    def of(rows: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        with held.numbers():
            logits = held.logits(rows)
        return logits.gather(1, own[:, None])[:, 0] - torch.logsumexp(logits, 1)

    at_once = max(1, CHUNK_BYTES[held.device.kind] // (4 * held.vocabulary))
    if len(ids) <= at_once:
        return of(hidden, ids)
    parts = zip(hidden.split(at_once), ids.split(at_once), strict=True)
    if not torch.is_grad_enabled():
        return torch.cat([of(rows, own) for rows, own in parts])
    return torch.cat([checkpoint(of, rows, own, use_reentrant=False) for rows, own in parts])
