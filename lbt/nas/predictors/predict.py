"""``lbt predict``: order a user's own architectures from the evaluated ones of a user's own table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lbt.errors import LbtError
from lbt.nas import tables
from lbt.nas.predictors import ENCODERS, store
from lbt.nas.predictors.calibrate import LEVEL
from lbt.nas.predictors.columns import Columns
from lbt.nas.predictors.fit import Options
from lbt.nas.space import CellSpace

if TYPE_CHECKING:
    import pyarrow as pa

CHOICE = b"lbt.choice"
"""Key of the answer's metadata under which JSON says what ``auto`` has chosen (see :func:`choice_of`)."""


def predict(
    table: Path,
    space: Path | str,
    *,
    encoder: str = "auto",
    target: str | None = None,
    features: Sequence[str] = (),
    smaller: bool = False,
    top: int | None = None,
    unseen: int = 0,
    epochs: int = 200,
    members: int = 5,
    candidates: Sequence[str] = (),
    seed: int = 0,
    save: Path | None = None,
) -> pa.Table:
    """Fit on the rows of ``table`` that have a value, and score the others.

    Args:
        table: Parquet or CSV with a column ``architecture`` and a numeric column; an empty value asks for a prediction.
        space: a YAML file that describes the search space (see :class:`lbt.nas.space.SpaceSpec`), or a space's name.
        encoder: a file of ``lbt/nas/predictors/encoders/``; ``auto`` weighs several by cross-validation.
        target: the column to predict; needed where the table has several beside the features.
        features: numeric columns, known in every row, that help to predict (FLOPs, parameters).
        smaller: a smaller value of the target is better (an error, a latency).
        top: return only that many rows.
        unseen: also score up to this many random architectures of the space that the table does not list.
        epochs, members: of a neural predictor (``members`` networks give the uncertainty).
        candidates: predictors that ``auto`` weighs, by default those of :class:`lbt.nas.predictors.fit.Options`.
        seed: of initial parameters, order, folds, and the random architectures.
        save: also keep the fitted predictor in this file, for :func:`predict_fitted`.

    Returns:
        One row per scored architecture, best first: ``architecture``, ``rank`` (1 is the best), ``score`` (larger is
        better; only its order means something), ``uncertainty`` (standard deviation of the score), ``expected`` (value
        in the target's unit). With ``auto`` scores and uncertainties are calibrated on the evaluated architectures, and
        there are bounds which nine of ten true values and ranks are expected in: ``low`` and ``high`` (the target's
        unit), ``rank_low`` and ``rank_high`` (among the scored); :func:`choice_of` says what was chosen.

    Raises:
        LbtError: what :func:`lbt.nas.tables.read` refuses; an ambiguous target; nothing to learn from or to score;
            equal values; a feature that is not a number in each row.

    The answer does not depend on the order of the table's rows.
    """
    options = Options(epochs=epochs, members=members)
    if candidates:
        options = replace(options, candidates=tuple(candidates))
    for named in (encoder, *options.candidates):
        ENCODERS.check(named)
    data = tables.read(table, space, unlabelled=True)
    numbers = _numbers(table, data, features)  # first: a misspelt feature would count as a column to predict
    name = _target(table, data, target, features)
    values = data.target(name)
    tables.check_values(table, name, values, unlabelled=True)
    known = np.isfinite(values)
    _check_labels(table, name, values[known])
    order = _order(data)
    data, numbers, values, known = replace(data, rows=data.rows[order]), numbers[order], values[order], known[order]
    pool, beside = _pool(table, data, numbers, known, name, unseen, seed)
    try:
        columns = Columns.of(tuple(features), numbers)
        predictor = store.Predictor.fit(
            encoder, data.space, data.rows[known], values[known], name, options, seed, columns, numbers[known], smaller
        )
    except LbtError as error:
        raise LbtError(f"{table}: {error}") from None
    if save is not None:
        store.save(save, predictor)
    return _ranked(predictor, pool, beside, top)


def predict_fitted(
    table: Path, space: Path | str, fitted: Path, *, top: int | None = None, unseen: int = 0, seed: int = 0
) -> pa.Table:
    """Score rows of ``table`` by a predictor that was kept, as :func:`predict` would have after fitting it.

    Args:
        table: as in :func:`predict`; rows that have a value of the predictor's target are left out.
        space: the search space, as in :func:`predict`.
        fitted: a file that ``predict(…, save=…)`` or the predictor stage wrote.
        top, unseen: as in :func:`predict`.
        seed: of the random architectures.

    Raises:
        LbtError: what :func:`lbt.nas.tables.read` and :func:`lbt.nas.predictors.store.load` refuse; a predictor of
            another space; a feature of the predictor that the table lacks; nothing to score.
    """
    predictor = store.load(fitted)
    data = tables.read(table, space, unlabelled=True)
    if _described(predictor.space) != _described(data.space):
        raise LbtError(f"{fitted}: fitted on the space {predictor.space.name!r}, which differs from {str(space)!r}")
    known = np.isfinite(data.targets.get(predictor.target, np.full(len(data), np.nan)))
    numbers, order = _numbers(table, data, predictor.columns.names), _order(data)
    data, numbers, known = replace(data, rows=data.rows[order]), numbers[order], known[order]
    return _ranked(predictor, *_pool(table, data, numbers, known, predictor.target, unseen, seed), top)


