"""Groups as they come: one prompt and its completions, as token ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Group:
    prompt: np.ndarray
    """At least one token."""
    completions: list[np.ndarray]
    """None of them empty; none at all where a prompt alone is computed."""
    selected: list[int]
    """Which of the question's completions these are."""
    key: tuple[int, int] = (0, 0)
    """Two words of 32 bits that stand for the group in draws."""


def read_groups(described: list[dict[str, Any]], tokens: np.ndarray) -> list[Group]:
    """Groups from their lengths and all tokens one behind the other."""
    groups: list[Group] = []
    offset = 0

    def take(length: int) -> np.ndarray:
        nonlocal offset
        offset += length
        return tokens[offset - length : offset].astype(np.int64)

    for each in described:
        prompt = take(each["prompt"])
        completions = [take(length) for length in each["completions"]]
        first, second = each.get("key", (0, 0))
        groups.append(Group(prompt, completions, each["selected"], (first, second)))
    return groups
