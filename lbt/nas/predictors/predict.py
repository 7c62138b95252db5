"""``lbt predict``: order a user's own architectures from the evaluated ones of a user's own table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lbt.errors import LbtError
from lbt.nas import tables
from lbt.nas.predictors.fit import Options, fit

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

    Returns:
        One row per scored architecture, best first: ``architecture``, ``rank`` (1 is the best), ``score`` (only its
        order means something), ``uncertainty`` (standard deviation of the score), ``expected`` (the evaluated values'
        quantile at the score's place among the evaluated architectures' scores, in the target's unit).

    Raises:
        LbtError: what :func:`lbt.nas.tables.read` refuses; an ambiguous target; nothing to learn from or to score.
    """
    import pyarrow as pa

    data = tables.read(table, space, unlabelled=True)
    if target is None and len(data.targets) > 1:
        raise LbtError(f"{table}: several columns could be the target; choose one of: {', '.join(data.targets)}")
    name = target if target is not None else next(iter(data.targets))
    values = data.target(name)
    tables.check_values(table, name, values, unlabelled=True)
    known = np.isfinite(values)
    rows, pool = data.rows[known], data.rows[~known]
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
    fitted = fit(encoder, data.space, rows, values[known], Options(epochs=epochs, members=members), seed)
    score, deviation = fitted.predict(pool)
    place = np.searchsorted(np.sort(fitted.predict(rows)[0]), score) / len(rows)
    order = np.argsort(-score, kind="stable")[:top]
    return pa.table(
        {
            "architecture": [data.space.format(row) for row in pool[order]],
            "rank": np.arange(1, len(order) + 1),
            "score": score[order],
            "uncertainty": deviation[order],
            "expected": np.quantile(values[known], place[order]),
        }
    )