def choice_of(scores: pa.Table) -> dict[str, dict[str, float]] | None:
    """The choice of ``auto`` for a table of :func:`predict`; None where another predictor was named.

    Returns:
        By candidate, and for their ``blend``: ``weight`` (of a candidate, 0…1), ``kendall_tau`` on architectures whose
        value each has not seen, and ``std`` of it over the folds.
    """
    found = (scores.schema.metadata or {}).get(CHOICE)
    return None if found is None else json.loads(found)


def told_choice(choice: dict[str, dict[str, float]]) -> str:
    """One line: the weights, and how well each candidate orders architectures whose value it has not seen."""
    candidates = sorted((name for name in choice if name != "blend"), key=lambda name: -choice[name]["weight"])
    tau = {name: f"{facts['kendall_tau']:.3f} ± {facts['std']:.3f}" for name, facts in choice.items()}
    weights = ", ".join(f"{choice[name]['weight']:.2f} {name} ({tau[name]})" for name in candidates)
    return f"chosen by cross-validation, with Kendall's tau {tau['blend']} over the folds: {weights}"


def _target(table: Path, data: tables.Table, target: str | None, features: Sequence[str]) -> str:
    if target is not None:
        if target in features:
            raise LbtError(f"{table}: {target} is the target and a feature; accepted: one of the two")
        return target
    possible = [name for name in (*data.targets, *data.nearly) if name not in features]
    if not possible:
        found = "".join(f"; {name} holds {what}" for name, what in data.others.items())
        raise LbtError(
            f"{table}: no numeric column to predict{found}; accepted: one beside 'architecture', or a fitted predictor"
        )
    if len(possible) > 1:
        raise LbtError(f"{table}: several columns could be the target; choose one of: {', '.join(possible)}")
    return possible[0]


def _check_labels(table: Path, name: str, values: np.ndarray) -> None:
    """Raise :class:`LbtError` for labels that order nothing."""
    if len(values) < 2:
        raise LbtError(f"{table}: {len(values)} rows have a value of {name}; a predictor needs two or more")
    if values.min() == values.max():
        raise LbtError(f"{table}: {name} is {values[0]:g} in all {len(values)} rows that have it: no order to learn")


def _numbers(table: Path, data: tables.Table, names: Sequence[str]) -> np.ndarray:
    """The columns ``names`` of all rows, float64 (N, C)."""
    for name in names:
        tables.check_values(table, name, data.column(name, "feature"))
    if twice := next((name for name in names if list(names).count(name) > 1), None):
        raise LbtError(f"{table}: feature {twice} is named twice")
    return np.stack([data.targets[name] for name in names], 1) if names else np.zeros((len(data), 0))


def _order(data: tables.Table) -> np.ndarray:
    """Places of the rows (N,) in the order of their architectures: nothing depends on the order in the file."""
    return np.lexsort(data.rows.T[::-1])


def _described(space: CellSpace) -> dict[str, object]:
    """All that a predictor depends on in a space: the name is not part of it."""
    return space.spec.model_dump(exclude={"name", "edges"}) | {"edges": space.edges}


def _pool(
    table: Path, data: tables.Table, numbers: np.ndarray, known: np.ndarray, name: str, unseen: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The rows to score (M, L) and their numbers (M, C): those that are not ``known``, and ``unseen`` random ones."""
    pool, beside = data.rows[~known], numbers[~known]
    if unseen and numbers.shape[1]:
        raise LbtError(f"{table}: unseen architectures have no features; list them in the table with an empty {name}")
    if unseen:
        seen = {row.tobytes() for row in data.rows}
        generator = np.random.default_rng([seed, 1])
        drawn = np.unique(data.space.sample(4 * unseen + 2 * len(seen), generator), axis=0)
        drawn = drawn[[row.tobytes() not in seen for row in drawn]]
        pool = np.concatenate([pool, generator.permutation(drawn)[:unseen]])
        beside = np.zeros((len(pool), 0))
    if not len(pool):
        raise LbtError(
            f"{table}: every row has a value of {name}: nothing to predict (leave some empty, or ask for unseen)"
        )
    return pool, beside


def _ranked(predictor: store.Predictor, pool: np.ndarray, beside: np.ndarray, top: int | None) -> pa.Table:
    import pyarrow as pa

    score, deviation = predictor.predict(pool, beside)
    order = np.argsort(-score, kind="stable")[:top]
    columns = {
        "architecture": [predictor.space.format(row) for row in pool[order]],
        "rank": np.arange(1, len(order) + 1),
        "score": score[order],
        "uncertainty": deviation[order],
        "expected": predictor.expected(score[order]),
    }
    calibration = predictor.fitted.calibration
    if calibration is not None:
        reach = calibration.margin(LEVEL) * deviation[order]
        ends = np.stack([predictor.expected(score[order] - reach), predictor.expected(score[order] + reach)])
        best, worst = calibration.ranks(score, deviation, LEVEL)
        columns |= {"low": ends.min(0), "high": ends.max(0), "rank_low": best[order], "rank_high": worst[order]}
    found = pa.table(columns)
    choice = getattr(predictor.fitted, "choice", None)
    return found if choice is None else found.replace_schema_metadata({CHOICE: json.dumps(choice)})
