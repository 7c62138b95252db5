"""The search stage: one strategy and one seed, with evaluations answered from a table."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from lbt.artifacts import write_table
from lbt.errors import LbtError
from lbt.nas import tables
from lbt.nas.search.params import SearchParams
from lbt.nas.search.run import SearchOptions, search


@dataclass(frozen=True)
class Inputs:
    """``table``: every architecture of the space with its value, Parquet (see :mod:`lbt.nas.tables`)."""

    table: Path


@dataclass(frozen=True)
class Outputs:
    """``curve``: Parquet with columns queries, architecture, value, best, regret; one row per evaluation."""

    curve: Path


def run(params: SearchParams, inputs: Inputs, outputs: Outputs) -> dict[str, float | str]:
    """Run one job: ``params.strategy`` and ``params.seed`` hold one entry each.

    Returns:
        ``best`` (the target's unit), ``regret`` (the table's best minus that), ``queries``, ``architecture``, and
        ``regret_50`` after 50 queries if there were so many.
    """
    if len(params.strategy) != 1 or len(params.seed) != 1:
        raise LbtError("search: a job has one strategy and one seed")
    if params.tournament > params.population:
        raise LbtError(f"search.tournament: {params.tournament} is more than the population ({params.population})")
    table = tables.read(inputs.table, params.space, complete=True)
    values = np.empty(len(table))
    values[table.space.index(table.rows)] = table.target(params.target)
    options = SearchOptions(**{field.name: getattr(params, field.name) for field in fields(SearchOptions)})
    history = search(
        params.strategy[0], table.space, lambda rows: values[table.space.index(rows)], options, params.seed[0]
    )
    regret = values.max() - history.best
    write_table(
        outputs.curve,
        {
            "queries": np.arange(1, len(history.rows) + 1),
            "architecture": [table.space.format(row) for row in history.rows],
            "value": history.values,
            "best": history.best,
            "regret": regret,
        },
    )
    found: dict[str, float | str] = {
        "best": float(history.best[-1]),
        "regret": float(regret[-1]),
        "queries": len(history.rows),
        "architecture": table.space.format(history.best_row),
    }
    if len(regret) >= 50:
        found["regret_50"] = float(regret[49])
    return found
