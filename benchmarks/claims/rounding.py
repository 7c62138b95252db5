"""Worth of stochastic rounding in bits: of a gradient that is averaged over steps, and of accuracy.

``gradient``: one batch of the task ``blended`` in a network after :data:`WARM` steps in float32; errors and weight
gradients in b bits, everything else in float32. The error of the mean of N stochastic draws, as a share of the float32
gradient, stands beside the error of nearest rounding, which no averaging lowers. ``worth`` is how many more bits
nearest rounding needs for the same error, interpolated between whole bits on the logarithm of the error.

``accuracy``: trained from scratch for :data:`STEPS` steps, W, A and G in 8 bits, E in b bits under each rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import _runs
import numpy as np
import recipes
import torch
from torch import nn
from torch.nn import functional

from lbt.nn import optimizer, quantize, set_step
from lbt.recipe import Recipe
from lbt.train.threads import fixed_threads

from . import _rows
from . import _setting as setting
from .difficulty import run as trained
from .difficulty import task

WARM, SEEDS = 150, setting.SEEDS[:3]
WIDTHS, DRAWS = (2, 3, 4, 5, 6, 7, 8), (1, 4, 16, 64)
TRAINED = {"stochastic": (3, 4), "nearest": (3, 4, 5, 6)}
NUMBER = 6


def jobs() -> Iterator[tuple[str, int, Any]]:
    """The gradients first, then the trainings seed by seed."""
    for seed in SEEDS:
        yield "gradient", seed, functools.partial(gradients, seed)
    for seed in SEEDS:
        for rounding, widths in TRAINED.items():
            for bits in widths:
                yield f"accuracy/{rounding}/{bits}", seed, functools.partial(trained, errors_in(bits, rounding), seed)


def errors_in(bits: int, rounding: str) -> dict[str, Any]:
    """W, A and G in 8 bits, E in ``bits``."""
    return {"W": "int8", "A": "int8", "E": {"format": f"int{bits}", "rounding": rounding},
            "G": {"format": "int8", **setting.STOCHASTIC}}  # fmt: skip


@functools.cache
def warm(seed: int) -> nn.Module:
    """The float32 network of ``seed`` after ``WARM`` steps at half of the benchmark's peak rate."""
    (x, y), model = task().train, recipes.network(seed, 3)
    update, draw = (
        optimizer(quantize(model, "fp32", inplace=True), lr=recipes.RATE / 2),
        torch.Generator().manual_seed(seed),
    )
    for _ in range(min(WARM, setting.CAP)):
        batch = torch.randint(0, len(x), (recipes.BATCH,), generator=draw)
        update.zero_grad()
        functional.cross_entropy(model(x[batch]), y[batch]).backward()
        update.step()
    fresh = recipes.network(seed, 3)
    fresh.load_state_dict(model.state_dict())
    return fresh


def gradient(model: nn.Module, step: int, first: int = 0) -> torch.Tensor:
    """All parameters' gradients, flat, for 64 training images from ``first`` on; ``step`` keys the draws."""
    x, y = (part[first : first + 64] for part in task().train)
    set_step(model, step)
    model.zero_grad()
    functional.cross_entropy(model(x), y).backward()
    return torch.cat([p.grad.flatten().clone() for p in model.parameters() if p.grad is not None])


@fixed_threads()
def gradients(seed: int) -> dict[str, float]:
    """Errors as shares of the exact gradient's length, and the worth in bits for each width and number of draws."""
    exact = gradient(quantize(warm(seed), "fp32", seed=seed), 0)
    nearest, mean = {}, {}
    for bits in WIDTHS:
        one = quantize(warm(seed), backward(bits, "nearest"), seed=seed)
        nearest[bits] = float((gradient(one, 0) - exact).norm() / exact.norm())
        drawn, total = quantize(warm(seed), backward(bits, "stochastic"), seed=seed), torch.zeros_like(exact)
        for step in range(max(DRAWS)):
            total += gradient(drawn, step)
            if step + 1 in DRAWS:
                mean[bits, step + 1] = float((total / (step + 1) - exact).norm() / exact.norm())
    made = {f"nearest/{bits}": error for bits, error in nearest.items()}
    for (bits, draws), error in mean.items():
        made |= {f"mean of {draws}/{bits}": error, f"worth/{draws}/{bits}": wider(nearest, error) - bits}
    return made


def backward(bits: int, rounding: str) -> Recipe:
    """Errors and weight gradients in ``bits``, the rest in float32."""
    role = {"format": f"int{bits}", "rounding": rounding}
    return Recipe.model_validate({"E": role, "G": role})


def wider(nearest: dict[int, float], error: float) -> float:
    """The width, not always whole, at which nearest rounding has ``error``; extrapolated at half an error a bit."""
    widths, logs = list(nearest), np.log2(list(nearest.values()))
    wanted = np.log2(error)
    if wanted < logs[-1]:
        return float(widths[-1] + logs[-1] - wanted)
    if wanted > logs[0]:
        return float(widths[0] + logs[0] - wanted)
    return float(np.interp(-wanted, -np.minimum.accumulate(logs), widths))


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Means of the gradients' numbers, accuracies, and stochastic against nearest at the same and at one bit more."""
    made: list[_rows.Row] = []
    for metric in next(iter(found.get("gradient", {0: {}}).values())):
        if metric not in ("job", "seed"):
            unit = "bits" if metric.startswith("worth") else "ratio"
            made.append(_runs.row(f"claim/{NUMBER}/gradient/{metric}", _rows.values(found, "gradient", metric), unit))
    for name in sorted(found):
        if name != "gradient":
            made.append(_runs.row(f"claim/{NUMBER}/{name}", _rows.values(found, name, "accuracy"), "%"))
    for bits in TRAINED["stochastic"]:
        for more in (0, 1, 2):
            name, other = f"accuracy/stochastic/{bits}", f"accuracy/nearest/{bits + more}"
            row = f"claim/{NUMBER}/accuracy/{bits} stochastic minus {bits + more} nearest"
            made += _rows.paired(row, found, name, other, "accuracy")
    return made
