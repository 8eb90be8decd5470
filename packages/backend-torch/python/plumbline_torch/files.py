"""Safetensors files as packages/transformer writes them: names in byte order, a header padded to eight bytes, flushed."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable, Collection, Iterable

import torch
from safetensors import safe_open

from plumbline_torch.errors import PlumbError

TensorOf = Callable[[], torch.Tensor]


def write_tensors(
    path: str, tensors: dict[str, tuple[list[int], TensorOf]], metadata: dict[str, str], why: str, halved: Collection[str] = ()
) -> int:
    """Writes tensors as float32, those of `halved` as bfloat16, each made when it is its turn. Gives the CRC-32 of the file.

    Refuses numbers that are not finite.
    """
    names = in_order(tensors)
    header: dict[str, object] = {"__metadata__": {"format": "pt", **metadata}}
    offset = 0
    for name in names:
        shape, _ = tensors[name]
        end = offset + (2 if name in halved else 4) * _elements(shape)
        header[name] = {"dtype": "BF16" if name in halved else "F32", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    checksum = 0
    with open(path, "wb") as file:

        def write(data: bytes | memoryview) -> None:
            nonlocal checksum
            checksum = zlib.crc32(data, checksum)
            file.write(data)

        write(struct.pack("<Q", len(text)))
        write(text)
        for name in names:
            shape, make = tensors[name]
            values = make().detach().to("cpu", torch.bfloat16 if name in halved else torch.float32).contiguous()
            if list(values.shape) != shape:
                raise ValueError(f"{name} has shape {list(values.shape)}, not {shape}")
            if not bool(torch.isfinite(values).all()):
                raise PlumbError(
                    "PLUMB_NON_FINITE_WEIGHTS", f"Tensor {name} holds numbers that are not finite; {why}.", os.path.dirname(path)
                )
            bits = values.view(torch.int16) if name in halved else values
            write(bits.numpy().reshape(-1).data.cast("B") if values.numel() else b"")
        file.flush()
        os.fsync(file.fileno())
    return checksum


def in_order(names: Iterable[str]) -> list[str]:
    """As they stand in a file."""
    return sorted(names, key=lambda name: name.encode())


def read_tensors(path: str, put: Callable[[str, torch.Tensor], None]) -> None:
    """Hands over the tensors of a file one by one."""
    with safe_open(path, framework="pt", device="cpu") as file:
        for name in file.keys():  # noqa: SIM118 - not a dictionary
            put(name, file.get_tensor(name))


def _elements(shape: list[int]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product
