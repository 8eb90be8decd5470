"""Moments in bfloat16, against PyTorch's own optimizer whose state is rounded after every step."""

import pytest
import torch
from torch import nn

from plumbline_torch import optimizer as optimizers
from plumbline_torch.optimizer import Optimizer, Step

STEP = Step(3e-3, (0.9, 0.99), 1e-8, 0.1, None)


def parameters() -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(3)
    shapes = {"a.weight": (7, 5), "b.weight": (4, 4), "norm.weight": (5,), "c.bias": (3,)}
    return {name: nn.Parameter(torch.randn(shape, generator=generator)) for name, shape in shapes.items()}


def gradients(step: int, of: dict[str, nn.Parameter]) -> None:
    generator = torch.Generator().manual_seed(100 + step)
    for parameter in of.values():
        parameter.grad = torch.randn(parameter.shape, generator=generator) * 10.0 ** (step % 3 - 1)


def reference(steps: int) -> tuple[dict[str, nn.Parameter], torch.optim.AdamW]:
    own = parameters()
    matrices, vectors = ([each for each in own.values() if (each.dim() > 1) == decays] for decays in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(groups, lr=STEP.learning_rate, betas=STEP.betas, eps=STEP.epsilon, fused=True)
    for step in range(steps):
        gradients(step, own)
        adamw.step()
        for state in adamw.state.values():
            for key in ("exp_avg", "exp_avg_sq"):
                state[key].copy_(state[key].bfloat16().float())
    return own, adamw


@pytest.mark.parametrize("most", [2**25, 20, 1])
def test_steps_are_those_of_an_optimizer_whose_state_is_rounded(monkeypatch, most):
    monkeypatch.setattr(optimizers, "WIDENED_NUMBERS", most)
    own = parameters()
    optimizer = Optimizer(own, halved=True)
    for step in range(6):
        gradients(step, own)
        optimizer.step(STEP)
    expected, adamw = reference(6)
    for name, parameter in own.items():
        assert torch.equal(parameter, expected[name]), name
        mean, variance = optimizer.moments(name)
        assert mean.dtype == variance.dtype == torch.bfloat16
        state = adamw.state[expected[name]]
        assert torch.equal(mean.float(), state["exp_avg"])
        assert torch.equal(variance.float(), state["exp_avg_sq"])


def test_it_goes_on_from_restored_moments_to_the_same_bits():
    whole, part = parameters(), parameters()
    first, second = Optimizer(whole, halved=True), Optimizer(part, halved=True)
    for step in range(3):
        gradients(step, whole)
        first.step(STEP)
    with torch.no_grad():
        for name, parameter in part.items():
            parameter.copy_(whole[name])
    for name in part:
        second.restore(name, *(each.clone() for each in first.moments(name)), 3)
    for step in range(3, 6):
        for optimizer, own in ((first, whole), (second, part)):
            gradients(step, own)
            optimizer.step(STEP)
    for name, parameter in whole.items():
        assert torch.equal(parameter, part[name])
