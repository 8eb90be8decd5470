"""Weights and training states in files: the other engines' names, shapes and numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch

from plumbline_torch.adapter import Adapter
from plumbline_torch.files import read_tensors, write_tensors
from plumbline_torch.model import HeldModel
from plumbline_torch.optimizer import Optimizer


def save_weights(held: HeldModel, adapter: Adapter | None, path: str) -> None:
    """Every parameter as transformers stores it, with what an adapter adds."""

    def of(name: str, parameter: torch.Tensor) -> Callable[[], torch.Tensor]:
        return lambda: adapter.merged(name, parameter) if adapter else parameter

    tensors = {name: (list(each.shape), of(name, each)) for name, each in held.parameters.items()}
    write_tensors(path, tensors, {}, "such a model is not saved")


def save_state(held: HeldModel, optimizer: Optimizer, path: str) -> int:
    """Weights, or the factors where they are trained, with moments and the number of steps. Gives the file's CRC-32."""
    tensors: dict[str, tuple[list[int], Callable[[], torch.Tensor]]] = {}

    def add(key: str, name: str, make: Callable[[], torch.Tensor]) -> None:
        turned = name in held.transposed
        shape = list(_named(held, name).shape)
        tensors[f"{key}.{name}"] = (shape[::-1] if turned else shape, (lambda: make().t()) if turned else make)

    for name, parameter in (held.factors or held.parameters).items():
        add("weight", name, lambda parameter=parameter: parameter)
    for name in optimizer.trained:
        for index, key in enumerate(("mean", "variance")):
            add(key, name, lambda name=name, index=index: optimizer.moments(name)[index])
    moments = {key for key in tensors if not key.startswith("weight.")} if optimizer.halved else ()
    return write_tensors(path, tensors, {"step": str(optimizer.steps)}, "such a state is not saved", moments)


def load_state(held: HeldModel, optimizer: Optimizer, path: str, steps: int) -> None:
    """Puts a state in place of today's. That it belongs to this model was checked."""
    moments: dict[str, dict[str, torch.Tensor]] = {}

    def put(key: str, values: torch.Tensor) -> None:
        part, _, name = key.partition(".")
        values = values.t() if name in held.transposed else values
        if part == "weight":
            with torch.no_grad():
                _named(held, name).copy_(values)
            return
        own = moments.setdefault(name, {})
        own[part] = values.contiguous()
        if len(own) == 2:
            optimizer.restore(name, own["mean"], own["variance"], steps)
            moments[name] = {}

    read_tensors(path, put)
    optimizer.steps = steps


def _named(held: HeldModel, name: str) -> torch.nn.Parameter:
    return held.factors[name] if name in held.factors else held.parameters[name]
