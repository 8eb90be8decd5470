"""Which device and which numbers, and how the packages on this machine are called."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from plumbline_torch.errors import PlumbError

NEEDED = {"torch": (2, 8), "transformers": (5, 0)}
COMMANDS = {"torch": "torch", "transformers": "transformers", "peft": "peft"}


def require_packages(names: list[str]) -> dict[str, str]:
    """Versions of packages. Refuses what is missing or too old by the command that installs it."""
    versions: dict[str, str] = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            raise _missing(name, "is not installed") from None
        least = NEEDED.get(name)
        if least is not None and _numbers(versions[name]) < least:
            raise _missing(name, f"{versions[name]} is too old (expected {'.'.join(map(str, least))} or newer)")
    return versions


LIBRARIES = ["torch.distributed", "torch.utils.checkpoint", "transformers.masking_utils", "transformers.modeling_utils"]
"""Modules that import most of what is needed of torch and transformers."""


def load_libraries() -> None:
    """Imports torch and transformers, and lets Python keep what it compiles of them.

    Where they came without compiled modules (from uv, or from pip with `--no-compile`) that is more than half of the time of every
    start. Of nothing else a file is kept, so that the package's own folder stays as it was installed.
    """
    require_packages(["torch", "transformers"])
    own = sys.dont_write_bytecode
    sys.dont_write_bytecode = own and not os.environ.get("PLUMBLINE_KEEPS_BYTECODE")
    try:
        for name in LIBRARIES:
            import_module(name)
    finally:
        sys.dont_write_bytecode = own


def _missing(name: str, what: str) -> PlumbError:
    message = f"The Python package {name} {what}; install it with: {sys.executable} -m pip install -U {COMMANDS[name]}"
    return PlumbError("PLUMB_TORCH_PACKAGE", message)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("+")[0].split(".")[:2] if part.isdigit())


@dataclass(frozen=True)
class Device:
    kind: str
    """`cuda`, `mps` or `cpu`"""
    name: str
    """By its own name."""


def choose_device(wanted: str) -> Device:
    """The device that is asked for; of `auto` CUDA, else Apple's, else the CPU."""
    load_libraries()
    import torch

    has_mps = torch.backends.mps.is_available()
    if wanted == "cuda" and not torch.cuda.is_available():
        built = f"was built for CUDA {torch.version.cuda}" if torch.version.cuda else "was built without CUDA"
        message = f"PyTorch sees no CUDA device here (PyTorch {torch.__version__} {built}); expected one, or device cpu."
        raise PlumbError("PLUMB_DEVICE_UNSUPPORTED", message)
    if wanted == "mps" and not has_mps:
        raise PlumbError("PLUMB_DEVICE_UNSUPPORTED", "PyTorch sees no MPS device here; expected a Mac with Apple silicon, or device cpu.")
    if wanted == "cuda" or (wanted == "auto" and torch.cuda.is_available()):
        own = _own_gpu(torch.cuda.device_count())
        torch.cuda.set_device(own)
        return Device("cuda", torch.cuda.get_device_name(own))
    if wanted == "mps" or (wanted == "auto" and has_mps):
        return Device("mps", "Apple GPU (MPS)")
    threads = torch.get_num_threads()
    return Device("cpu", f"CPU, {threads} {'thread' if threads == 1 else 'threads'}")


def _own_gpu(count: int) -> int:
    """Which of a machine's GPUs is this rank's: torchrun numbers the ranks of a machine."""
    own = int(os.environ.get("LOCAL_RANK", "0"))
    if own >= count:
        message = f"Rank {own} of this machine has no GPU of its own: PyTorch sees {count}; expected --nproc-per-node of at most {count}."
        raise PlumbError("PLUMB_DEVICE_UNSUPPORTED", message)
    return own


def free_bytes(kind: str) -> int:
    """Memory that may still be taken on a device."""
    import torch

    if kind == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return int(free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated())
    if kind == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return _free_host_bytes()


def _free_host_bytes() -> int:
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return 4 * 2**30


def describe(wanted: str) -> dict[str, Any]:
    """What a probe tells: the device and the versions."""
    device = choose_device(wanted)
    versions = require_packages(["torch", "transformers"])
    return {"kind": device.kind, "name": device.name, "versions": versions}
