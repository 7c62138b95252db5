"""``lbt predict``: order a user's own architectures from the evaluated ones of a user's own table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lbt.errors import LbtError
from lbt.nas import tables
from lbt.nas.predictors import store
from lbt.nas.predictors.fit import Options
from lbt.nas.space import CellSpace

if TYPE_CHECKING:
    import pyarrow as pa


def predict(
    table: Path,
    space: Path | str,
    *,
    encoder: str = "best",
    target: str | None = None,
    top: int | None = None,
    unseen: int = 0,
    epochs: int = 200,
    members: int = 5,
    seed: int = 0,
    save: Path | None = None,
) -> pa.Table:
    """Fit on the rows of ``table`` that have a value, and score the others.

    Args:
        table: Parquet with a column ``architecture`` and a numeric column; an empty value asks for a prediction.
        space: a YAML file that describes the search space (see :class:`lbt.nas.space.SpaceSpec`), or a space's name.
        encoder: a file of ``lbt/nas/predictors/encoders/``.
        target: the column to predict, larger is better; needed where the table has several.
        top: return only that many rows.
        unseen: also score up to this many random architectures of the space that the table does not list.
        epochs, members: of a neural predictor (``members`` networks give the uncertainty).
        seed: of initial parameters, order, and the random architectures.
        save: also keep the fitted predictor in this file, for :func:`predict_fitted`.

    Returns:
        One row per scored architecture, best first: ``architecture``, ``rank`` (1 is the best), ``score`` (only its
        order means something), ``uncertainty`` (standard deviation of the score), ``expected`` (the evaluated values'
        quantile at the score's place among the evaluated architectures' scores, in the target's unit).

    Raises:
        LbtError: what :func:`lbt.nas.tables.read` refuses; an ambiguous target; nothing to learn from or to score.
    """
    data = tables.read(table, space, unlabelled=True)
    if not data.targets:
        raise LbtError(
            f"{table}: no numeric column to predict; accepted: one beside 'architecture', or a fitted predictor"
        )
    if target is None and len(data.targets) > 1:
        raise LbtError(f"{table}: several columns could be the target; choose one of: {', '.join(data.targets)}")
    name = target if target is not None else next(iter(data.targets))
    values = data.target(name)
    tables.check_values(table, name, values, unlabelled=True)
    known = np.isfinite(values)
    pool = _pool(table, data, known, name, unseen, seed)
    options = Options(epochs=epochs, members=members)
    predictor = store.Predictor.fit(encoder, data.space, data.rows[known], values[known], name, options, seed)
    if save is not None:
        store.save(save, predictor)
    return _ranked(predictor, pool, top)


def predict_fitted(
    table: Path, space: Path | str, fitted: Path, *, top: int | None = None, unseen: int = 0, seed: int = 0
) -> pa.Table:
    """Score rows of ``table`` by a predictor that was kept, as :func:`predict` would have after fitting it.

    Args:
        table: Parquet with a column ``architecture``; rows that have a value of the predictor's target are left out.
        space: the search space, as in :func:`predict`.
        fitted: a file that ``predict(…, save=…)`` or the predictor stage wrote.
        top, unseen: as in :func:`predict`.
        seed: of the random architectures.

    Raises:
        LbtError: what :func:`lbt.nas.tables.read` and :func:`lbt.nas.predictors.store.load` refuse; a predictor of
            another space; nothing to score.
    """
    predictor = store.load(fitted)
    data = tables.read(table, space, unlabelled=True)
    if _described(predictor.space) != _described(data.space):
        raise LbtError(f"{fitted}: fitted on the space {predictor.space.name!r}, which differs from {str(space)!r}")
    known = np.isfinite(data.targets.get(predictor.target, np.full(len(data), np.nan)))
    return _ranked(predictor, _pool(table, data, known, predictor.target, unseen, seed), top)


def _described(space: CellSpace) -> dict[str, object]:
    """All that a predictor depends on in a space: the name is not part of it."""
    return space.spec.model_dump(exclude={"name", "edges"}) | {"edges": space.edges}


def _pool(table: Path, data: tables.Table, known: np.ndarray, name: str, unseen: int, seed: int) -> np.ndarray:
    """The rows to score (M, L): those that are not ``known``, and up to ``unseen`` random ones beside the table's."""
    pool = data.rows[~known]
    if unseen:
        seen = {row.tobytes() for row in data.rows}
        generator = np.random.default_rng([seed, 1])
        drawn = np.unique(data.space.sample(4 * unseen + 2 * len(seen), generator), axis=0)
        drawn = drawn[[row.tobytes() not in seen for row in drawn]]
        pool = np.concatenate([pool, generator.permutation(drawn)[:unseen]])
    if not len(pool):
        raise LbtError(
            f"{table}: every row has a value of {name}: nothing to predict (leave some empty, or ask for unseen)"
        )
    return pool


def _ranked(predictor: store.Predictor, pool: np.ndarray, top: int | None) -> pa.Table:
    import pyarrow as pa

    score, deviation = predictor.fitted.predict(pool)
    order = np.argsort(-score, kind="stable")[:top]
    return pa.table(
        {
            "architecture": [predictor.space.format(row) for row in pool[order]],
            "rank": np.arange(1, len(order) + 1),
            "score": score[order],
            "uncertainty": deviation[order],
            "expected": predictor.expected(score[order]),
        }
    )
