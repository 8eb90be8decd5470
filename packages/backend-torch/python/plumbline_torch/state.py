"""Weights and training states in files: the other engines' names, shapes and numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

import torch

from plumbline_torch.adapter import Adapter
from plumbline_torch.files import in_order, read_tensors, write_tensors
from plumbline_torch.model import HeldModel
from plumbline_torch.optimizer import Optimizer
from plumbline_torch.parts import put as put_whole
from plumbline_torch.parts import whole

TensorOf = Callable[[], torch.Tensor]
Tensors = dict[str, tuple[list[int], TensorOf]]


def save_weights(held: HeldModel, adapter: Adapter | None, path: str | None) -> None:
    """Every parameter as transformers stores it, with what an adapter adds. Without a path this rank gives its parts to another."""

    def of(name: str, parameter: torch.Tensor) -> Callable[[], torch.Tensor]:
        return lambda: adapter.merged(name, parameter) if adapter and path else whole(parameter)

    tensors = {name: (list(each.shape), of(name, each)) for name, each in held.parameters.items()}
    _write(held, path, tensors, {}, "such a model is not saved")


def save_state(held: HeldModel, optimizer: Optimizer, path: str | None) -> int:
    """Weights, or the factors where they are trained, with moments and the number of steps. Gives the file's CRC-32.

    Without a path this rank gives its parts to another.
    """
    tensors: Tensors = {}

    def add(key: str, name: str, make: TensorOf) -> None:
        turned = name in held.transposed
        shape = list(_named(held, name).shape)
        tensors[f"{key}.{name}"] = (shape[::-1] if turned else shape, (lambda: make().t()) if turned else make)

    for name, parameter in (held.factors or held.parameters).items():
        add("weight", name, partial(whole, parameter))
    for name, parameter in optimizer.trained.items():
        for index, key in enumerate(("mean", "variance")):
            add(key, name, lambda name=name, parameter=parameter, index=index: whole(parameter, optimizer.moments(name)[index]))
    moments: Collection[str] = {key for key in tensors if not key.startswith("weight.")} if optimizer.halved else ()
    return _write(held, path, tensors, {"step": str(optimizer.steps)}, "such a state is not saved", moments)


def _write(held: HeldModel, path: str | None, tensors: Tensors, metadata: dict[str, str], why: str, halved: Collection[str] = ()) -> int:
    """Of parameters in parts all ranks make all tensors in the order of the file, whatever becomes of it at the one that writes."""
    if not held.is_in_parts:
        return 0 if path is None else write_tensors(path, tensors, metadata, why, halved)
    left = in_order(tensors)

    def in_turn(name: str, make: TensorOf) -> TensorOf:
        def made() -> torch.Tensor:
            if left.pop(0) != name:
                raise RuntimeError(f"{name} was made before its turn")
            return make()

        return made

    try:
        return 0 if path is None else write_tensors(path, {n: (s, in_turn(n, m)) for n, (s, m) in tensors.items()}, metadata, why, halved)
    finally:
        for name in left:
            tensors[name][1]()


def load_state(held: HeldModel, optimizer: Optimizer, path: str, steps: int) -> None:
    """Puts a state in place of today's. That it belongs to this model was checked."""
    moments: dict[str, dict[str, torch.Tensor]] = {}

    def put(key: str, values: torch.Tensor) -> None:
        part, _, name = key.partition(".")
        values = values.t() if name in held.transposed else values
        if part == "weight":
            put_whole(_named(held, name), values)
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
