"""Frames: four bytes with the header's length (little endian), the header in JSON, then raw arrays one behind the other.

The header's `arrays` lists type and shape of each, in order; lengths follow from them.
"""

from __future__ import annotations

import json
import struct
import threading
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

LENGTH = struct.Struct("<I")
MOST_HEADER_BYTES = 256 * 2**20
TYPES = {"int32": np.int32, "uint32": np.uint32, "float32": np.float32, "float64": np.float64, "uint8": np.uint8}

Header = dict[str, Any]


class ProtocolError(Exception):
    """What came is no frame."""


@dataclass(frozen=True)
class Frame:
    header: Header
    arrays: list[np.ndarray] = field(default_factory=list)


def encode(frame: Frame) -> list[bytes | memoryview]:
    """The parts of a frame, to be written one behind the other."""
    arrays = [np.ascontiguousarray(array) for array in frame.arrays]
    described = [{"dtype": array.dtype.name, "shape": list(array.shape)} for array in arrays]
    unknown = [array.dtype.name for array in arrays if array.dtype.name not in TYPES]
    if unknown:
        raise ProtocolError(f"{unknown[0]} is no type of the protocol")
    header = json.dumps({**frame.header, "arrays": described}).encode()
    return [LENGTH.pack(len(header)), header, *(array.tobytes() for array in arrays if array.size)]


def read_frame(stream: BinaryIO) -> Frame | None:
    """The next frame; None where the stream ends between two."""
    prefix = stream.read(LENGTH.size)
    if not prefix:
        return None
    if len(prefix) < LENGTH.size:
        raise ProtocolError("the stream ends within the length of a frame")
    (length,) = LENGTH.unpack(prefix)
    if length > MOST_HEADER_BYTES:
        raise ProtocolError(f"a header of {length} bytes was announced")
    try:
        header = json.loads(_exactly(stream, length))
    except ValueError as error:
        raise ProtocolError(f"a header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise ProtocolError("a header is no JSON object")
    return Frame(header, [_read_array(stream, described) for described in header.pop("arrays", [])])


def _read_array(stream: BinaryIO, described: Header) -> np.ndarray:
    kind = TYPES.get(described.get("dtype", ""))
    shape = described.get("shape")
    if kind is None or not isinstance(shape, list):
        raise ProtocolError(f"{described} describes no array")
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
    return np.frombuffer(_exactly(stream, size), dtype=kind).reshape(shape)


def _exactly(stream: BinaryIO, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    done = 0
    while done < size:
        read = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not read:
            raise ProtocolError("the stream ends within a frame")
        done += read
    return data


class Writer:
    """Writes whole frames, also when the heartbeat comes in between."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, frame: Frame) -> None:
        parts = encode(frame)
        with self._lock:
            for part in parts:
                self._stream.write(part)
            self._stream.flush()
