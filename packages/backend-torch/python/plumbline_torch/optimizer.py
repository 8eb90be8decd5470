"""AdamW (Loshchilov & Hutter, arXiv:1711.05101) over whatever is trained: PyTorch's own, fused, with clipping by the global norm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from plumbline_torch.errors import PlumbError


@dataclass(frozen=True)
class Step:
    learning_rate: float
    betas: tuple[float, float]
    epsilon: float
    weight_decay: float
    max_grad_norm: float | None

    @staticmethod
    def of(options: dict[str, Any]) -> Step:
        first, second = options["betas"]
        return Step(options["learningRate"], (first, second), options["epsilon"], options["weightDecay"], options.get("maxGradNorm"))


class Optimizer:
    """Moments of what is trained. Decay is not applied to tensors of one dimension."""

    def __init__(self, trained: dict[str, nn.Parameter]) -> None:
        self.trained = trained
        self.steps = 0
        self._adamw: torch.optim.AdamW | None = None

    def step(self, options: Step) -> float:
        """Applies the gradients and clears them. Gives their L2 norm before clipping."""
        norm = self._norm()
        if options.max_grad_norm is not None:
            scale = options.max_grad_norm / (norm + 1e-6)
            if scale < 1:
                torch._foreach_mul_([each.grad for each in self.trained.values() if each.grad is not None], scale)
        for parameter in self.trained.values():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        adamw = self._ready()
        for group in adamw.param_groups:
            decays = group["params"][0].dim() > 1
            group.update(lr=options.learning_rate, betas=options.betas, eps=options.epsilon)
            group["weight_decay"] = options.weight_decay if decays else 0.0
        adamw.step()
        self.steps += 1
        self.drop()
        self._require_finite(options)
        return norm

    def drop(self) -> None:
        """Forgets the gradients."""
        for parameter in self.trained.values():
            parameter.grad = None

    def moments(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """First and second moments of a parameter; zero before the first step."""
        parameter = self.trained[name]
        state = self._ready().state.get(parameter)
        if not state:
            return torch.zeros_like(parameter), torch.zeros_like(parameter)
        return state["exp_avg"], state["exp_avg_sq"]

    def restore(self, name: str, mean: torch.Tensor, variance: torch.Tensor, steps: int) -> None:
        parameter = self.trained[name]
        self._ready().state[parameter] = {
            "step": torch.tensor(float(steps), device=parameter.device if self._fused else "cpu"),
            "exp_avg": mean.to(parameter),
            "exp_avg_sq": variance.to(parameter),
        }
        self.steps = steps

    @property
    def _fused(self) -> bool:
        return next(iter(self.trained.values())).device.type in ("cuda", "cpu", "mps")

    def _ready(self) -> torch.optim.AdamW:
        if self._adamw is None:
            matrices = [each for each in self.trained.values() if each.dim() > 1]
            vectors = [each for each in self.trained.values() if each.dim() <= 1]
            groups = [{"params": each} for each in (matrices, vectors) if each]
            self._adamw = torch.optim.AdamW(groups, lr=0.0, fused=self._fused)
        return self._adamw

    def _norm(self) -> float:
        found = {name: each.grad for name, each in self.trained.items() if each.grad is not None}
        if not found:
            return 0.0
        norms = torch.stack([each.to(next(iter(found.values())).device) for each in torch._foreach_norm(list(found.values()))])
        squares = norms.cpu().double().square()
        norm = math.sqrt(float(squares.sum()))
        if math.isfinite(norm):
            return norm
        culprit = next(name for name, square in zip(found, squares.tolist(), strict=True) if not math.isfinite(square))
        self.drop()
        raise PlumbError("PLUMB_NON_FINITE_GRADIENT", f"The gradient of {culprit} is not finite; expected finite numbers.")

    def _require_finite(self, options: Step) -> None:
        broken = [name for name, each in self.trained.items() if not _is_finite(each) or not _is_finite(self.moments(name)[1])]
        if not broken:
            return
        others = f" and {len(broken) - 1} more tensors" if len(broken) > 1 else ""
        raise PlumbError(
            "PLUMB_NON_FINITE_WEIGHTS",
            f"Optimizer step {self.steps} with the learning rate {options.learning_rate} made weights or moments of {broken[0]}{others} "
            "that are not finite; expected finite numbers. They are not saved.",
        )


def _is_finite(tensor: torch.Tensor) -> bool:
    # One number says it: NaN and infinities carry through a sum, and a finite tensor whose sum overflows is looked at once more.
    return bool(torch.isfinite(tensor.detach().sum())) or bool(torch.isfinite(tensor).all())
