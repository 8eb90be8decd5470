"""The loop: a thread reads requests, the main thread answers them one by one, a third says every second that there is life."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

from plumbline_torch import PROTOCOL
from plumbline_torch.errors import described
from plumbline_torch.framing import Frame, Header, ProtocolError, Writer, read_frame

HEARTBEAT_SECONDS = 1.0
GRACE_SECONDS = 3.0
"""Between being told to end and ending."""

Handler = Callable[[str, Header, list[Any]], tuple[Any, list[Any]]]
"""From a method's name, its parameters and its arrays to what it gives: JSON and arrays."""


def main() -> None:
    """Serves on standard input and output until the input ends, which it does when whoever started this is gone."""
    # An interrupt at the terminal reaches the whole group; what becomes of the run is decided on the other side.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stdout = _own_stdout()
    if int(os.environ.get("SLURM_NTASKS", "1")) > 1 and "WORLD_SIZE" not in os.environ:
        # Each task would take itself for the only one.
        print("plumbline_torch: srun started several tasks; expected one, with torchrun in it (srun -n 1 torchrun …)", file=sys.stderr)
        sys.exit(2)
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if rank > 0:
        _follow()
        return
    if size > 1:
        signal.signal(signal.SIGTERM, _leave_soon)
    writer = Writer(stdout)
    hello = {"hello": "plumbline-torch", "protocol": PROTOCOL, "python": sys.version.split()[0], "pid": os.getpid()}
    writer.write(Frame(hello))
    handler = _handler(size)

    def leave(code: int) -> None:
        # torchrun ends ranks that wait for what does not come where one of them fails.
        os._exit(code or int(_is_broken(handler)))

    serve(sys.stdin.buffer, writer, handler, leave)
    if _is_broken(handler):
        leave(1)


def _leave_soon(*_signal: object) -> None:
    """torchrun ends all ranks when one is gone: which one it was is told before."""
    timer = threading.Timer(GRACE_SECONDS, os._exit, (128 + signal.SIGTERM,))
    timer.daemon = True
    timer.start()


def _handler(size: int) -> Handler:
    from plumbline_torch.host import Host

    if size == 1:
        return Host().handle
    from plumbline_torch.ranks import RankedHandler, World

    return RankedHandler(Host(), World.of_environment()).handle


def _is_broken(handler: Handler) -> bool:
    return getattr(getattr(handler, "__self__", None), "broken", None) is not None


def _follow() -> None:
    """Another rank's part of the work, until rank 0 is gone."""
    from plumbline_torch.host import Host
    from plumbline_torch.ranks import RankedHandler, World

    try:
        RankedHandler(Host(), World.of_environment()).follow()
    except RuntimeError as error:
        print(f"plumbline_torch: rank {os.environ.get('RANK')} lost the others: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def _own_stdout() -> BinaryIO:
    """Standard output for frames alone: whatever else is printed, by Python or below it, goes to standard error."""
    own = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return os.fdopen(own, "wb", buffering=1 << 16)


def serve(source: BinaryIO, writer: Writer, handle: Handler, leave: Callable[[int], None] = os._exit) -> None:
    """Answers requests in order. The end of the source ends the process at once, in the middle of whatever it computes."""
    requests: queue.SimpleQueue[Frame] = queue.SimpleQueue()
    busy = threading.Event()
    threading.Thread(target=_read, args=(source, requests, leave), daemon=True).start()
    threading.Thread(target=_beat, args=(writer, busy), daemon=True).start()
    while True:
        frame = requests.get()
        if frame.header.get("method") == "leave":
            return
        busy.set()
        answer = _answer(frame, handle)
        busy.clear()
        writer.write(answer)


def _read(source: BinaryIO, requests: queue.SimpleQueue[Frame], leave: Callable[[int], None]) -> None:
    try:
        while (frame := read_frame(source)) is not None:
            requests.put(frame)
    except ProtocolError as error:
        print(f"plumbline_torch: {error}", file=sys.stderr, flush=True)
        leave(2)
    leave(0)


def _beat(writer: Writer, busy: threading.Event) -> None:
    pause = threading.Event()
    try:
        while True:
            busy.wait()
            pause.wait(HEARTBEAT_SECONDS)
            if busy.is_set():
                writer.write(Frame({"beat": True}))
    except OSError:
        pass  # the other side is gone; the reading thread ends the process


def _answer(frame: Frame, handle: Handler) -> Frame:
    identity = frame.header.get("id")
    try:
        result, arrays = handle(str(frame.header.get("method")), frame.header.get("params") or {}, frame.arrays)
        return Frame({"id": identity, "result": result}, arrays)
    except Exception as error:  # whatever it is, the other side tells it
        return Frame({"id": identity, "error": described(error)})
