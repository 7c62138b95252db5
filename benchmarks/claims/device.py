"""Weights that sit in analog devices: does training on them work, does it repair drift, which faults may be ignored?

The network of :mod:`benchmarks.claims._tuning`, pretrained on plain digits; W, A, E and G otherwise ``int8``, norms and
biases digital. A weight is a pair of devices, of which one is used, with 16 levels of conductance each (31 values of a
weight), which reach the largest weight of the tensor. Programming leaves noise, and conductances drift, with the
coefficients that IBM's analog hardware kit has for phase-change memory (Joshi et al., Nature Communications 2020, arXiv
1906.03138; Nandakumar et al., IEDM 2019), g relative to the largest conductance::

    deviation = (0.2635 + 1.9650 g - 1.1731 g²) / 25        g(t) = g · (t / 20 s)^-ν, ν of each device 0.05 ± 0.02

Read noise, limits of endurance and converters are not in it. Updates gather in a digital accumulator, and a weight
is written, with fresh noise, when its accumulator reaches a level (Nandakumar et al. 2020, arXiv 2001.11773).

- ``adapt``: the task of :mod:`benchmarks.claims.parts` (digits over photos) learnt on devices, beside ``digital``;
- ``drift``: accuracy on plain digits, digital, programmed, after a day, after :data:`YEAR`; then, after that time,
  ``compensated`` (one factor a tensor that restores the sum of its conductances), ``statistics`` (norms see 500
  images without labels) and ``trained`` (60 steps on 500 labelled images, written to the devices that have drifted);
- ``faults``: a share of the devices stuck at zero, or at the largest conductance, in a network without other noise;
  then with those 60 steps of training.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import _runs
import torch
from torch import Tensor, nn

from lbt.nn import optimizer
from lbt.train.threads import fixed_threads

from . import _rows
from . import _setting as setting
from . import _tuning as tuning
from .difficulty import task

NUMBER, SEEDS = 16, setting.SEEDS
LEVELS, RATE, DRIFT, SPREAD, START = 16, 0.1, 0.05, 0.02, 20.0
"""Levels of a device; learning rate; mean and deviation of ν; seconds after which drift is counted."""
DAY, YEAR = 86_400.0, 3.15e7
FEW, REPAIR, REPAIR_RATE = 500, 60, 0.02
SHARES, KINDS = (1, 5, 20), ("zero", "largest")
"""Percent of the devices that are stuck, and where."""


class Devices:
    """The weights of a network in devices: convolutions' and linear layers', the rest stays digital.

    Args:
        model: its weights are replaced by the devices' values at once.
        noisy: False for exact programming.
    """

    def __init__(self, model: nn.Module, seed: int, noisy: bool = True) -> None:
        self.weights = [one for one in model.parameters() if one.dim() > 1]
        self.draw, self.noisy = torch.Generator().manual_seed(seed), noisy
        self.largest = [one.detach().abs().amax() for one in self.weights]
        self.pending = [torch.zeros_like(one) for one in self.weights]
        self.stuck = [torch.zeros_like(one, dtype=torch.bool) for one in self.weights]
        self.values: list[Tensor] = []
        for weight, largest in zip(self.weights, self.largest, strict=True):
            self.values.append(self.programmed(weight.detach(), largest))
        self.show()

    def programmed(self, wanted: Tensor, largest: Tensor) -> Tensor:
        """The nearest level of ``wanted``, with the noise of programming."""
        step = largest / (LEVELS - 1)
        value = (wanted / step).round().clamp(1 - LEVELS, LEVELS - 1) * step
        if not self.noisy:
            return value
        share = value.abs() / largest
        deviation = (0.2635 + 1.9650 * share - 1.1731 * share**2).clamp_min(0) / 25 * largest
        return value + deviation * torch.randn(value.shape, generator=self.draw)

    @torch.no_grad()
    def show(self) -> None:
        """Give the network the devices' values."""
        for weight, value in zip(self.weights, self.values, strict=True):
            weight.copy_(value)

    @torch.no_grad()
    def write(self, step: int) -> None:
        """Take over an optimizer's step: write the devices whose accumulators have reached a level."""
        for place, (weight, largest) in enumerate(zip(self.weights, self.largest, strict=True)):
            self.pending[place] += weight - self.values[place]
            due = (self.pending[place].abs() >= largest / (LEVELS - 1)) & ~self.stuck[place]
            fresh = self.programmed(self.values[place] + self.pending[place], largest)
            self.values[place] = torch.where(due, fresh, self.values[place])
            self.pending[place][due] = 0
        self.show()

    def drift(self, seconds: float) -> None:
        """Let the conductances fall for so long."""
        for place, value in enumerate(self.values):
            exponent = DRIFT + SPREAD * torch.randn(value.shape, generator=self.draw)
            self.values[place] = value * (seconds / START) ** -exponent.clamp_min(0)
        self.show()

    def compensate(self, before: list[float]) -> None:
        """Restore each tensor's sum of conductances by one factor."""
        for place, wanted in enumerate(before):
            self.values[place] = self.values[place] * (wanted / float(self.values[place].abs().sum()))
        self.show()

    def sums(self) -> list[float]:
        """Each tensor's sum of conductances."""
        return [float(value.abs().sum()) for value in self.values]

    def fail(self, percent: float, kind: str) -> None:
        """Leave so many devices stuck."""
        for place, (value, largest) in enumerate(zip(self.values, self.largest, strict=True)):
            self.stuck[place] = torch.rand(value.shape, generator=self.draw) < percent / 100
            end = torch.zeros_like(value) if kind == "zero" else largest * torch.where(value < 0, -1.0, 1.0)
            self.values[place] = torch.where(self.stuck[place], end, value)
        self.show()


