"""Eight bits give four times: bytes on the device and points, when masters, moments and teacher leave float32 too.

The mean teacher on optdigits→mnist, ``int8`` products throughout. ``masters 16`` has integer master weights and
momentum of 16 bits, ``masters 8`` of 8; ``teacher 8`` rounds the teacher's average stochastically to 8 bits after each
step, on the fixed grid of its first weights (it moves by 1 - ema of a small update, which nearest rounding would lose).
Bytes are those of lbt.adapt.memory; a teacher in 8 bits is counted as one byte a weight where that counts four.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import _runs
import torch

from lbt.adapt.memory import device_memory
from lbt.adapt.methods.mean_teacher import Method

from . import _rows
from . import _setting as setting

NUMBER, SEEDS = 5, setting.SEEDS[:3]
IMAGES = ("source_data", "target_data")


def lean(bits: int) -> dict[str, Any]:
    """The recipe ``int8`` with integer master weights and momentum of ``bits``."""
    moments = {"format": f"int{bits}-pow2", **setting.STOCHASTIC}
    return setting.eight(U=moments, update={"master": "integer", "bits": bits})


class LeanTeacher(Method):
    """A mean teacher whose average is kept in 8 bits."""

    def follow(self) -> None:
        """Average as ever, then round each weight to its grid, up with the probability of its remainder."""
        if not hasattr(self, "grid"):
            self.grid = [p.abs().amax().clamp_min(1e-8) * 2 / 127 for p in self.teacher.parameters()]
            self.draw = torch.Generator().manual_seed(self.task.seed)
        super().follow()
        with torch.no_grad():
            for weight, step in zip(self.teacher.parameters(), self.grid, strict=True):
                noise = torch.rand(weight.shape, generator=self.draw)
                weight.copy_(((weight / step + noise).floor().clamp(-127, 127)) * step)


VARIANTS = {
    "fp32": ({}, Method),
    "int8": (setting.eight(), Method),
    "masters 16, teacher 8": (lean(16), LeanTeacher),
    "masters 8": (lean(8), Method),
    "masters 16": (lean(16), Method),
}


def jobs() -> Iterator[tuple[str, int, Any]]:
    """The bytes, which need no training; then every variant, seed by seed."""
    for name, (recipe, kind) in VARIANTS.items():
        yield f"bytes/{name}", SEEDS[0], functools.partial(sizes, recipe, kind)
    for seed in SEEDS:
        for name, (recipe, kind) in VARIANTS.items():
            yield name, seed, functools.partial(run, recipe, kind, seed)


def sizes(recipe: dict[str, Any], kind: type[Method]) -> dict[str, float]:
    """All bytes, and those that are no images."""
    one = setting.method(recipe, setting.PAIR, SEEDS[0], kind)
    found = {name: float(size) for name, size in device_memory(one).items()}
    if kind is LeanTeacher:
        found["total"] -= 3.0 * sum(p.numel() for p in one.teacher.parameters())
    return {"bytes": found["total"], "without images": found["total"] - sum(found[name] for name in IMAGES)}


def run(recipe: dict[str, Any], kind: type[Method], seed: int) -> dict[str, float]:
    """One adaptation."""
    return {"target": setting.adapted(recipe, seed, kind=kind)["target"]}


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Accuracy, points against float32, and how many times fewer bytes."""
    made: list[_rows.Row] = []
    for name in VARIANTS:
        if name in found:
            made.append(_runs.row(f"claim/{NUMBER}/{name}/target_accuracy", _rows.values(found, name, "target"), "%"))
            made += _rows.paired(f"claim/{NUMBER}/{name}/minus_fp32", found, name, "fp32", "target")
        for metric in ("bytes", "without images"):
            one, full = (_rows.values(found, f"bytes/{of}", metric) for of in (name, "fp32"))
            if one and full:
                made.append(_runs.row(f"claim/{NUMBER}/{name}/{metric}/times_fewer", [full[0] / one[0]], "x"))
    return made
