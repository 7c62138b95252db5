"""Labels from the user: asked for, given as corrections, or as a weak signal.

A network pretrained on plain digits works on a stream of 1,000 digits over photos in ``int8``
(:mod:`benchmarks.claims._tuning`) and gets, before it is trained for :data:`STEPS` steps on what it got:

- ``none``: nothing; its norms see the stream (which all others do too);
- ``random``: the labels of 50 random images; ``asked``: of the 50 on which its two best classes are nearest;
- ``corrections``: of the first 50 that it got wrong; ``weak``: whether its answer was right, for 250 random images.

A weak signal's loss is that of the label where the answer was right, and -log(1 - p) of the answer where it was wrong.
``weakest`` is the smallest gain of ``asked``, ``corrections`` and ``weak`` over ``none``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import _runs
import torch
from torch import Tensor, nn
from torch.nn import functional

from lbt.nn import optimizer, set_step
from lbt.train.threads import fixed_threads

from . import _rows
from . import _setting as setting
from . import _tuning as tuning
from .difficulty import task

NUMBER, SEEDS = 17, setting.SEEDS
STREAM, BUDGET, SIGNALS, STEPS, RATE = 1000, 50, 250, 60, 0.02
SOURCES = ("none", "random", "asked", "corrections", "weak")


def jobs() -> Iterator[tuple[str, int, Any]]:
    """All sources of one seed together."""
    for seed in SEEDS:
        yield "stream", seed, functools.partial(run, seed)


@fixed_threads()
def run(seed: int) -> dict[str, float]:
    """Accuracy on the test images by source of labels."""
    return {name: trained(name, seed) for name in SOURCES}


def trained(name: str, seed: int) -> float:
    """Accuracy after training with one source of labels."""
    model = tuning.fresh(seed, setting.eight())
    images, labels = (part[:STREAM] for part in task().train)
    answers = watched(model, images)
    if name != "none":
        chosen = choose(name, answers, labels, seed)
        right = answers[chosen].argmax(1) == labels[chosen]
        taught = answers[chosen].argmax(1) if name == "weak" else labels[chosen]
        learn(model, images[chosen], taught, right if name == "weak" else torch.ones_like(right), seed)
    return tuning.tested(model, seed)


@torch.no_grad()
def watched(model: nn.Module, images: Tensor) -> Tensor:
    """Probabilities (N, 10) with the statistics of batches of 50, which the norms gather meanwhile."""
    model.train()
    return torch.cat([model(batch).softmax(1) for batch in images.split(50)])


def choose(name: str, answers: Tensor, labels: Tensor, seed: int) -> Tensor:
    """Indices of the images whose label, or signal, the user gives."""
    best = answers.topk(2).values
    if name == "asked":
        return (best[:, 0] - best[:, 1]).argsort()[:BUDGET]
    if name == "corrections":
        return (answers.argmax(1) != labels).nonzero().flatten()[:BUDGET]
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return order[: SIGNALS if name == "weak" else BUDGET]


def learn(model: nn.Module, images: Tensor, classes: Tensor, right: Tensor, seed: int) -> None:
    """Batches of 32 of what the user said: towards ``classes`` where ``right``, away from them elsewhere."""
    update, draw = optimizer(model, lr=RATE), torch.Generator().manual_seed(seed)
    for step in range(min(STEPS, setting.CAP)):
        set_step(model, step)
        batch = torch.randint(0, len(images), (tuning.BATCH,), generator=draw)
        update.zero_grad()
        logs = functional.log_softmax(model(images[batch]), 1).gather(1, classes[batch, None])[:, 0]
        away = -torch.log1p(-logs.exp().clamp(max=1 - 1e-4))
        torch.where(right[batch], -logs, away).mean().backward()
        update.step()


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Accuracies, gains over no label and over random ones, the smallest of the sources' gains."""
    made: list[_rows.Row] = []
    runs = [one for _, one in sorted(found["stream"].items())]
    for name in SOURCES:
        label = f"claim/{NUMBER}/{name}"
        made.append(_runs.row(f"{label}/accuracy", [one[name] for one in runs], "%"))
        for other in ("none", "random"):
            made.append(_runs.paired(f"{label}/minus_{other}", [one[name] - one[other] for one in runs]))
    least = [min(one[name] for name in SOURCES[2:]) - one["none"] for one in runs]
    return [*made, _runs.paired(f"claim/{NUMBER}/weakest/minus_none", least)]
