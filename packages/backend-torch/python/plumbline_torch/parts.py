"""Numbers of a parameter that may lie in parts at several ranks: this rank's part, and the whole.

A parameter in parts is a DTensor that `fully_shard` cut along its first dimension. Of a plain one both are the tensor itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from plumbline_torch.errors import OutOfStep

__all__ = ["DTensor", "in_step", "own", "put", "share", "whole"]

if TYPE_CHECKING:
    from plumbline_torch.shards import Shards

if TYPE_CHECKING or torch.distributed.is_available():
    from torch.distributed.tensor import DTensor
else:

    class DTensor:
        """Nothing is one, where PyTorch was built for one process."""


def own(tensor: torch.Tensor) -> torch.Tensor:
    """What lies here, not copied and without a graph; empty where others hold all rows."""
    detached = tensor.detach()
    return detached.to_local() if isinstance(detached, DTensor) else detached


def whole(parameter: torch.Tensor, part: torch.Tensor | None = None) -> torch.Tensor:
    """The numbers of all ranks, of a parameter or of what lies beside it in the same parts. All ranks ask in the same order."""
    if not isinstance(parameter, DTensor):
        return parameter.detach() if part is None else part
    # A gradient or a moment is cut as its parameter is.
    beside = DTensor.from_local(
        own(parameter) if part is None else part,
        parameter.device_mesh,
        parameter.placements,
        run_check=False,
        shape=parameter.shape,
        stride=parameter.stride(),
    )
    gathered: torch.Tensor = beside.full_tensor()
    return gathered


def share(parameter: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """This rank's rows of whole numbers that every rank has. Nothing is sent."""
    if not isinstance(parameter, DTensor):
        return values
    mesh = parameter.device_mesh
    rows = values.chunk(mesh.size(), 0)
    rank = mesh.get_local_rank()
    return rows[rank].clone() if rank < len(rows) else values[:0]


def put(parameter: torch.Tensor, values: torch.Tensor) -> None:
    """Whole numbers in the place of a parameter's."""
    own(parameter).copy_(share(parameter, values))


@contextmanager
def in_step(shards: Shards | None) -> Iterator[None]:
    """Work that all ranks do together: where it fails at one of them, the others wait for what does not come."""
    try:
        yield
    except OutOfStep:
        raise
    except Exception as error:
        if shards is None or shards.alone:
            raise
        raise OutOfStep(error) from error
