"""Where the tokens of groups stand in one packed row: every prompt once, then every completion, without padding.

A completion's last token predicts nothing, so it has no row. Only attention wants sequences side by side: `prompt_rows` and
`completion_rows` say which rows those are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from plumbline_torch.groups import Group


@dataclass(frozen=True)
class Layout:
    tokens: torch.Tensor
    """[rows]"""
    positions: torch.Tensor
    """As if prompt and completion stood alone. [rows]"""
    prompt_rows: torch.Tensor
    """Row of every prompt position; any row where the prompt is shorter. [groups, longest prompt]"""
    completion_rows: torch.Tensor
    """The same of completions with at least one row. [slots, longest completion], both may be 0"""
    prompt_lengths: torch.Tensor
    """[groups]"""
    group_of_slot: torch.Tensor
    """[slots]"""
    order: torch.Tensor
    """For every row its place among all prompt positions and then all completion positions, side by side. [rows]"""
    scored_rows: torch.Tensor
    """The row that predicts each scored token, completion by completion. [scored]"""
    scored_ids: torch.Tensor
    """[scored]"""
    places: np.ndarray
    """Group, sequence (0 for the prompt, 1 + index for a completion) and place in it of every row. [rows, 3]"""

    @property
    def rows(self) -> int:
        return len(self.tokens)


def pack(groups: list[Group], device: torch.device) -> Layout:
    """Lays groups out. Rows follow the order of the groups and of their completions."""
    prompt_lengths = np.array([len(group.prompt) for group in groups])
    slots = [(g, i, tokens[:-1]) for g, group in enumerate(groups) for i, tokens in zip(group.selected, group.completions, strict=True)]
    filled = [slot for slot in slots if len(slot[2]) > 0]
    longest_prompt = int(prompt_lengths.max())
    longest = max((len(tokens) for _, _, tokens in filled), default=0)

    starts = np.concatenate([[0], np.cumsum(prompt_lengths)])
    prompt_rows = np.zeros((len(groups), longest_prompt), np.int64)
    completion_rows = np.zeros((len(filled), longest), np.int64)
    order: list[np.ndarray] = []
    positions: list[np.ndarray] = []
    places: list[np.ndarray] = []
    for g, length in enumerate(prompt_lengths):
        steps = np.arange(length)
        prompt_rows[g, :length] = starts[g] + steps
        order.append(g * longest_prompt + steps)
        positions.append(steps)
        places.append(_places(g, 0, steps))
    row = int(starts[-1])
    first_rows: dict[tuple[int, int], int] = {}
    for slot, (g, i, tokens) in enumerate(filled):
        steps = np.arange(len(tokens))
        first_rows[g, i] = row
        completion_rows[slot, : len(tokens)] = row + steps
        order.append(len(groups) * longest_prompt + slot * longest + steps)
        positions.append(prompt_lengths[g] + steps)
        places.append(_places(g, 1 + i, steps))
        row += len(tokens)

    scored_rows = [np.concatenate([[starts[g + 1] - 1], first_rows.get((g, i), 0) + np.arange(len(tokens))]) for g, i, tokens in slots]
    scored_ids = [tokens for group in groups for tokens in group.completions]
    inputs = [group.prompt for group in groups] + [tokens for _, _, tokens in filled]

    def tensor(values: np.ndarray | list[np.ndarray]) -> torch.Tensor:
        joined = values if isinstance(values, np.ndarray) else np.concatenate([np.zeros(0, np.int64), *values])
        return torch.from_numpy(np.ascontiguousarray(joined, dtype=np.int64)).to(device)

    return Layout(
        tokens=tensor(inputs),
        positions=tensor(positions),
        prompt_rows=tensor(prompt_rows),
        completion_rows=tensor(completion_rows),
        prompt_lengths=tensor(prompt_lengths),
        group_of_slot=tensor(np.array([g for g, _, _ in filled], np.int64)),
        order=tensor(order),
        scored_rows=tensor(scored_rows),
        scored_ids=tensor(scored_ids),
        places=np.concatenate(places),
    )


def _places(group: int, sequence: int, steps: np.ndarray) -> np.ndarray:
    return np.stack([np.full_like(steps, group), np.full_like(steps, sequence), steps], axis=1)
