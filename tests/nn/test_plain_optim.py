"""PyTorch's optimizers without its compiler: the same bits, hooks and state, and no import of it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from lbt.nn.optim import plain

CASES = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.01, "fused": True}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True}),
]


def trained(kind, options, steps=5, halfway=None):
    """Weights after some steps of a small regression; ``halfway`` may replace the optimizer after the second."""
    torch.manual_seed(0)
    model, x = nn.Linear(4, 3), torch.randn(8, 4)
    optimizer = kind([{"params": [model.weight]}, {"params": [model.bias], "lr": 0.02}], **options)
    losses = []

    def closure():
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        return loss

    for step in range(steps):
        if step == 2 and halfway is not None:
            optimizer = halfway(optimizer, model)
        losses.append(optimizer.step(closure).item())
    return [p.detach().clone() for p in model.parameters()], losses


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_same_bits_as_pytorch(name, options):
    mine, theirs = (trained(getattr(home, name), options) for home in (plain, torch.optim))
    assert mine[1] == theirs[1]
    assert mine[1][-1] < mine[1][0]
    assert all(torch.equal(a, b) for a, b in zip(mine[0], theirs[0], strict=True))


@pytest.mark.parametrize(("name", "options"), CASES)
def test_state_goes_to_pytorch_and_back(name, options):
    def handed_over(optimizer, model):
        for home in (torch.optim, plain):
            fresh = getattr(home, name)([{"params": [p]} for p in model.parameters()], **options)
            fresh.load_state_dict(optimizer.state_dict())
            optimizer = fresh
        return optimizer

    kind = getattr(plain, name)
    once, again = trained(kind, options), trained(kind, options, halfway=handed_over)
    assert all(torch.equal(a, b) for a, b in zip(once[0], again[0], strict=True))


def test_hooks_and_schedules_see_each_step_once():
    p = nn.Parameter(torch.ones(2))
    optimizer = plain.SGD([p], lr=1.0)
    calls = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for _ in range(2):
        p.grad = torch.ones(2)
        optimizer.step()
        schedule.step()
    assert calls == ["before", "after"] * 2
    assert p.tolist() == [-0.5, -0.5]  # 1 − 1 − 1/2


def test_a_compiled_step_is_pytorchs():
    p = nn.Parameter(torch.ones(2))
    optimizer = plain.SGD([p], lr=0.25)
    p.grad = torch.ones(2)
    torch.compile(optimizer.step, backend="eager")()
    assert p.tolist() == [0.75, 0.75]


def test_training_does_not_import_the_compiler():
    code = (
        "import sys, torch, lbt; model = lbt.quantize(torch.nn.Linear(3, 2), 'int8');"
        "optimizer = lbt.nn.optimizer(model, lr=0.1); model(torch.ones(2, 3)).sum().backward();"
        "optimizer.step(); optimizer.zero_grad(); optimizer.load_state_dict(optimizer.state_dict());"
        "lbt.cost(torch.nn.Linear(3, 2), (3,), recipe='int8', board='zcu102');"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
