"""AdamW (Loshchilov & Hutter, arXiv:1711.05101) over whatever is trained: PyTorch's own, fused, with clipping by the global norm."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.adamw import adamw

from plumbline_torch.errors import PlumbError
from plumbline_torch.parts import DTensor, own, share


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


WIDENED_NUMBERS = 2**25
"""Moments that are held in two bytes are widened, at most so many at once, beside a larger tensor's own."""

Moments = tuple[torch.Tensor, torch.Tensor]


class Optimizer:
    """Moments of what is trained. Decay is not applied to tensors of one dimension.

    Moments in bfloat16 are widened for a step, which is computed in float32 with moments that are not rounded; what is stored is rounded to
    the nearest, ties to even.

    Of parameters in parts each rank steps its own; the norm is that of all.
    """

    def __init__(
        self, trained: dict[str, nn.Parameter], halved: bool = False, total: Callable[[torch.Tensor], torch.Tensor] | None = None
    ) -> None:
        """total: the sums over all ranks, where each has a part of the numbers."""
        self.trained = trained
        self._total = total
        # What AdamW sees: the parameters, or plain ones on the same numbers.
        self._own = {name: nn.Parameter(own(each)) if isinstance(each, DTensor) else each for name, each in trained.items()}
        self.halved = halved
        self.steps = 0
        self._halves: dict[str, Moments] = {}
        self._adamw: torch.optim.AdamW | None = None

    def step(self, options: Step) -> float:
        """Applies the gradients and clears them. Gives their L2 norm before clipping."""
        self._take_up()
        norm = self._norm()
        if options.max_grad_norm is not None:
            scale = options.max_grad_norm / (norm + 1e-6)
            if scale < 1:
                torch._foreach_mul_([each.grad for each in self._own.values() if each.grad is not None], scale)
        for parameter in self._own.values():
            parameter.grad = _gradient(parameter)
        if self.halved:
            self._step_widened(options)
        else:
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
        for parameter in (*self.trained.values(), *self._own.values()):
            parameter.grad = None

    def _take_up(self) -> None:
        """Where numbers and gradients of parts lie today."""
        for name, parameter in self.trained.items():
            if isinstance(parameter, DTensor):
                self._own[name].data = own(parameter)
                self._own[name].grad = None if parameter.grad is None else own(parameter.grad)

    def moments(self, name: str) -> Moments:
        """First and second moments of what lies here of a parameter; zero before the first step."""
        parameter = self._own[name]
        if self.halved:
            return self._half(name)
        state = self._ready().state.get(parameter)
        if not state:
            return torch.zeros_like(parameter), torch.zeros_like(parameter)
        return state["exp_avg"], state["exp_avg_sq"]

    def restore(self, name: str, mean: torch.Tensor, variance: torch.Tensor, steps: int) -> None:
        """Puts whole moments in place of today's."""
        mean, variance = share(self.trained[name], mean), share(self.trained[name], variance)
        parameter = self._own[name]
        self.steps = steps
        if self.halved:
            self._halves[name] = (mean.to(parameter.device, torch.bfloat16), variance.to(parameter.device, torch.bfloat16))
            return
        self._ready().state[parameter] = {
            "step": torch.tensor(float(steps), device=parameter.device if self._fused else "cpu"),
            "exp_avg": mean.to(parameter),
            "exp_avg_sq": variance.to(parameter),
        }

    def _half(self, name: str) -> Moments:
        if name not in self._halves:
            zeros = torch.zeros_like(self._own[name], dtype=torch.bfloat16)
            self._halves[name] = (zeros, zeros.clone())
        return self._halves[name]

    def _step_widened(self, options: Step) -> None:
        """PyTorch's own step over some tensors at a time, so that few moments are wide at once."""
        first, second = options.betas
        with torch.no_grad():
            for names in _portions(self._own, WIDENED_NUMBERS):
                parameters = [self._own[name] for name in names]
                wide = [[each.float() for each in self._half(name)] for name in names]
                taken = [torch.tensor(float(self.steps), device=each.device if self._fused else "cpu") for each in parameters]
                adamw(
                    list(parameters),
                    [_gradient(each) for each in parameters],
                    [mean for mean, _ in wide],
                    [variance for _, variance in wide],
                    [],
                    taken,
                    fused=self._fused,
                    amsgrad=False,
                    beta1=first,
                    beta2=second,
                    lr=options.learning_rate,
                    weight_decay=options.weight_decay if parameters[0].dim() > 1 else 0.0,
                    eps=options.epsilon,
                    maximize=False,
                )
                for name, moments in zip(names, wide, strict=True):
                    for half, moment in zip(self._half(name), moments, strict=True):
                        half.copy_(moment)

    @property
    def _fused(self) -> bool:
        return next(iter(self._own.values())).device.type in ("cuda", "cpu", "mps")

    def _ready(self) -> torch.optim.AdamW:
        if self._adamw is None:
            matrices = [each for each in self._own.values() if each.dim() > 1]
            vectors = [each for each in self._own.values() if each.dim() <= 1]
            groups = [{"params": each} for each in (matrices, vectors) if each]
            self._adamw = torch.optim.AdamW(groups, lr=0.0, fused=self._fused)
        return self._adamw

    def _norm(self) -> float:
        found = {name: each.grad for name, each in self._own.items() if each.grad is not None}
        if not found:  # nor has any other rank
            return 0.0
        norms = torch.stack([each.to(next(iter(found.values())).device) for each in torch._foreach_norm(list(found.values()))])
        squares = norms.cpu().double().square()
        if self._total:
            squares = self._total(squares)
        norm = math.sqrt(float(squares.sum()))
        if math.isfinite(norm):
            return norm
        culprit = next(name for name, square in zip(found, squares.tolist(), strict=True) if not math.isfinite(square))
        self.drop()
        raise PlumbError("PLUMB_NON_FINITE_GRADIENT", f"The gradient of {culprit} is not finite; expected finite numbers.")

    def _require_finite(self, options: Step) -> None:
        broken = [name for name, each in self._own.items() if not _is_finite(each) or not _is_finite(self.moments(name)[1])]
        if not broken:
            return
        others = f" and {len(broken) - 1} more tensors" if len(broken) > 1 else ""
        raise PlumbError(
            "PLUMB_NON_FINITE_WEIGHTS",
            f"Optimizer step {self.steps} with the learning rate {options.learning_rate} made weights or moments of {broken[0]}{others} "
            "that are not finite; expected finite numbers. They are not saved.",
        )


def _gradient(parameter: nn.Parameter) -> torch.Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _portions(parameters: dict[str, nn.Parameter], most: int) -> Iterator[list[str]]:
    """Names of matrices, then of vectors, at most so many numbers at once, or one tensor."""
    for decays in (True, False):
        names: list[str] = []
        numbers = 0
        for name, parameter in parameters.items():
            if (parameter.dim() > 1) != decays:
                continue
            if names and numbers + parameter.numel() > most:
                yield names
                names, numbers = [], 0
            names.append(name)
            numbers += parameter.numel()
        if names:
            yield names


def _is_finite(tensor: torch.Tensor) -> bool:
    # One number says it: NaN and infinities carry through a sum, and a finite tensor whose sum overflows is looked at once more.
    return bool(torch.isfinite(tensor.detach().sum())) or bool(torch.isfinite(tensor).all())
