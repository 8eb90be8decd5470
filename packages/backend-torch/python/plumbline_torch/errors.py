"""Errors as they reach the user: a stable code, one sentence, and where."""

from __future__ import annotations

import traceback
from typing import Any

NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "failed to allocate", "cannot allocate memory")


class PlumbError(Exception):
    """One that the user can act on."""

    def __init__(self, code: str, message: str, where: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.where = where


class OutOfStep(Exception):
    """What went wrong at one rank in the middle of what all ranks do together: they cannot go on with each other."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the machine, had no more memory to give."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in NO_MEMORY)


def described(error: BaseException) -> dict[str, Any]:
    """An error as a frame's header holds it. What nobody foresaw keeps its traceback."""
    if isinstance(error, PlumbError):
        return {"code": error.code, "message": error.message, "where": error.where}
    lines = "".join(traceback.format_exception(error)).rstrip()
    if is_out_of_memory(error):
        return {"code": "PLUMB_OUT_OF_MEMORY", "message": first_line(error), "traceback": lines}
    if isinstance(error, OSError) and error.errno is not None:
        return {"code": "PLUMB_SYSTEM", "message": f"{error.strerror}.", "where": error.filename, "traceback": lines}
    message = f"PyTorch's side failed with {type(error).__name__}: {first_line(error)}"
    return {"code": "PLUMB_TORCH_FAILED", "message": message, "traceback": lines}


def first_line(error: BaseException) -> str:
    return (str(error).strip().split("\n") or [""])[0] or type(error).__name__