def jobs() -> Iterator[tuple[str, int, Any]]:
    """The three experiments, seed by seed."""
    for seed in SEEDS:
        yield "adapt", seed, functools.partial(adapt, seed)
        yield "drift", seed, functools.partial(drift, seed)
        yield "faults", seed, functools.partial(faults, seed)


@fixed_threads()
def adapt(seed: int) -> dict[str, float]:
    """Digits over photos, learnt in digital numbers and on devices."""
    made = {}
    for name in ("digital", "devices"):
        model = tuning.fresh(seed, setting.eight())
        after = Devices(model, seed).write if name == "devices" else tuning.nothing
        tuning.train(model, optimizer(model, lr=RATE), *task().train, seed, after=after)
        made[name] = tuning.tested(model, seed)
    return made


@fixed_threads()
def drift(seed: int) -> dict[str, float]:
    """Accuracies on plain digits through time, and after each repair."""
    made = {"digital": tested(tuning.fresh(seed, setting.eight()))}
    for name, seconds in (("programmed", START), ("day", DAY), ("year", YEAR)):
        model, devices, _ = drifted(seed, seconds)
        made[name] = tested(model)
    model, devices, before = drifted(seed, YEAR)
    devices.compensate(before)
    made["compensated"] = tested(model)
    model, _, _ = drifted(seed, YEAR)
    see(model)
    made["statistics"] = tested(model)
    model, devices, _ = drifted(seed, YEAR)
    repair(model, devices, seed)
    made["trained"] = tested(model)
    return made


def drifted(seed: int, seconds: float) -> tuple[nn.Module, Devices, list[float]]:
    """The network on devices after so long, and the sums of its conductances before."""
    model = tuning.fresh(seed, setting.eight())
    devices = Devices(model, seed)
    before = devices.sums()
    devices.drift(seconds)
    return model, devices, before


@fixed_threads()
def faults(seed: int) -> dict[str, float]:
    """Accuracies on plain digits with stuck devices, before and after training."""
    made = {}
    for kind in KINDS:
        for percent in (0, *SHARES):
            model = tuning.fresh(seed, setting.eight())
            devices = Devices(model, seed, noisy=False)
            devices.fail(percent, kind)
            made[f"{kind}/{percent}"] = tested(model)
            if percent:
                repair(model, devices, seed)
                made[f"{kind}/{percent}/trained"] = tested(model)
    return made


def few() -> tuple[Tensor, Tensor]:
    """The images and labels that the device keeps for repairs."""
    images, labels = tuning.plain().train
    return images[:FEW].expand(-1, 3, -1, -1), labels[:FEW]


def repair(model: nn.Module, devices: Devices, seed: int) -> None:
    """A short training, written to the devices."""
    tuning.train(model, optimizer(model, lr=REPAIR_RATE), *few(), seed, REPAIR, after=devices.write)


@torch.no_grad()
def see(model: nn.Module) -> None:
    """Let the norms gather their statistics anew."""
    model.train()
    for batch in few()[0].split(25):
        model(batch)


def tested(model: nn.Module) -> float:
    """Accuracy on plain digits."""
    images, labels = tuning.plain().test
    return tuning.accuracy(model, images.expand(-1, 3, -1, -1), labels)


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Accuracies; points against the digital network; of what drift loses, the share that each repair regains."""
    made: list[_rows.Row] = []
    for job, seeds in found.items():
        runs = [one for _, one in sorted(seeds.items())]
        reference = {"adapt": "digital", "drift": "digital", "faults": "zero/0"}[job]
        for name in [one for one in runs[0] if one not in ("job", "seed")]:
            label = f"claim/{NUMBER}/{job}/{name}"
            made.append(_runs.row(f"{label}/accuracy", [one[name] for one in runs], "%"))
            made.append(_runs.paired(f"{label}/minus_{reference}", [one[name] - one[reference] for one in runs]))
        if job == "drift":
            for name in ("compensated", "statistics", "trained"):
                label = f"claim/{NUMBER}/drift/{name}"
                made.append(_runs.paired(f"{label}/minus_year", [one[name] - one["year"] for one in runs]))
                shares = [100 * (one[name] - one["year"]) / (one["programmed"] - one["year"]) for one in runs]
                made.append(_runs.row(f"{label}/share_regained", shares, "%"))
            simpler = [one["trained"] - max(one["compensated"], one["statistics"]) for one in runs]
            made.append(_runs.paired(f"claim/{NUMBER}/drift/trained minus simpler", simpler))
    return made
