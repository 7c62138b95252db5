"""Noise of the gradient by norm, and accuracy by norm when the domain changes: no training after the first.

``noise``: a network of the task ``blended`` after 150 steps in float32 (:func:`.rounding.warm`), its batch norms
replaced by each norm, in float32 and in ``int8``. The gradient of the convolutions on :data:`BATCHES` batches of 64:
the variance over batches as a share of the squared mean, both summed over the weights (the mean's own variance taken
off). ``running_bn`` normalises with constants, so that its backward pass is a scale: the noise that comes from the
data alone.

``shift``: accuracy on the task's own test images and on plain digits (without photos behind them), with the statistics
that training has left and with those of each batch of 100 test images.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from typing import Any

import _runs
import recipes
import torch
from torch import Tensor, nn
from torch.nn import functional

from lbt.nn import quantize, set_step
from lbt.recipe import Recipe
from lbt.train.threads import fixed_threads

from . import _rows
from . import _setting as setting
from .difficulty import task
from .rounding import warm

NUMBER, SEEDS, BATCHES = 4, tuple(range(5, 25)), 8
NORMS = ("float_bn", "running_bn", "range_bn", "l1_bn", "integer_bn")
SHIFTED_NORMS = ("float_bn", "range_bn", "integer_bn")
NUMBERS, DOMAINS = ("fp32", "int8"), ("same", "shifted")
TESTED = 1000


def recipe(norm: str, numbers: str) -> Recipe:
    """A norm in float32 or in ``int8``."""
    return Recipe.model_validate((setting.eight() if numbers == "int8" else {}) | {"norm": norm})


def jobs() -> Iterator[tuple[str, int, Any]]:
    """Noise and shift of each seed, which share a network."""
    for seed in SEEDS:
        yield "noise", seed, functools.partial(noise, seed)
        yield "shift", seed, functools.partial(shift, seed)


@fixed_threads()
def noise(seed: int) -> dict[str, float]:
    """Variance over squared mean, by norm and numbers."""
    return {f"{norm}/{of}": relative_variance(changed(seed, norm, of)) for norm in NORMS for of in NUMBERS}


def changed(seed: int, norm: str, numbers: str) -> nn.Module:
    """The network with another norm, in other numbers."""
    return quantize(copy.deepcopy(warm(seed)), recipe(norm, numbers), seed=seed)


def relative_variance(model: nn.Module) -> float:
    """Of the convolutions' gradient over batches."""
    found = torch.stack([gradient(model, step) for step in range(BATCHES)]).double()
    variance = float(found.var(0).sum())
    return variance / max(float(found.mean(0).square().sum()) - variance / BATCHES, 1e-30)


def gradient(model: nn.Module, step: int) -> Tensor:
    """Gradients of all weights with four dimensions, flat, on the batch of so many a step."""
    x, y = (part[64 * step : 64 * (step + 1)] for part in task().train)
    set_step(model, step)
    model.zero_grad()
    functional.cross_entropy(model(x), y).backward()
    return torch.cat([p.grad.flatten().clone() for p in model.parameters() if p.grad is not None and p.dim() == 4])


@fixed_threads()
def shift(seed: int) -> dict[str, float]:
    """Accuracy in percent by norm, numbers, domain and statistics."""
    made = {}
    for norm in SHIFTED_NORMS:
        for numbers in NUMBERS:
            for domain, (x, y) in domains().items():
                for statistics in ("kept", "own"):
                    model = changed(seed, norm, numbers).train(statistics == "own")
                    made[f"{norm}/{numbers}/{domain}/{statistics}"] = accuracy(model, x, y)
    return made


@functools.cache
def domains() -> dict[str, tuple[Tensor, Tensor]]:
    """Test images and labels of the network's own domain and of plain digits, in three channels."""
    plain, labels = recipes.Task(recipes.TASKS["digits"]).test
    own = tuple(part[:TESTED] for part in task().test)
    return {"same": own, "shifted": (plain[:TESTED].expand(-1, 3, -1, -1).contiguous(), labels[:TESTED])}


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Percent right, in batches of 100."""
    hits = [model(a).argmax(1) == b for a, b in zip(x.split(100), y.split(100), strict=True)]
    return 100 * float(torch.cat(hits).float().mean())


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Every number; noise as a multiple of the constants' noise; what own statistics change, and where more."""
    made: list[_rows.Row] = []
    for job, unit in (("noise", "ratio"), ("shift", "%")):
        for metric in [one for one in next(iter(found.get(job, {0: {}}).values())) if one not in ("job", "seed")]:
            made.append(_runs.row(f"claim/{NUMBER}/{job}/{metric}", _rows.values(found, job, metric), unit))
    for seeds in [found["noise"]] if "noise" in found else []:
        for norm in NORMS:
            for of in NUMBERS:
                times = [one[f"{norm}/{of}"] / one[f"running_bn/{of}"] for _, one in sorted(seeds.items())]
                made.append(_runs.row(f"claim/{NUMBER}/noise/{norm}/{of}/x_running", times, "x"))
            times = [one[f"{norm}/int8"] / one[f"{norm}/fp32"] for _, one in sorted(seeds.items())]
            made.append(_runs.row(f"claim/{NUMBER}/noise/{norm}/int8/x_fp32", times, "x"))
    for seeds in [found["shift"]] if "shift" in found else []:
        for norm in SHIFTED_NORMS:
            for of in NUMBERS:
                gains = {d: [gain(one, f"{norm}/{of}/{d}") for _, one in sorted(seeds.items())] for d in DOMAINS}
                more = [b - a for a, b in zip(gains["same"], gains["shifted"], strict=True)]
                for name, values in {**gains, "shifted minus same": more}.items():
                    made.append(_runs.paired(f"claim/{NUMBER}/shift/{norm}/{of}/{name}/own_minus_kept", values))
    return made


def gain(one: dict[str, float], name: str) -> float:
    """Accuracy with the batch's own statistics minus that with the kept ones."""
    return one[f"{name}/own"] - one[f"{name}/kept"]
