"""LoRA (Hu et al., arXiv:2106.09685) through PEFT's layers, with the factors and the dropout that the other side gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from plumbline_torch.devices import require_packages
from plumbline_torch.dropout import KeyedDropout, ModuleDropout
from plumbline_torch.model import HeldModel
from plumbline_torch.parts import put, whole

NAME = "plumbline"


class Adapter:
    """Factors beside the linear layers of a model: each computes y = x·Wᵀ + s·drop(x)·Aᵀ·Bᵀ."""

    def __init__(self, held: HeldModel, modules: list[str], rank: int, scaling: float) -> None:
        require_packages(["peft"])
        from peft import LoraConfig, inject_adapter_in_model

        self.modules = modules
        self.scaling = scaling
        self.dropout = KeyedDropout(0)
        self._held = held
        requires_grad = {name: each.requires_grad for name, each in held.parameters.items()}
        alpha: Any = rank * scaling  # which need not be whole, whatever its type says
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(modules), lora_dropout=0.0, bias="none")
        inject_adapter_in_model(config, held.model, NAME)
        found = dict(held.model.named_modules())
        self.layers: dict[str, Any] = {name: found[name] for name in modules}
        for name, layer in self.layers.items():
            layer.scaling[NAME] = scaling
            layer.lora_dropout[NAME] = ModuleDropout(self.dropout, name, held.is_compiled)
            held.factors[f"{name}.lora_A.weight"] = layer.lora_A[NAME].weight
            held.factors[f"{name}.lora_B.weight"] = layer.lora_B[NAME].weight
        for factor in held.factors.values():
            factor.data = factor.data.float()
        for name, parameter in held.parameters.items():  # PEFT has its own idea of what is trained
            parameter.requires_grad_(requires_grad[name])

    def set(self, arrays: list[np.ndarray]) -> None:
        """A and B of every module, one behind the other."""
        with torch.no_grad():
            for factor, values in zip(self._held.factors.values(), arrays, strict=True):
                factor.copy_(torch.from_numpy(values).view(factor.shape))

    def arrays(self) -> list[np.ndarray]:
        return [each.detach().float().cpu().numpy() for each in self._held.factors.values()]

    def merged(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        """W + s·B·A of a weight that has factors, in float64 and rounded once; any other as it is. Whole, as the model holds it."""
        module = name.removesuffix(".weight")
        weight = whole(weight)
        if module not in self.layers or name == module:
            return weight
        a, b = (self._held.factors[f"{module}.lora_{factor}.weight"].detach().cpu().double() for factor in "AB")
        product = b @ a
        change = product.t() if name in self._held.transposed else product
        return (weight.detach().cpu().double() + self.scaling * change).float().to(weight.device)

    def merge(self) -> None:
        """Makes the model what it and its adapter compute together; the factors are gone."""
        with torch.no_grad():
            for module in self.layers:
                name = f"{module}.weight"
                parameter = self._held.parameters[name]
                put(parameter, self.merged(name, parameter))
        for name, layer in self.layers.items():
            parent, _, own = name.rpartition(".")
            setattr(self._held.model.get_submodule(parent), own, layer.get_base_layer())
        self._held.factors.clear()
