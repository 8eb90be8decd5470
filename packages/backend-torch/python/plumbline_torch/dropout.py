"""Dropout of an adapter's inputs by keys: what is dropped follows from the seed, the step, the module, and the token's place alone.

The draws are those of packages/transformer (`dropout.ts`), bit for bit, so that every engine drops the same.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

GOLDEN = 0x9E3779B9
WORD = 0xFFFFFFFF

Words = tuple[int, int]


def row_keys(groups: list[Words], places: np.ndarray) -> np.ndarray:
    """What each row is known by. places [rows, 3]: group, sequence, place in it → two words a row [rows, 2]"""
    words = np.array(groups, np.uint64).reshape(-1, 2) & WORD
    first, second = words[places[:, 0]].T
    sequence, place = places[:, 1].astype(np.uint64), places[:, 2].astype(np.uint64) + 1
    a = _mixed(first ^ _mixed(second ^ ((sequence * GOLDEN) & WORD)) ^ ((place * GOLDEN) & WORD))
    b = _mixed((second + place * 0x632BE5AB) & WORD) ^ _mixed((first + sequence) & WORD)
    return np.stack([a, b], axis=1)


def kept(words: Words, keys: np.ndarray, width: int, probability: float, device: torch.device) -> torch.Tensor:
    """Which inputs of a module are kept. keys [rows, 2] → [rows, width]"""
    threshold = round(probability * 2**32)
    columns = (torch.arange(1, width + 1, device=device, dtype=torch.int64) * GOLDEN) & WORD
    start = _mixed(keys[:, 0] ^ (words[0] & WORD)).astype(np.int64)
    salt = _mixed(keys[:, 1] ^ (words[1] & WORD)).astype(np.int64)
    base = torch.from_numpy(start).to(device)[:, None]
    drawn = _mixed_tensor(_mixed_tensor((base + columns) & WORD) ^ torch.from_numpy(salt).to(device)[:, None])
    return drawn >= threshold


def _mixed(h: np.ndarray) -> np.ndarray:
    """The finalizer of MurmurHash3 (32 bits), in the lower half of 64."""
    h = h ^ (h >> np.uint64(16))
    h = (h * np.uint64(0x85EBCA6B)) & np.uint64(WORD)
    h = h ^ (h >> np.uint64(13))
    h = (h * np.uint64(0xC2B2AE35)) & np.uint64(WORD)
    mixed: np.ndarray = h ^ (h >> np.uint64(16))
    return mixed


def _mixed_tensor(h: torch.Tensor) -> torch.Tensor:
    """The same. Products of 32 by 32 bits may pass 63; what wraps around is above the 32 that count."""
    h = h ^ (h >> 16)
    h = (h * 0x85EBCA6B) & WORD
    h = h ^ (h >> 13)
    h = (h * 0xC2B2AE35) & WORD
    return h ^ (h >> 16)


class KeyedDropout:
    """The draws of one training pass, for every module that has factors."""

    def __init__(self, probability: float) -> None:
        self.probability = probability
        self.words: dict[str, Words] = {}
        self.active = False
        self._keys = np.zeros((0, 2), np.uint64)

    def draw_for(self, keys: np.ndarray) -> None:
        """Says which rows the next pass is of."""
        self._keys = keys

    def of(self, module: str, x: torch.Tensor) -> torch.Tensor:
        """x [..., rows, width]; what is kept counts for what is dropped."""
        mask = kept(self.words[module], self._keys, x.shape[-1], self.probability, x.device)
        return x * mask.view(x.shape) / (1 - self.probability)


class ModuleDropout(nn.Module):
    """One module's, where PEFT has its own."""

    def __init__(self, dropout: KeyedDropout, module: str, compiled: bool = False) -> None:
        super().__init__()
        self._of = torch.compiler.disable(dropout.of) if compiled else dropout.of
        self._dropout = dropout
        self._module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._of(self._module, x) if self._dropout.active else x
