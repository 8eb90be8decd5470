"""A model as transformers opens it, and its parameters under the names that files have for them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, AutoModelForCausalLM, PretrainedConfig
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.modeling_utils import PreTrainedModel
from transformers.pytorch_utils import Conv1D
from transformers.utils import logging

from plumbline_torch import attention
from plumbline_torch.devices import Device
from plumbline_torch.errors import PlumbError, first_line
from plumbline_torch.parts import DTensor, own

IN_A_LAYER = re.compile(r"\.\d+\..*\.weight$")
"""Layers are numbered; what stands outside of them carries no adapter."""


class _Output(BaseModelOutputWithPast):
    """What a trunk gives: nothing but hidden states, whatever else a family's trunk has (cross attentions, router logits)."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


class _HiddenStates(nn.Module):
    """In the place of a model's trunk: gives what it is given."""

    def forward(self, *_args: Any, inputs_embeds: Any = None, **_kwargs: Any) -> _Output:
        return _Output(last_hidden_state=inputs_embeds)


class HeldModel:
    """A model in two parts, trunk and head, so that logits are made for the rows that need them and no others.

    The head is the model's own forward pass around hidden states: caps and scales of the logits are in it, whatever the family has.
    """

    def __init__(self, model: PreTrainedModel, device: Device, bf16: bool) -> None:
        self.model = model
        self.device = device
        self.torch_device = torch.device(device.kind)
        self.bf16 = bf16
        self.transposed = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, Conv1D)}
        self.parameters: dict[str, nn.Parameter] = dict(model.named_parameters())
        self.factors: dict[str, nn.Parameter] = {}
        self.padded_because: str | None = None
        """Why rows are padded, where the packed form is not computed."""
        self.packed_pass: type[attention.PackedPass] = attention.PackedPass
        """What computes attention where it is."""
        self.is_compiled = False
        """Whether layers are."""
        prefix = model.base_model_prefix
        self.trunk: nn.Module = getattr(model, prefix)
        self._head = copy.copy(model)
        self._head._modules = {**model._modules, prefix: _HiddenStates()}

    @property
    def is_in_parts(self) -> bool:
        """Whether each rank holds some rows of every parameter."""
        return any(isinstance(each, DTensor) for each in self.parameters.values())

    @property
    def vocabulary(self) -> int:
        return int(self.model.get_output_embeddings().weight.shape[0])

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """What has gradients."""
        return {name: each for name, each in {**self.parameters, **self.factors}.items() if each.requires_grad}

    def taken_by(self, device: Device) -> None:
        """Says where the model lies now, and takes up its parameters anew: they are other objects there."""
        self.device = device
        self.torch_device = torch.device(device.kind)
        self.parameters = dict(self.model.named_parameters())

    def numbers(self) -> AbstractContextManager[Any]:
        """bfloat16 products over float32 weights, where that was asked for."""
        return torch.autocast(self.device.kind, torch.bfloat16) if self.bf16 else nullcontext()

    def hidden(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """What the trunk makes of one packed row, under the pass that is under way. [rows] → [rows, d]"""
        out: torch.Tensor = self.trunk(input_ids=tokens[None], position_ids=positions[None], use_cache=False).last_hidden_state
        return out[0]

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """hidden [n, d] → float32 [n, vocabulary]"""
        logits: torch.Tensor = self._head(inputs_embeds=hidden[None], use_cache=False).logits
        return logits[0].float()

    def recompute(self) -> None:
        """Activations within a layer are computed again for the backward pass. Dropout stays off: it is asked for by `training`."""
        if not self.model.supports_gradient_checkpointing:
            message = f"{type(self.model).__name__} cannot compute activations again; expected activationMemory: keep."
            raise PlumbError("PLUMB_TORCH_UNSUPPORTED", message, "backend.activationMemory")
        self.model.gradient_checkpointing_enable({"use_reentrant": False})
        for module in self.model.modules():
            if getattr(module, "gradient_checkpointing", False):
                module.training = True  # of the layer itself, not of what is in it


def open_model(folder: str, device: Device, bf16: bool) -> tuple[HeldModel, bool]:
    """Opens a folder in float32, and says whether its head is its embedding table. Whatever is missing in it, or left over, is refused."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    attention.register()
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    takes_attention = _takes_attention(config)
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        config=config,
        dtype=torch.float32,
        attn_implementation=attention.NAME if takes_attention else None,
        local_files_only=True,
        output_loading_info=True,
    )
    model, report = loaded
    for key, code, what in [
        ("missing_keys", "PLUMB_MODEL_TENSOR_MISSING", "is missing"),
        ("unexpected_keys", "PLUMB_MODEL_TENSOR_UNEXPECTED", f"is not part of a {type(model).__name__}"),
    ]:
        names = sorted(report.get(key) or [])
        if names:
            raise PlumbError(code, f"Tensor {names[0]} {what}.", folder)
    model.requires_grad_(True)
    model.eval()
    try:
        model.to(device.kind)
    except NotImplementedError as error:
        raise PlumbError("PLUMB_DEVICE_UNSUPPORTED", f"The model cannot be put on {device.kind}: {first_line(error)}.") from error
    held = HeldModel(model, device, bf16)
    if not takes_attention:
        held.padded_because = "its attention does not go through transformers' AttentionInterface"
    head = model.get_output_embeddings()
    return held, head is not None and head.weight is model.get_input_embeddings().weight


def _takes_attention(config: PretrainedConfig) -> bool:
    """Whether the class of a model calls the attention that it is told to. One that does not keeps its own, whatever is set later."""
    kind: Any = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    return kind is None or bool(kind._can_set_attn_implementation())


def facts(model: PreTrainedModel) -> dict[str, Any]:
    """What is known of a model by its shapes: names of parameters, and the linear layers that can carry an adapter."""
    modules = dict(model.named_modules())
    linear = []
    for name, parameter in model.named_parameters():
        module = modules[name.rsplit(".", 1)[0]]
        if parameter.dim() != 2 or not IN_A_LAYER.search(name) or not isinstance(module, nn.Linear | Conv1D):
            continue
        out_features, in_features = reversed(parameter.shape) if isinstance(module, Conv1D) else parameter.shape
        linear.append({"name": name.removesuffix(".weight"), "outFeatures": out_features, "inFeatures": in_features})
    return {
        "parameters": [{"name": name, "shape": list(each.shape)} for name, each in model.named_parameters()],
        "linearModules": linear,
        "count": sum(each.numel() for each in model.parameters()),
    }


def layers_of(held: HeldModel) -> list[nn.Module]:
    """The numbered blocks of a trunk: the children of its outermost lists with as many of them as the model has layers."""
    count = held.model.config.num_hidden_layers
    found: list[nn.Module] = []

    def look(module: nn.Module) -> None:
        for child in module.children():
            if isinstance(child, nn.ModuleList) and len(child) == count:
                found.extend(child)
            else:
                look(child)

    look(held.trunk)
    return found


@contextmanager
def exchanged(parameters: dict[str, nn.Parameter], copies: dict[str, torch.Tensor]) -> Iterator[None]:
    """Other numbers in the place of a model's own while the context lasts. Nothing is copied, but of parameters in parts."""

    def swap() -> None:
        for name, values in copies.items():
            parameter = parameters[name]
            if isinstance(parameter, DTensor):  # what gathers them knows the place where they lie
                mine, others = own(parameter), own(values)
                kept = mine.clone()
                mine.copy_(others)
                others.copy_(kept)
            else:
                copies[name], parameter.data = parameter.data, values

    swap()
    try:
        yield
    finally:
        swap()
