"""The predictor stage: one encoder and one seed, over all training sizes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lbt.artifacts import write_table
from lbt.errors import LbtError
from lbt.nas import tables
from lbt.nas.predictors import metrics, store
from lbt.nas.predictors.fit import Options
from lbt.nas.predictors.params import PredictorJob
from lbt.progress import track


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """``table``: evaluated architectures, Parquet (see :mod:`lbt.nas.tables`)."""

    table: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Files that a job makes.

    Attributes:
        scores: Parquet with the held-out architectures, their value, and one score column per training size.
        predictor: the predictor fitted on the largest training size (see :mod:`lbt.nas.predictors.store`).
    """

    scores: Path
    predictor: Path


def options(params: PredictorJob) -> Options:
    """The training options that ``params`` asks for."""
    shared = ("loss", "epochs", "batch", "learning_rate", "width", "members", "validation")
    return Options(**{name: getattr(params, name) for name in shared})


def halves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A random half for training, in random order, and the other half: indices below ``count``."""
    order = np.random.default_rng(seed).permutation(count)
    return order[: count // 2], np.sort(order[count // 2 :])


def run(params: PredictorJob, inputs: Inputs, outputs: Outputs) -> dict[str, float]:
    """Fit and test one encoder with one seed.

    Returns:
        ``"{size}/{metric}"`` with the metrics of :func:`lbt.nas.predictors.metrics.ranking` on the held-out half.
    """
    table = tables.read(inputs.table, params.space)
    values, seed = table.target(params.target), params.seed
    train, held = halves(len(table), seed)
    if max(params.sizes) > len(train):
        raise LbtError(
            f"predictor.sizes: {max(params.sizes)} is more than half of the table ({len(train)} of {len(table)})"
        )
    columns: dict[str, object] = {
        "architecture": [table.space.format(row) for row in table.rows[held]],
        params.target: values[held],
    }
    found: dict[str, float] = {}
    for size in track(params.sizes, f"{params.encoder}, seed {seed}"):
        chosen = train[:size]
        predictor = store.Predictor.fit(
            params.encoder, table.space, table.rows[chosen], values[chosen], params.target, options(params), seed
        )
        scores, _ = predictor.fitted.predict(table.rows[held])
        columns[f"score_{size}"] = scores
        found |= {f"{size}/{name}": value for name, value in metrics.ranking(scores, values[held]).items()}
        if size == max(params.sizes):
            store.save(outputs.predictor, predictor)
    write_table(outputs.scores, columns)
    return found
