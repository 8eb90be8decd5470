"""Sampling for architectures whose rows are padded: every step computes whole sequences. Right for any, and slow."""

from __future__ import annotations

import numpy as np
import torch

from plumbline_torch.choosing import Choice, choose
from plumbline_torch.groups import Group
from plumbline_torch.model import HeldModel
from plumbline_torch.scoring import padded

MOST_ROWS = 16


class WholeRows:
    """What `Sampler` is for packed rows, with tokens in the place of keys and values."""

    def __init__(self, held: HeldModel, wanted: int, choice: Choice) -> None:
        self.held = held
        self.choice = choice
        self.slots = max(1, min(wanted, MOST_ROWS))
        self._rows: dict[int, np.ndarray] = {}

    def start(self, prompts: list[Group], slots: list[list[int]], uniforms: torch.Tensor) -> torch.Tensor:
        started = [(slot, prompt.prompt) for prompt, own in zip(prompts, slots, strict=True) for slot in own]
        self._rows.update(started)
        return self._next([slot for slot, _ in started], uniforms)

    def step(self, tokens: torch.Tensor, _positions: torch.Tensor, moves: list[list[int]], uniforms: torch.Tensor) -> torch.Tensor:
        for source, target in moves:
            self._rows[target] = self._rows[source]
        slots = list(range(len(tokens)))
        for slot, token in zip(slots, tokens.tolist(), strict=True):
            self._rows[slot] = np.append(self._rows[slot], token)
        return self._next(slots, uniforms)

    @torch.no_grad()
    def _next(self, slots: list[int], uniforms: torch.Tensor) -> torch.Tensor:
        # A completion of one token is predicted by the row's last position.
        rows = [Group(self._rows[slot], [np.zeros(1, np.int64)], [0]) for slot in slots]
        hidden, _ = padded(self.held, rows)
        with self.held.numbers():
            logits = self.held.logits(hidden)
        return choose(logits, uniforms.to("cpu" if logits.device.type == "mps" else logits.device), self.choice)
