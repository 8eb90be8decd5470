"""What is told when a device has no more memory: what is held, and what would fit."""

from __future__ import annotations

import sys

import torch

from plumbline_torch.devices import free_bytes
from plumbline_torch.errors import PlumbError
from plumbline_torch.model import HeldModel
from plumbline_torch.optimizer import Optimizer
from plumbline_torch.parts import own

MIB = 2**20
BUDGET_SHARE = {"cpu": 0.25, "cuda": 0.7, "mps": 0.4}
"""Of the memory that is free beside weights, gradients and moments, what activations of a micro-batch may take when nobody says."""
FEWEST_ROWS, MOST_ROWS = 256, 65_536


def out_of_memory(held: HeldModel, optimizer: Optimizer | None, row_bytes: int, rows: int | None) -> PlumbError:
    """The error for work on `rows` tokens at once, after its tensors were let go."""
    if held.device.kind == "cuda":
        torch.cuda.empty_cache()
    weights = _bytes(held.parameters) + _bytes(held.factors)
    trained = _bytes(optimizer.trained if optimizer else held.trained)
    free = free_bytes(held.device.kind)
    what = "" if rows is None else f" for {rows} tokens at once"
    fit = max(1, free // row_bytes)
    # What the error came from is not known to the byte; where more would seem to fit than was asked for, half of that is tried.
    fit = fit if rows is None else min(fit, max(1, rows // 2))
    message = (
        f"{held.device.name} has no more memory{what}: the weights take {weights // MIB} MiB, gradients and moments up to "
        f"{3 * trained // MIB} MiB, activations about {max(1, row_bytes // 1024)} KiB a token, and {free // MIB} MiB are free now; "
        f"expected microBatchTokens of at most {fit}, or activationMemory: recompute."
    )
    return PlumbError("PLUMB_OUT_OF_MEMORY", message, "backend.microBatchTokens")


def micro_batch_rows(held: HeldModel, row_bytes: int) -> int:
    """Tokens of a micro-batch where nobody says: as many as keep a share of the memory that training leaves."""
    free = free_bytes(held.device.kind) - 3 * _bytes(held.trained)
    rows = int(BUDGET_SHARE[held.device.kind] * max(0, free) / row_bytes)
    return max(FEWEST_ROWS, min(MOST_ROWS, rows))


def peak_bytes(kind: str) -> int:
    """Most memory that was held since this was last asked: the allocator's, or on a CPU the process's since it began."""
    if kind == "cuda":
        most = int(torch.cuda.max_memory_allocated())
        torch.cuda.reset_peak_memory_stats()
        return most
    if kind == "mps":
        return int(torch.mps.driver_allocated_memory())
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _bytes(parameters: dict[str, torch.nn.Parameter]) -> int:
    """Of what lies on this device."""
    return sum(own(each).numel() * each.element_size() for each in parameters.values())
