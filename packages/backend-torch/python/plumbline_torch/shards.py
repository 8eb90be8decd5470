"""FSDP2: each rank holds its rows of every parameter, gradient and moment; a layer is gathered while it is computed.

Whoever computes goes through `Shards.run`, and all ranks go through it equally often: gathering takes them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed as distributed
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from plumbline_torch.devices import Device, free_bytes
from plumbline_torch.errors import PlumbError, first_line
from plumbline_torch.model import HeldModel, layers_of

Result = TypeVar("Result")

GATHERED_SHARE = 0.5
"""Of the memory that is free: a model that takes no more lies at rank 0 while rows are sampled. A larger one is gathered at every step."""


class _Root(nn.Module):
    """What all passes go through, for neither the trunk's nor the head's is the forward pass of the whole model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, work: Callable[[], Any]) -> Any:
        return work()


class Shards:
    """A model in parts. Its parameters have the same names as before; they are other objects."""

    def __init__(self, held: HeldModel, device: Device) -> None:
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        self._kind = device.kind
        mesh = init_device_mesh(device.kind, (self.size,))
        self._layers = [_sharded(layer, mesh, True) for layer in layers_of(held)]
        # Embeddings, the head and what else stands outside of layers. They stay gathered from a forward pass until its backward pass.
        self._root: Any = _sharded(_Root(held.model), mesh, False)
        self.alone = False
        """Whether rank 0 holds all weights and computes without the others."""
        held.taken_by(device)

    def run(self, work: Callable[[], Result]) -> Result:
        """A pass of the model. Without gradients nothing stays gathered."""
        found: Result = self._root(work)
        if not torch.is_grad_enabled() and not self.alone:
            self.settle()
        return found

    def settle(self) -> None:
        """Lets gathered weights go: they are copies, which would be stale after a step."""
        for module in (*self._layers, self._root):
            module.reshard()

    def begin_alone(self, held: HeldModel) -> None:
        """Gathers all weights at rank 0 for many short passes, where they find room there."""
        bytes_of_weights = sum(each.numel() * each.element_size() for each in held.parameters.values())
        self.alone = self.least(int(bytes_of_weights <= GATHERED_SHARE * free_bytes(self._kind))) == 1
        if not self.alone:
            return
        for module in (*self._layers, self._root):
            module.unshard()
            if self.rank > 0:
                module.reshard()
        for layer in self._layers:
            layer.set_reshard_after_forward(False, recurse=False)

    def end_alone(self) -> None:
        for layer in self._layers:
            layer.set_reshard_after_forward(True, recurse=False)
        self.alone = False
        self.settle()

    def least(self, number: int) -> int:
        """The smallest of all ranks' numbers."""
        numbers = torch.tensor([number], device=self._kind)
        distributed.all_reduce(numbers, distributed.ReduceOp.MIN)
        return int(numbers)

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """The sums over all ranks."""
        distributed.all_reduce(values)
        return values


def _sharded(module: nn.Module, mesh: Any, reshard: bool) -> Any:
    try:
        sharded: FSDPModule = fully_shard(module, mesh=mesh, reshard_after_forward=reshard)
    except ValueError as error:  # parameters without a dimension
        raise PlumbError("PLUMB_TORCH_UNSUPPORTED", f"PyTorch cannot shard this model: {first_line(error)}.", "backend.sharding") from error
    # Gradients are summed, as one process would; PyTorch's own choice is the mean.
    if not hasattr(sharded, "set_gradient_divide_factor"):
        message = f"FSDP of PyTorch {torch.__version__} cannot sum gradients; expected a newer PyTorch, or sharding: none."
        raise PlumbError("PLUMB_TORCH_UNSUPPORTED", message, "backend.sharding")
    sharded.set_gradient_divide_factor(1.0)
    if hasattr(sharded, "set_force_sum_reduction_for_comms"):
        sharded.set_force_sum_reduction_for_comms(True)
    return sharded
