"""Semi-supervision of architectures: a better embedding, or a trick of training?

GATES (:mod:`lbt.nas.predictors.encoders.gates`) after a first stage on all 15,625 cells of NAS-Bench-201 without any
label, then fine-tuned on 78 labels. First stages of :data:`STEPS` steps:

- ``none``: the random initial encoder;
- ``reconstruction``: a linear decoder names every operation from the embedding (as in arch2vec, Yan et al., NeurIPS
  2020, arXiv 2006.06936, but deterministic: no variational term);
- ``shuffled``: the same with the cells' targets exchanged at random, so that nothing about a cell can be learnt, while
  steps, loss and scales are alike: a trick of training, if there is one, is left;
- ``contrast``: a momentum encoder (benchmarks/few_labels/contrast.py).

``probe/N`` is the tau of a ridge regression from the frozen embedding with N labels, ``neighbours`` that of the mean
accuracy of a cell's ten nearest neighbours, among 2,000 held-out cells; ``tuned/LOSS`` that of the whole network after
fine-tuning. ``inputs`` has the one-hot operations of the row in place of an embedding: what the correlation of the
inputs alone gives.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import _runs
import numpy as np
import torch
from few_labels.contrast import Contrast
from few_labels.reconstruction import Reconstruction
from sklearn.linear_model import RidgeCV

from lbt.nas.predictors.cells import cells
from lbt.nas.predictors.fit import Options, PredictorNetwork
from lbt.nas.predictors.gp import normal_scores
from lbt.nas.predictors.metrics import kendall_tau
from lbt.train.threads import fixed_threads

from . import _architectures as shared
from . import _rows
from . import _setting as setting

NUMBER, SEEDS, STEPS = 9, setting.SEEDS, 600
STAGES = ("none", "reconstruction", "shuffled", "contrast")
PROBES, NEIGHBOURS, NEAR = (shared.LABELS, 3906), 10, 2000
LOSSES = ("hinge", "mse")


def jobs() -> Iterator[tuple[str, int, Any]]:
    """The inputs, then every first stage, seed by seed."""
    for seed in SEEDS:
        yield "inputs", seed, functools.partial(inputs, seed)
        for stage in STAGES:
            yield stage, seed, functools.partial(run, stage, seed)


@fixed_threads()
def run(stage: str, seed: int) -> dict[str, float]:
    """All numbers of one first stage."""
    made = geometry(embedding(first(stage, seed)), seed)
    for loss in LOSSES:
        made[f"tuned/{loss}"] = shared.tau(first(stage, seed), seed, loss)
    return made


@functools.lru_cache(maxsize=1)
def _trained(stage: str, seed: int) -> dict[str, torch.Tensor]:
    """The encoder's parameters after the first stage."""
    network = start(seed)
    task, draw = auxiliary(stage, seed), torch.Generator().manual_seed(seed)
    if task is not None:
        update = torch.optim.Adam([*network.encoder.parameters(), *task.parameters()], lr=Options().learning_rate)
        for _ in range(min(STEPS, setting.CAP)):
            update.zero_grad()
            task(network, draw).backward()
            update.step()
    return network.encoder.state_dict()


def first(stage: str, seed: int) -> PredictorNetwork:
    """A network whose encoder has gone through the first stage; its head is new."""
    network = start(seed)
    network.encoder.load_state_dict(_trained(stage, seed))
    return network


def start(seed: int) -> PredictorNetwork:
    """The random initial network."""
    return PredictorNetwork("gates", shared.table().space, Options(), shared.generator(seed))


def auxiliary(stage: str, seed: int) -> Any:
    """The loss of a first stage, None for ``none``."""
    space, rows = shared.table().space, shared.table().rows
    if stage == "none":
        return None
    if stage == "contrast":
        return Contrast(space, rows, shared.WIDTH, seed)
    made = Reconstruction(space, rows, shared.WIDTH, torch.Generator().manual_seed(seed))
    if stage == "shuffled":
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
        made.operations = made.operations[order]
    return made


@torch.no_grad()
def embedding(network: PredictorNetwork) -> np.ndarray:
    """Embeddings of all cells, float64 (15625, width)."""
    table = cells(network.space, shared.table().rows)
    return network.encoder(table.expand(1))[0].double().numpy()


@fixed_threads()
def inputs(seed: int) -> dict[str, float]:
    """The geometry of the one-hot operations."""
    kinds = len(shared.table().space.operations)
    return geometry(np.eye(kinds)[shared.table().rows].reshape(len(shared.table()), -1), seed)


def geometry(points: np.ndarray, seed: int) -> dict[str, float]:
    """Probes and neighbourhoods of points (15625, D), standardised."""
    chosen, held = shared.split(seed)
    points = (points - points.mean(0)) / np.maximum(points.std(0), 1e-9)
    truth, made = shared.values(), {}
    for count in PROBES:
        few = chosen[:count]
        probe = RidgeCV(np.logspace(-1, 5, 13)).fit(points[few], normal_scores(truth[few]))
        made[f"probe/{count}"] = float(kendall_tau(probe.predict(points[held]), truth[held]))
    some = np.random.default_rng(seed).choice(held, NEAR, replace=False)
    near = points[some]
    squares = (near**2).sum(1)
    distance = squares[:, None] + squares - 2 * near @ near.T
    np.fill_diagonal(distance, np.inf)
    closest = np.argpartition(distance, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    made["neighbours"] = float(kendall_tau(truth[some][closest].mean(1), truth[some]))
    return made


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Every number, its paired difference from ``none`` and from ``shuffled``, and ranking against squared error."""
    made: list[_rows.Row] = []
    for name, seeds in found.items():
        for metric in [one for one in next(iter(seeds.values())) if one not in ("job", "seed")]:
            made.append(_runs.row(f"claim/{NUMBER}/{name}/{metric}", _rows.values(found, name, metric), "1"))
            for other in ("none", "shuffled", "inputs"):
                if other != name and metric in next(iter(found.get(other, {0: {}}).values())):
                    made += _rows.paired(
                        f"claim/{NUMBER}/{name} minus {other}/{metric}", found, name, other, metric, "1"
                    )
    for name, seeds in found.items():
        if all("tuned/mse" in one for one in seeds.values()):
            gaps = [seeds[seed]["tuned/hinge"] - seeds[seed]["tuned/mse"] for seed in sorted(seeds)]
            made.append({**_runs.paired(f"claim/{NUMBER}/{name}/hinge minus mse", gaps), "unit": "1"})
    return made
