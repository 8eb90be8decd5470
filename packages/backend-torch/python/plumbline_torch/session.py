"""One opened model with all that is held for it: optimizer, adapter, snapshots, graphs that wait for their cotangents, rows under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as distributed

from plumbline_torch.adapter import Adapter
from plumbline_torch.check import row_bytes, settle_attention
from plumbline_torch.choosing import Choice
from plumbline_torch.devices import Device
from plumbline_torch.dropout import KeyedDropout
from plumbline_torch.errors import PlumbError, is_out_of_memory
from plumbline_torch.fast import KERNELS, compile_layers, settle_kernel
from plumbline_torch.groups import Group, read_groups
from plumbline_torch.memory import micro_batch_rows, out_of_memory, peak_bytes
from plumbline_torch.model import HeldModel, exchanged, facts, open_model
from plumbline_torch.optimizer import Optimizer, Step
from plumbline_torch.parts import DTensor, in_step, own
from plumbline_torch.sampling import Sampler
from plumbline_torch.scoring import log_probs
from plumbline_torch.state import load_state, save_state, save_weights
from plumbline_torch.whole_rows import WholeRows

if TYPE_CHECKING:
    from plumbline_torch.shards import Shards

Answer = tuple[Any, list[np.ndarray]]
Params = dict[str, Any]


@dataclass
class _Pending:
    """A forward pass whose cotangents have not come."""

    groups: list[Group]
    words: dict[str, tuple[int, int]] | None
    graph: torch.Tensor | None
    """None where the pass is computed again."""


NOTHING = Group(np.zeros(1, np.int64), [np.zeros(2, np.int64)], [0])
"""What a rank computes that has no groups, where the others need its part of the weights. Its cotangents are zero."""


class Session:
    """Methods are called by the names that requests have."""

    def __init__(self, params: Params, device: Device) -> None:
        sharded = params.get("sharding") == "full" and distributed.is_available() and distributed.is_initialized()
        if sharded:
            _require_plain(params)
        # What is cut in parts is read into the host's memory: a whole model need not fit the device.
        first = Device("cpu", device.name) if sharded else device
        self.held, tied = open_model(params["folder"], first, params["dtype"] == "bf16")
        wanted = params.get("attention", "sdpa")
        settle_attention(self.held, wanted == "padded")
        if params.get("recompute"):
            self.held.recompute()
        because = settle_kernel(self.held, wanted)
        if params.get("compile"):
            compile_layers(self.held)
        self.row_bytes = row_bytes(self.held)
        known = facts(self.held.model)
        self.shards = _in_parts(self.held, device) if sharded else None
        if self.shards:
            with torch.no_grad(), in_step(self.shards):
                self._computed([], None)
        self.optimizer: Optimizer | None = None
        self.adapter: Adapter | None = None
        self._pending: list[_Pending] = []
        self._snapshots: dict[int, dict[str, torch.Tensor]] = {}
        self._sampler: Sampler | WholeRows | None = None
        self._next = 0
        self.opened = {
            **known,
            "tied": tied,
            "architecture": self.held.model.config.model_type,
            "vocabulary": self.held.vocabulary,
            "device": device.name,
            "paddedBecause": self.held.padded_because,
            "attention": next(name for name, kernel in KERNELS.items() if kernel is self.held.packed_pass),
            "attentionBecause": because,
            "ranks": self.shards.size if self.shards else 1,
            "transposed": sorted(self.held.transposed),
            "rowBytes": self.row_bytes,
            "microBatchRows": micro_batch_rows(self.held, self.row_bytes),
        }

    def log_probs(self, params: Params, arrays: list[np.ndarray]) -> Answer:
        groups = read_groups(params["groups"], arrays[0])
        copies = self._snapshots[params["snapshot"]] if params.get("snapshot") is not None else {}
        with torch.no_grad(), in_step(self.shards), exchanged({**self.held.parameters, **self.held.factors}, copies):
            return None, [self._guarded(groups, None).float().cpu().numpy()]

    def forward(self, params: Params, arrays: list[np.ndarray]) -> Answer:
        groups = read_groups(params["groups"], arrays[0])
        words = self._words(arrays[1]) if len(arrays) > 1 else None
        with torch.set_grad_enabled(bool(params["keep"])), in_step(self.shards):
            found = self._guarded(groups, words)
        self._pending.append(_Pending(groups, words, found if params["keep"] else None))
        return None, [found.detach().float().cpu().numpy()]

    def backward(self, params: Params, arrays: list[np.ndarray]) -> Answer:
        pending = self._pending.pop(0)
        cotangents = torch.from_numpy(arrays[0]).to(self.held.torch_device)
        # A pass in parts takes all ranks: each is told whether any has cotangents.
        if not (params["any"] if self.shards else bool(cotangents.any())):
            self._settle()
            return None, []
        with in_step(self.shards):
            self._differentiate(pending, cotangents)
        return None, []

    def _differentiate(self, pending: _Pending, cotangents: torch.Tensor) -> None:
        try:
            graph = self._guarded(pending.groups, pending.words) if pending.graph is None else pending.graph
            pending.graph = None
            graph.backward(cotangents)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self.drop({}, [])
            raise out_of_memory(self.held, self.optimizer, self.row_bytes, len(cotangents)) from error
        finally:
            self._drop_nothing()

    def prepare_training(self, params: Params, arrays: list[np.ndarray]) -> Answer:
        """Freezes parameters, or trains factors alone: those that come, or those that are there."""
        lora = params.get("lora")
        self._settle()
        if lora is None and self.adapter is not None:
            with in_step(self.shards):
                self.adapter.merge()
            self.adapter = None
            self._snapshots = {key: self._copies(self.held.parameters) for key in self._snapshots}
        if lora is not None:
            self._adapt(lora, arrays)
        frozen = set(self.held.parameters) if lora else set(params["frozen"])
        for name, parameter in self.held.parameters.items():
            parameter.requires_grad_(name not in frozen)
        for name, parameter in {**self.held.parameters, **self.held.factors}.items():
            if not bool(torch.isfinite(own(parameter)).all()):
                message = f"Tensor {name} holds numbers that are not finite; training would spread them."
                raise PlumbError("PLUMB_NON_FINITE_WEIGHTS", message)
        if lora and self.held.bf16 and not self.shards:
            self._halve_base()
        self.optimizer = self._new_optimizer(params.get("moments") == "bfloat16")
        return None, []

    def adapt(self, params: Params, arrays: list[np.ndarray]) -> Answer:
        """Puts the factors of an adapter beside the weights."""
        self._adapt(params, arrays)
        for factor in self.held.factors.values():
            factor.requires_grad_(False)
        return None, []

    def factors(self, _params: Params, _arrays: list[np.ndarray]) -> Answer:
        return None, self.adapter.arrays() if self.adapter else []

    def optim_step(self, params: Params, _arrays: list[np.ndarray]) -> Answer:
        return {"gradNorm": self._optimizer().step(Step.of(params)), "steps": self._optimizer().steps}, []

    def drop(self, _params: Params, _arrays: list[np.ndarray]) -> Answer:
        self._pending.clear()
        self._settle()
        self._optimizer().drop()
        return None, []

    def snapshot(self, _params: Params, _arrays: list[np.ndarray]) -> Answer:
        self._next += 1
        self._snapshots[self._next] = self._copies(self.held.factors or self.held.parameters)
        return self._next, []

    def release_snapshot(self, params: Params, _arrays: list[np.ndarray]) -> Answer:
        self._snapshots.pop(params["snapshot"], None)
        return None, []

    def save_weights(self, params: Params, _arrays: list[np.ndarray]) -> Answer:
        with in_step(self.shards if self._is_follower else None):
            save_weights(self.held, self.adapter, None if self._is_follower else params["file"])
        return None, []

    def save_state(self, params: Params, _arrays: list[np.ndarray]) -> Answer:
        with in_step(self.shards if self._is_follower else None):
            checksum = save_state(self.held, self._optimizer(), None if self._is_follower else params["file"])
        return {"crc32": checksum, "step": self._optimizer().steps}, []

    def load_state(self, params: Params, _arrays: list[np.ndarray]) -> Answer:
        self._settle()
        load_state(self.held, self._optimizer(), params["file"], params["step"])
        self._pending.clear()
        self._optimizer().drop()
        return None, []

    def peak_bytes(self, _params: Params, _arrays: list[np.ndarray]) -> Answer:
        return peak_bytes(self.held.device.kind), []

    def begin_sampling(self, params: Params, _arrays: list[np.ndarray]) -> Answer:
        self._drop_nothing()
        choice = Choice(params["temperature"], params.get("topK") or 0, params.get("topP", 1.0))
        if self.shards:
            self._settle()
            with in_step(self.shards):
                self.shards.begin_alone(self.held)
        if self.held.padded_because is not None:
            self._sampler = WholeRows(self.held, params["wanted"], choice)
        else:
            self._sampler = Sampler(self.held, params["wanted"], params["capacity"], choice)
        if self.shards and not self.shards.alone:
            self._sampler.slots = self.shards.least(self._sampler.slots)
        return self._sampler.slots, []

    def start_rows(self, params: Params, arrays: list[np.ndarray]) -> Answer:
        prompts = read_groups(params["groups"], arrays[0])
        uniforms = torch.from_numpy(arrays[1])
        with in_step(self.shards):
            return None, [_ids(self._pass(lambda: self._sampling().start(prompts, params["slots"], uniforms)))]

    def step_rows(self, params: Params, arrays: list[np.ndarray]) -> Answer:
        tokens, positions = (torch.from_numpy(each.astype(np.int64)) for each in arrays[:2])
        uniforms = torch.from_numpy(arrays[2])
        with in_step(self.shards):
            return None, [_ids(self._pass(lambda: self._sampling().step(tokens, positions, params["moves"], uniforms)))]

    def end_sampling(self, _params: Params, _arrays: list[np.ndarray]) -> Answer:
        self._sampler = None
        if self.shards:
            self.shards.end_alone()
        return None, []

    def takes_part(self, method: str) -> bool:
        """Whether a rank but the first has to do with a method that is about rows."""
        return self.shards is not None and (method in ("begin_sampling", "end_sampling") or not self.shards.alone)

    @property
    def _is_follower(self) -> bool:
        return self.shards is not None and self.shards.rank > 0

    def _pass(self, work: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Tokens, without gradients."""
        with torch.no_grad():
            return self.shards.run(work) if self.shards else work()

    def _settle(self) -> None:
        if self.shards:
            self.shards.settle()

    def _sampling(self) -> Sampler | WholeRows:
        if self._sampler is None:
            raise RuntimeError("no sampling is under way")
        return self._sampler

    def _optimizer(self) -> Optimizer:
        if self.optimizer is None:
            self.optimizer = self._new_optimizer(False)
        return self.optimizer

    def _new_optimizer(self, halved: bool) -> Optimizer:
        in_parts = any(isinstance(each, DTensor) for each in self.held.trained.values())
        return Optimizer(self.held.trained, halved, self.shards.total if self.shards and in_parts else None)

    def _guarded(self, groups: list[Group], words: dict[str, tuple[int, int]] | None) -> torch.Tensor:
        if self.shards and self.shards.alone:  # sampling that was not ended
            self.shards.end_alone()
        dropout = self.adapter.dropout if self.adapter else None
        if dropout:
            # It stays on until the backward pass: layers that compute their activations again drop the same then.
            dropout.active = words is not None
            dropout.words = words or {}
        if not groups and not self.shards:  # all are another rank's
            return torch.zeros(0)
        try:
            return self._computed(groups, dropout if words else None)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            rows = sum(len(group.prompt) + sum(len(each) - 1 for each in group.completions) for group in groups)
            raise out_of_memory(self.held, self.optimizer, self.row_bytes, rows) from error

    def _computed(self, groups: list[Group], dropout: KeyedDropout | None) -> torch.Tensor:
        if not self.shards:
            return log_probs(self.held, groups, dropout)
        found = self.shards.run(lambda: log_probs(self.held, groups or [NOTHING], dropout))
        return found if groups else found[:0]

    def _drop_nothing(self) -> None:
        if self.adapter:
            self.adapter.dropout.active = False

    def _words(self, array: np.ndarray) -> dict[str, tuple[int, int]]:
        if self.adapter is None:
            raise RuntimeError("draws came for a model without an adapter")
        self.adapter.dropout.probability = self._probability
        return {name: (int(a), int(b)) for name, (a, b) in zip(self.adapter.modules, array.reshape(-1, 2), strict=True)}

    _probability = 0.0

    def _adapt(self, lora: Params, arrays: list[np.ndarray]) -> None:
        self._probability = float(lora.get("dropout") or 0)
        if self.adapter is None:
            had_none = list(self._snapshots)
            self.adapter = Adapter(self.held, lora["modules"], lora["rank"], lora["scaling"])
            # The weights stay as they are from now on: a copy of them is the model with factors that add nothing.
            zeros = {name: torch.zeros_like(each) for name, each in self.held.factors.items() if name.endswith(".lora_B.weight")}
            for key in had_none:
                self._snapshots[key] = dict(zeros)
        if arrays:
            self.adapter.set(arrays)
        for factor in self.held.factors.values():
            factor.requires_grad_(True)

    def _halve_base(self) -> None:
        for parameter in self.held.parameters.values():
            parameter.data = parameter.data.bfloat16()

    def _copies(self, parameters: dict[str, torch.nn.Parameter]) -> dict[str, torch.Tensor]:
        return {name: each.detach().clone() for name, each in parameters.items()}


def _require_plain(params: Params) -> None:
    """Refuses what cannot be had of weights in parts."""
    for key, wanted in (("compile", params.get("compile")), ("attention", params.get("attention") in ("flex", "varlen"))):
        if wanted:
            message = f"{key}: {str(params[key]).lower()} cannot be had together with sharding: full; expected one of the two."
            raise PlumbError("PLUMB_TORCH_UNSUPPORTED", message, f"backend.{key}")


def _in_parts(held: HeldModel, device: Device) -> Shards:
    from plumbline_torch.shards import Shards  # where one process computes, FSDP is not loaded

    return Shards(held, device)


def _ids(tokens: torch.Tensor) -> np.ndarray:
    ids: np.ndarray = tokens.to("cpu", torch.int32).numpy()
    return ids
