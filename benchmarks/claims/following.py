"""Bits that follow a measured error while training, against fixed ones.

After Zhang et al., "Fixed-point back-propagation training" (arXiv 1911.00361), as far as its abstract goes: each
layer's errors have a width of their own, 3 to 8 bits, 4 at the beginning. Every :data:`EVERY` steps the difference that
nearest rounding would make is measured, as a share of the error's length. Above :data:`TOLERATED` the layer gets a bit
more, below a third of it one less (a bit is a factor of two). The paper measures the change of the mean of magnitudes,
which stochastic rounding leaves alone, and raises its widths by eight bits.

The task is that of :mod:`benchmarks.claims.difficulty`, :data:`STEPS` steps from scratch; W, A and G have 8 bits,
errors are rounded stochastically with one scale a tensor. ``bits``: mean width over layers and steps.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import _runs
import recipes
from torch import Tensor, nn

from lbt.nn import optimizer
from lbt.numerics.spec import RoleSpec
from lbt.train.threads import fixed_threads

from . import _rows
from . import _setting as setting
from . import _tuning as tuning
from .difficulty import task

NUMBER, SEEDS, STEPS = 18, setting.SEEDS, 300
EVERY, TOLERATED, FIRST, WIDTHS = 10, 0.15, 4, (3, 8)
FIXED = (8, 6, 4)


class Following:
    """Widths of the errors of a network's quantized layers.

    Args:
        model: a converted network.
        follow: False to keep ``bits``.
    """

    def __init__(self, model: nn.Module, bits: int, follow: bool) -> None:
        self.layers = [one for one in model.modules() if hasattr(one, "roles")]
        self.bits, self.spent = [bits] * len(self.layers), list[float]()
        self.used = float(bits)
        for place, layer in enumerate(self.layers):
            self.give(place)
            if follow:
                layer.register_forward_hook(functools.partial(self.listen, place))

    def give(self, place: int) -> None:
        """Give a layer its width."""
        form = RoleSpec.model_validate({"format": f"int{self.bits[place]}", **setting.STOCHASTIC})
        layer: Any = self.layers[place]
        layer.roles = layer.roles.model_copy(update={"E": form})

    def listen(self, place: int, layer: nn.Module, inputs: Any, output: Tensor) -> None:
        """Measure the error that comes back to this output, where it is time."""
        if len(self.spent) % EVERY == 0 and output.requires_grad:
            output.register_hook(functools.partial(self.measure, place))

    def measure(self, place: int, error: Tensor) -> None:
        """Change the layer's width for the steps that follow."""
        difference = nearest_difference(error, self.bits[place])
        if difference > TOLERATED:
            self.bits[place] = min(self.bits[place] + 1, WIDTHS[1])
        elif difference < TOLERATED / 3:
            self.bits[place] = max(self.bits[place] - 1, WIDTHS[0])

    def after(self, step: int) -> None:
        """Count the bits of this step, and take over the widths that were measured in it."""
        self.spent.append(self.used)
        self.used = sum(self.bits) / len(self.bits)
        for place in range(len(self.layers)):
            self.give(place)


def nearest_difference(error: Tensor, bits: int) -> float:
    """Length of the difference that rounding to ``bits`` makes, one scale a tensor, as a share of the error's."""
    step = error.abs().amax() / (2 ** (bits - 1) - 1)
    length = float(error.norm())
    return float((error - (error / step).round() * step).norm()) / length if length > 0 else 0.0


def jobs() -> Iterator[tuple[str, int, Any]]:
    """Widths that follow, then fixed ones, seed by seed."""
    for seed in SEEDS:
        yield "following", seed, functools.partial(run, FIRST, True, seed)
        for bits in FIXED:
            yield f"fixed {bits}", seed, functools.partial(run, bits, False, seed)


@fixed_threads()
def run(bits: int, follow: bool, seed: int) -> dict[str, float]:
    """Accuracy and mean width of one training, and the mean width in its last tenth."""
    model = tuning.fresh(seed, setting.eight(), lambda seed: recipes.network(seed, 3))
    widths = Following(model, bits, follow)
    update = optimizer(model, lr=recipes.RATE, weight_decay=1e-4)
    tuning.train(model, update, *task().train, seed, STEPS, after=widths.after)
    last = widths.spent[-max(1, len(widths.spent) // 10) :]
    mean = sum(widths.spent) / len(widths.spent)
    return {"accuracy": tuning.tested(model, seed), "bits": mean, "last bits": sum(last) / len(last)}


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Accuracies, points against fixed widths, bits."""
    made: list[_rows.Row] = []
    for name in found:
        label = f"claim/{NUMBER}/{name}"
        made.append(_runs.row(f"{label}/accuracy", _rows.values(found, name, "accuracy"), "%"))
        for bits in FIXED:
            made += _rows.paired(f"{label}/minus_{bits}", found, name, f"fixed {bits}", "accuracy")
        for metric in ("bits", "last bits"):
            made.append(_runs.row(f"{label}/{metric}", _rows.values(found, name, metric), "bits"))
    return made
