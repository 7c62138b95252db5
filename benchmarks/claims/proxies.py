"""Architectures ranked before all labels are there: by a part of them, without any, with tricks, half supervised.

:data:`CELLS` random cells of NAS-Bench-201 a seed, each a small network (one cell, eight channels) that is trained for
:data:`STEPS` steps on digits over photos at 16 × 16, in float32:

- ``full``: on 3,000 labels, from two initial weights; ``repeat`` is the tau between the two, the most that another
  order can be expected to reach;
- ``part``: on the first :data:`PART` labels; ``self``: on none, naming by how many quarters an image is turned (as in
  UnNAS, Liu et al., ECCV 2020, arXiv 2003.12056). Their taus are with the mean of both ``full``;
- ``early``: points that the cell which is best with a part of the labels loses, trained with all of them, on the cell
  which is best with all (chosen by the first ``full``, both judged by the second);
- ``tricks``: random shifts of two pixels and smoothed labels. ``gain``: what they add on average; ``tau``: their order
  with the second ``full``, to be held against ``repeat``;
- ``semi``: the labels of ``part`` and confident guesses on the other images (as FixMatch, arXiv 2001.07685), twice.
  ``agreement`` is the tau between the gains over ``part`` in both repetitions: above 0 where some cells gain more.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import _runs
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.spaces.nasbench201 import OPERATIONS, SPACE, format
from lbt.nas.supernet.network import cell_network, prune
from lbt.train.threads import fixed_threads

from . import _rows
from . import _setting as setting
from .difficulty import task

NUMBER, SEEDS = 21, setting.SEEDS
CELLS, STEPS, BATCH, RATE, PART, CHANNELS, SURE = 12, 100, 32, 0.1, 300, 8, 0.8
RUNS = (("full", 1), ("full", 2), ("part", 1), ("part", 2), ("semi", 1), ("semi", 2), ("self", 1), ("tricks", 1))


def jobs() -> Iterator[tuple[str, int, Any]]:
    """All trainings of one sample of cells."""
    for seed in SEEDS:
        yield "cells", seed, functools.partial(run, seed)


@fixed_threads()
def run(seed: int) -> dict[str, Any]:
    """Taus and differences of one sample, and the accuracies that they follow from."""
    chosen = sample(seed)
    found = {(kind, turn): [trained(kind, row, turn + 2 * seed) for row in chosen] for kind, turn in RUNS}
    made: dict[str, Any] = {f"{kind}/{turn}/accuracies": values for (kind, turn), values in found.items()}
    return made | numbers({key: np.array(values) for key, values in found.items()})


def numbers(found: dict[tuple[str, int], np.ndarray]) -> dict[str, float]:
    """Agreement of the proxies with the accuracies of the cells, by run."""
    first, second = found["full", 1], found["full", 2]
    truth = (first + second) / 2
    gains = [found["semi", turn] - found["part", turn] for turn in (1, 2)]
    early, late = (second[int(one.argmax())] for one in (found["part", 1], first))
    return {
        "repeat/tau": float(kendall_tau(first, second)),
        "part/tau": float(kendall_tau(found["part", 1], truth)),
        "self/tau": float(kendall_tau(found["self", 1], truth)),
        "tricks/tau": float(kendall_tau(found["tricks", 1], second)),
        "tricks/gain": float((found["tricks", 1] - first).mean()),
        "early/minus_late": float(early - late),
        "semi/agreement": float(kendall_tau(*gains)),
        "semi/gain": float(np.mean(gains)),
    }


def sample(seed: int) -> list[np.ndarray]:
    """Random cells that compute different functions, each with a convolution."""
    draw, found = np.random.default_rng(seed), dict[bytes, np.ndarray]()
    convolutions = [number for number, name in enumerate(OPERATIONS) if "conv" in name]
    rows = SPACE.all()
    while len(found) < CELLS:
        row = prune(rows[draw.integers(len(rows))])
        if np.isin(row, convolutions).any():
            found[row.tobytes()] = row
    return list(found.values())


@functools.cache
def data(part: str) -> tuple[Tensor, Tensor]:
    """Images (N, 3, 16, 16) and labels."""
    images, labels = getattr(task(), part)
    return functional.avg_pool2d(images, 2), labels


def trained(kind: str, row: np.ndarray, seed: int) -> float:
    """Test accuracy in percent of one cell, of the turns for ``self``."""
    model = cell_network(format(row), CHANNELS, in_channels=3, cells=1, seed=seed)
    (images, labels), draw = data("train"), torch.Generator().manual_seed(seed)
    known = PART if kind in ("part", "semi") else len(images)
    steps = max(2, min(STEPS, setting.CAP))
    update = torch.optim.SGD(model.parameters(), RATE, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(update, RATE, total_steps=steps, cycle_momentum=False)
    for _ in range(steps):
        batch = torch.randint(0, known, (BATCH,), generator=draw)
        x, y = images[batch], labels[batch]
        if kind == "self":
            x, y = turned(x)
        elif kind == "tricks":
            x = shifted(x, draw)
        loss = functional.cross_entropy(model(x), y, label_smoothing=0.1 if kind == "tricks" else 0.0)
        if kind == "semi":
            loss = loss + guessed(model, images[torch.randint(0, len(images), (BATCH,), generator=draw)], draw)
        update.zero_grad()
        loss.backward()
        update.step()
        schedule.step()
    x, y = data("test")
    x, y = turned(x) if kind == "self" else (x, y)
    with torch.inference_mode():
        return 100 * float((model.eval()(x).argmax(1) == y).float().mean())


def turned(images: Tensor) -> tuple[Tensor, Tensor]:
    """Each image turned by 0 to 3 quarters, one after another, and by how many."""
    turns = torch.arange(len(images)) % 4
    return torch.stack([torch.rot90(one, int(k), (1, 2)) for one, k in zip(images, turns, strict=True)]), turns


def shifted(images: Tensor, draw: torch.Generator) -> Tensor:
    """The batch shifted by up to two pixels, cyclically."""
    down, right = torch.randint(-2, 3, (2,), generator=draw).tolist()
    return images.roll((down, right), (2, 3))


def guessed(model: nn.Module, images: Tensor, draw: torch.Generator) -> Tensor:
    """Cross-entropy of shifted images with the classes that the network is sure of in the images themselves."""
    with torch.no_grad():
        sure, guess = model(images).softmax(1).max(1)
    losses = functional.cross_entropy(model(shifted(images, draw)), guess, reduction="none")
    return (losses * (sure > SURE)).mean()


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Means over the samples of cells; ``repeat minus tricks`` is paired."""
    runs = [one for _, one in sorted(found["cells"].items())]
    made: list[_rows.Row] = []
    for name in [one for one, value in runs[0].items() if isinstance(value, float)]:
        unit = "1" if name.endswith(("tau", "agreement")) else "points"
        made.append(_runs.row(f"claim/{NUMBER}/{name}", [one[name] for one in runs], unit))
    for name in ("tricks", "part", "self"):
        less = [one["repeat/tau"] - one[f"{name}/tau"] for one in runs]
        made.append({**_runs.paired(f"claim/{NUMBER}/repeat minus {name}/tau", less), "unit": "1"})
    return made
