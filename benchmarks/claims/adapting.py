"""Is low-bit training noisier in adaptation than in plain training?

The relative error of the gradient in ``int8`` as benchmarks/adaptation_ablations.py takes it (the network pretrained on
optdigits, before the first step; plain training: cross-entropy on the source; adaptation: agreement with the teacher
and class balance on mnist), on six batches of each of ten seeds. A seed's number is the mean over its batches.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import _runs
import numpy as np
from adaptation_ablations import gradients

from lbt.train.threads import fixed_threads

from . import _rows
from . import _setting as setting

NUMBER, SEEDS = 20, tuple(range(5, 15))
KINDS = ("plain training", "adaptation")


def jobs() -> Iterator[tuple[str, int, Any]]:
    """One job a seed."""
    for seed in SEEDS:
        yield "noise", seed, functools.partial(run, seed)


@fixed_threads()
def run(seed: int) -> dict[str, float]:
    """Relative errors in percent: mean over the batches, and their deviation."""
    found: dict[str, list[float]] = {}
    exact = gradients(setting.method({}, setting.PAIR, seed))
    low = gradients(setting.method(setting.eight(), setting.PAIR, seed))
    for (kind, mine), (_, theirs) in zip(low, exact, strict=True):
        size, error = float(theirs.norm()), float((mine - theirs).norm())
        found.setdefault(kind, []).append(100 * error / size if size else 0.0)  # no image that the teacher is sure of
    made = {kind: float(np.mean(values)) for kind, values in found.items()}
    return made | {f"{kind}/deviation": float(np.std(values, ddof=1)) for kind, values in found.items()}


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Errors, their deviations over batches, and the paired difference."""
    runs = [one for _, one in sorted(found["noise"].items())]
    made = []
    for kind in KINDS:
        made.append(_runs.row(f"claim/{NUMBER}/{kind}/gradient_error", [one[kind] for one in runs], "%"))
        deviations = [one[f"{kind}/deviation"] for one in runs]
        made.append(_runs.row(f"claim/{NUMBER}/{kind}/deviation", deviations, "%"))
    differences = [one["adaptation"] - one["plain training"] for one in runs]
    return [*made, _runs.paired(f"claim/{NUMBER}/adaptation minus plain", differences)]
