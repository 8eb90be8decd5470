"""Several processes that share the work, as torchrun starts them: each computes its groups, with the whole model or parts of it.

Rank 0 speaks with the other side. It sends every request on; what a request is for all ranks is done by all in the same order.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

import numpy as np

from plumbline_torch.errors import OutOfStep, PlumbError, described, first_line, is_out_of_memory
from plumbline_torch.framing import Header
from plumbline_torch.host import Host

PATIENCE = timedelta(days=7)
"""How long ranks wait for each other: rank 0 may have nothing to send while labels are made."""

LOOKS, LOOK_SECONDS = 20, 0.05
"""How often and after what pause it is looked which rank is gone."""

ALONE = {"factors", "save_weights", "save_state", "peak_bytes", "describe", "inspect"}
"""Methods that rank 0 serves for all: every rank holds the same."""

SHARED = {"log_probs", "forward"}
"""Methods whose groups are dealt out."""

ROWS = {"begin_sampling", "start_rows", "step_rows", "end_sampling"}

Answer = tuple[Any, list[np.ndarray]]


@dataclass(frozen=True)
class Peer:
    """Another rank's process, for when it is gone."""

    rank: int
    host: str
    pid: int

    def is_gone(self) -> bool:
        """Of a process of this machine; one that ended and was not waited for is gone, too."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        try:
            with open(f"/proc/{self.pid}/stat") as stat:
                return stat.read().rpartition(")")[2].split()[0] in ("Z", "X")
        except OSError:
            return False


@dataclass(frozen=True)
class World:
    rank: int
    size: int

    @staticmethod
    def of_environment() -> World:
        return World(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


class Ranks:
    """The group of processes, once PyTorch is loaded."""

    def __init__(self, world: World) -> None:
        import torch.distributed as distributed
        from torch.distributed.rendezvous import rendezvous

        self.world = world
        self._distributed = distributed
        # Requests and answers are small and on the CPU; gradients go over the devices' own library where there is one.
        # What is told of a failure is left at the store, for a rank in the middle of a pass cannot talk with the others.
        self._store, rank, size = next(rendezvous("env://", timeout=PATIENCE))
        backend = "cpu:gloo,cuda:nccl" if _has_cuda() else "gloo"
        distributed.init_process_group(backend, timeout=PATIENCE, store=self._store, rank=rank, world_size=size)
        found: list[Any] = [None] * world.size
        distributed.all_gather_object(found, Peer(world.rank, socket.gethostname(), os.getpid()))
        self.peers: list[Peer] = found

    def send(self, request: Any) -> None:
        """From rank 0 to all."""
        self._distributed.broadcast_object_list([request], src=0)

    def receive(self) -> Any:
        box: list[Any] = [None]
        self._distributed.broadcast_object_list(box, src=0)
        return box[0]

    def gather(self, value: Any) -> list[Any] | None:
        """What every rank has, in their order; at rank 0."""
        found: list[Any] | None = [None] * self.world.size if self.world.rank == 0 else None
        self._distributed.gather_object(value, found, dst=0)
        return found

    def lost(self, error: Exception, in_a_pass: bool = False) -> PlumbError:
        """What it means that the others cannot be talked with any more: which of them is gone. In a pass it may have gone wrong here."""
        own = self.peers[self.world.rank]
        others = [peer for peer in self.peers if peer.rank != own.rank]
        here = [peer for peer in others if peer.host == own.host]
        gone: list[Peer] = []
        # A connection closes a little before its process is gone.
        for _ in range(LOOKS):
            gone = [peer for peer in here if peer.is_gone()]
            if gone:
                break
            time.sleep(LOOK_SECONDS)
        suspects = gone or [peer for peer in others if peer.host != own.host]
        if in_a_pass and not suspects:
            return _foreseen(error)
        suspects = suspects or others
        names = " or ".join(f"rank {peer.rank} of {self.world.size} (process {peer.pid} on {peer.host})" for peer in suspects)
        told = next((words for words in map(self._last_words, suspects) if words), None)
        if told:
            return told
        what = "is gone" if gone else "does not answer any more"
        return PlumbError("PLUMB_TORCH_RANKS", f"{names[0].upper()}{names[1:]} {what}, and the run with it: {first_line(error)}.")

    def leave_words(self, error: BaseException) -> None:
        """What another rank is to tell when this one is gone."""
        self._store.set(f"plumbline/failed/{self.world.rank}", json.dumps(described(error)))

    def _last_words(self, peer: Peer) -> PlumbError | None:
        key = f"plumbline/failed/{peer.rank}"
        try:
            if not self._store.check([key]):
                return None
            words = json.loads(self._store.get(key))
        except RuntimeError:  # the store is gone, too
            return None
        return PlumbError(words["code"], f"{words['message']} (rank {peer.rank} of {self.world.size})", words.get("where"))

    def sum_gradients(self, trained: dict[str, Any]) -> None:
        """Every rank has the sum of all afterwards; of parameters in parts it is there already.

        A tensor that this rank's groups did not touch counts as zero.
        """
        import torch
        from torch.distributed.tensor import DTensor

        for parameter in trained.values():
            if isinstance(parameter, DTensor):
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            self._distributed.all_reduce(parameter.grad)


def _has_cuda() -> bool:
    import torch

    return bool(torch.cuda.is_available())


class RankedHandler:
    """Serves requests with all ranks: `handle` is called at rank 0, the others `follow`."""

    def __init__(self, host: Host, world: World) -> None:
        self._host = host
        self._world = world
        self._ranks: Ranks | None = None
        self._forwarded: dict[int, list[list[Header]]] = {}
        self.broken: PlumbError | None = None
        """Why the ranks cannot go on with each other."""

    def handle(self, method: str, params: Header, arrays: list[np.ndarray]) -> Answer:
        """What one rank refuses is told with that rank, and so is one that is gone."""
        if method in ALONE and not self._is_saved_by_all(method, params):
            return self._host.handle(method, params, arrays)
        if self.broken:
            raise self.broken
        ranks = self._group()
        try:
            ranks.send((method, params, arrays))
            outcomes = ranks.gather(self._outcome(method, params, arrays)) or []
        except OutOfStep as error:
            cause = error.cause
            self.broken = _foreseen(cause) if not isinstance(cause, RuntimeError) or is_out_of_memory(cause) else ranks.lost(cause, True)
            raise self.broken from error
        except RuntimeError as error:
            self.broken = ranks.lost(error)
            raise self.broken from error
        for rank, (_, error) in enumerate(outcomes):
            if error is not None:
                raise PlumbError(error["code"], f"{error['message']} (rank {rank} of {self._world.size})", error.get("where"))
        answers = [answer for answer, _ in outcomes]
        if method in SHARED:
            return None, [joined(params["groups"], [own[0] for _, own in answers])]
        answer: Answer = answers[0]
        return answer

    def follow(self) -> None:
        """Until rank 0 is gone."""
        ranks = self._group()
        while True:
            method, params, arrays = ranks.receive()
            ranks.gather(self._outcome(method, params, arrays))

    def _outcome(self, method: str, params: Header, arrays: list[np.ndarray]) -> tuple[Answer | None, Header | None]:
        try:
            return self._own_part(method, params, arrays), None
        except OutOfStep as error:
            if self._world.rank == 0:
                raise
            self._leave(error.cause)
        except Exception as error:  # whatever it is, rank 0 tells it
            return None, described(error)

    def _own_part(self, method: str, params: Header, arrays: list[np.ndarray]) -> Answer:
        forwarded = self._forwarded.setdefault(params.get("model", 0), [])
        if method in SHARED:
            if method == "forward":
                forwarded.append(params["groups"])
            params, arrays = own_groups(self._world, params, arrays)
        elif method == "backward":
            params = {**params, "any": bool(arrays[0].any())}  # of all ranks: what one skips all skip
            arrays = [own_cotangents(self._world, forwarded.pop(0), arrays[0])]
        elif method in ("drop", "load_state"):
            forwarded.clear()
        elif method == "optim_step":
            self._group().sum_gradients(self._host.session(params["model"]).held.trained)
        elif method in ROWS and self._world.rank > 0 and not self._host.session(params["model"]).takes_part(method):
            return None, []  # completions are sampled at rank 0
        return self._host.handle(method, params, arrays)

    def _is_saved_by_all(self, method: str, params: Header) -> bool:
        return method.startswith("save_") and self._host.session(params["model"]).shards is not None

    def _leave(self, error: Exception) -> NoReturn:
        """Ends this process, so that the others do not wait for it."""
        with suppress(RuntimeError):  # nobody may be there to be told
            self._group().leave_words(error)
        print(f"plumbline_torch: rank {self._world.rank} failed: {error}", file=sys.stderr, flush=True)
        os._exit(1)

    def _group(self) -> Ranks:
        if self._ranks is None:
            try:
                self._ranks = Ranks(self._world)
            except Exception as error:
                message = f"The {self._world.size} processes did not find each other: {first_line(error)}."
                raise PlumbError("PLUMB_TORCH_RANKS", message) from error
        return self._ranks


def _foreseen(error: Exception) -> PlumbError:
    """What went wrong here, and not because another rank is gone."""
    if isinstance(error, PlumbError):
        return error
    words = described(error)
    return PlumbError(words["code"], words["message"], words.get("where"))


def own_groups(world: World, params: Header, arrays: list[np.ndarray]) -> tuple[Header, list[np.ndarray]]:
    """Groups are dealt out in turn."""
    groups = params["groups"]
    ends = np.cumsum([each["prompt"] + sum(each["completions"]) for each in groups])
    pieces = np.split(arrays[0], ends[:-1])
    mine = range(world.rank, len(groups), world.size)
    tokens = np.concatenate([arrays[0][:0], *(pieces[g] for g in mine)])
    return {**params, "groups": [groups[g] for g in mine]}, [tokens, *arrays[1:]]


def own_cotangents(world: World, groups: list[Header], cotangents: np.ndarray) -> np.ndarray:
    pieces = np.split(cotangents, np.cumsum(scored(groups))[:-1])
    return np.concatenate([cotangents[:0], *pieces[world.rank :: world.size]])


def joined(groups: list[Header], parts: list[np.ndarray]) -> np.ndarray:
    """Log-probs of all groups in their order, from those of every rank."""
    lengths = scored(groups)
    size = len(parts)
    own = [np.split(part, np.cumsum(lengths[rank::size])[:-1]) for rank, part in enumerate(parts)]
    return np.concatenate([own[g % size][g // size] for g in range(len(groups))])


def scored(groups: list[Header]) -> list[int]:
    """Completion tokens of every group."""
    return [sum(each["completions"]) for each in groups]
