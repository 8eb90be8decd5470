"""One opened model with all that is held for it: optimizer, adapter, snapshots, graphs that wait for their cotangents, rows under way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from plumbline_torch.adapter import Adapter
from plumbline_torch.check import row_bytes, settle_attention
from plumbline_torch.choosing import Choice
from plumbline_torch.devices import Device
from plumbline_torch.errors import PlumbError, is_out_of_memory
from plumbline_torch.groups import Group, read_groups
from plumbline_torch.memory import micro_batch_rows, out_of_memory, peak_bytes
from plumbline_torch.model import exchanged, facts, open_model
from plumbline_torch.optimizer import Optimizer, Step
from plumbline_torch.sampling import Sampler
from plumbline_torch.scoring import log_probs
from plumbline_torch.state import load_state, save_state, save_weights
from plumbline_torch.whole_rows import WholeRows

Answer = tuple[Any, list[np.ndarray]]
Params = dict[str, Any]


@dataclass
class _Pending:
    """A forward pass whose cotangents have not come."""

    groups: list[Group]
    words: dict[str, tuple[int, int]] | None
    graph: torch.Tensor | None
    """None where the pass is computed again."""


class Session:
    """Methods are called by the names that requests have."""

    def __init__(self, params: Params, device: Device) -> None:
        self.held, tied = open_model(params["folder"], device, params["dtype"] == "bf16")
        settle_attention(self.held, bool(params.get("padded")))
        if params.get("recompute"):
            self.held.recompute()
        self.row_bytes = row_bytes(self.held)
        self.optimizer: Optimizer | None = None
        self.adapter: Adapter | None = None
        self._pending: list[_Pending] = []
        self._snapshots: dict[int, dict[str, torch.Tensor]] = {}
        self._sampler: Sampler | WholeRows | None = None
        self._next = 0
        self.opened = {
            **facts(self.held.model),
            "tied": tied,
            "architecture": self.held.model.config.model_type,
            "vocabulary": self.held.vocabulary,
            "device": device.name,
            "paddedBecause": self.held.padded_because,
            "transposed": sorted(self.held.transposed),
            "rowBytes": self.row_bytes,
            "microBatchRows": micro_batch_rows(self.held, self.row_bytes),
        }

    def log_probs(self, params: Params, arrays: list[np.ndarray]) -> Answer:
        groups = read_groups(params["groups"], arrays[0])
        copies = self._snapshots[params["snapshot"]] if params.get("snapshot") is not None else {}
        with torch.no_grad(), exchanged({**self.held.parameters, **self.held.factors}, copies):
            return None, [self._guarded(groups, None).float().cpu().numpy()]

    def forward(self, params: Params, arrays: list[np.ndarray]) -> Answer:
        groups = read_groups(params["groups"], arrays[0])
        words = self._words(arrays[1]) if len(arrays) > 1 else None
        with torch.set_grad_enabled(bool(params["keep"])):
            found = self._guarded(groups, words)
        self._pending.append(_Pending(groups, words, found if params["keep"] else None))
        return None, [found.detach().float().cpu().numpy()]

    def backward(self, _params: Params, arrays: list[np.ndarray]) -> Answer:
        pending = self._pending.pop(0)
        cotangents = torch.from_numpy(arrays[0]).to(self.held.torch_device)
        if not bool(cotangents.any()):
            return None, []
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
        return None, []

    def prepare_training(self, params: Params, arrays: list[np.ndarray]) -> Answer:
        """Freezes parameters, or trains factors alone: those that come, or those that are there."""
        lora = params.get("lora")
        if lora is None and self.adapter is not None:
            self.adapter.merge()
            self.adapter = None
            self._snapshots = {key: self._copies(self.held.parameters) for key in self._snapshots}
        if lora is not None:
            self._adapt(lora, arrays)
        frozen = set(self.held.parameters) if lora else set(params["frozen"])
        for name, parameter in self.held.parameters.items():
            parameter.requires_grad_(name not in frozen)
        for name, parameter in {**self.held.parameters, **self.held.factors}.items():
            if not bool(torch.isfinite(parameter).all()):
                message = f"Tensor {name} holds numbers that are not finite; training would spread them."
                raise PlumbError("PLUMB_NON_FINITE_WEIGHTS", message)
        if lora and self.held.bf16:
            self._halve_base()
        self.optimizer = Optimizer(self.held.trained, params.get("moments") == "bfloat16")
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
        save_weights(self.held, self.adapter, params["file"])
        return None, []

    def save_state(self, params: Params, _arrays: list[np.ndarray]) -> Answer:
        return {"crc32": save_state(self.held, self._optimizer(), params["file"]), "step": self._optimizer().steps}, []

    def load_state(self, params: Params, _arrays: list[np.ndarray]) -> Answer:
        load_state(self.held, self._optimizer(), params["file"], params["step"])
        self._pending.clear()
        self._optimizer().drop()
        return None, []

    def peak_bytes(self, _params: Params, _arrays: list[np.ndarray]) -> Answer:
        return peak_bytes(self.held.device.kind), []

    def begin_sampling(self, params: Params, _arrays: list[np.ndarray]) -> Answer:
        self._drop_nothing()
        choice = Choice(params["temperature"], params.get("topK") or 0, params.get("topP", 1.0))
        if self.held.padded_because is not None:
            self._sampler = WholeRows(self.held, params["wanted"], choice)
        else:
            self._sampler = Sampler(self.held, params["wanted"], params["capacity"], choice)
        return self._sampler.slots, []

    def start_rows(self, params: Params, arrays: list[np.ndarray]) -> Answer:
        prompts = read_groups(params["groups"], arrays[0])
        return None, [_ids(self._sampling().start(prompts, params["slots"], torch.from_numpy(arrays[1])))]

    def step_rows(self, params: Params, arrays: list[np.ndarray]) -> Answer:
        tokens, positions = (torch.from_numpy(each.astype(np.int64)) for each in arrays[:2])
        return None, [_ids(self._sampling().step(tokens, positions, params["moves"], torch.from_numpy(arrays[2])))]

    def end_sampling(self, _params: Params, _arrays: list[np.ndarray]) -> Answer:
        self._sampler = None
        return None, []

    def _sampling(self) -> Sampler | WholeRows:
        if self._sampler is None:
            raise RuntimeError("no sampling is under way")
        return self._sampler

    def _optimizer(self) -> Optimizer:
        if self.optimizer is None:
            self.optimizer = Optimizer(self.held.trained)
        return self.optimizer

    def _guarded(self, groups: list[Group], words: dict[str, tuple[int, int]] | None) -> torch.Tensor:
        dropout = self.adapter.dropout if self.adapter else None
        if dropout:
            # It stays on until the backward pass: layers that compute their activations again drop the same then.
            dropout.active = words is not None
            dropout.words = words or {}
        if not groups:  # all are another rank's
            return torch.zeros(0)
        try:
            return log_probs(self.held, groups, dropout if words else None)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            rows = sum(len(group.prompt) + sum(len(each) - 1 for each in group.completions) for group in groups)
            raise out_of_memory(self.held, self.optimizer, self.row_bytes, rows) from error

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


def _ids(tokens: torch.Tensor) -> np.ndarray:
    ids: np.ndarray = tokens.to("cpu", torch.int32).numpy()
    return ids
