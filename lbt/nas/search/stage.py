"""The search stage: one strategy and one seed, with evaluations answered from a table."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from lbt.artifacts import write_table
from lbt.errors import LbtError
from lbt.nas import tables
from lbt.nas.search.costs import cost_function
from lbt.nas.search.params import Knobs, SearchJob
from lbt.nas.search.reward import Score, ThresholdedReward, threshold_of
from lbt.nas.search.run import Evaluations, SearchOptions, search
from lbt.pareto import pareto


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """``table``: every architecture of the space with its value, Parquet (see :mod:`lbt.nas.tables`)."""

    table: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """``curve``: Parquet with columns queries, architecture, value, best, regret; one row per evaluation.

    With a cost or a fine objective also: target, cost, and front (true where no evaluated one is better in both).
    """

    curve: Path


def run(params: SearchJob, inputs: Inputs, outputs: Outputs) -> dict[str, float | str]:
    """Run one strategy with one seed.

    Returns:
        ``best`` (the target's unit; with several objectives the reward's), ``regret`` (the table's best minus that),
        ``queries``, ``architecture``, ``regret_50`` after 50 queries if there were so many; with a cost also ``cost``
        of that architecture and ``front``, the number of evaluated architectures that no other beats.
    """
    if params.tournament > params.population:
        raise LbtError(f"search.tournament: {params.tournament} is more than the population ({params.population})")
    table = tables.read(inputs.table, params.space, complete=True)
    reward, cost = objective(params, table)
    values = np.empty(len(table))
    values[table.space.index(table.rows)] = reward(table.rows)
    options = SearchOptions(**{field.name: getattr(params, field.name) for field in fields(SearchOptions)})
    evaluations = search(
        params.strategy, table.space, lambda rows: values[table.space.index(rows)], options, params.seed
    )
    regret = values.max() - evaluations.best
    curve: dict[str, object] = {
        "queries": np.arange(1, len(evaluations.rows) + 1),
        "architecture": [table.space.format(row) for row in evaluations.rows],
        "value": evaluations.values,
        "best": evaluations.best,
        "regret": regret,
    }
    found: dict[str, float | str] = {
        "best": float(evaluations.best[-1]),
        "regret": float(regret[-1]),
        "queries": len(evaluations.rows),
        "architecture": table.space.format(evaluations.best_row),
    }
    if len(regret) >= 50:
        found["regret_50"] = float(regret[49])
    if cost is not None:
        trade_off = _trade_off(evaluations, reward, cost)
        curve |= trade_off
        found |= {"front": int(trade_off["front"].sum()), "cost": float(cost(evaluations.best_row[None])[0])}
    write_table(outputs.curve, curve)
    return found


def objective(params: Knobs, table: tables.Table) -> tuple[ThresholdedReward, Score | None]:
    """The reward to maximise, and the hardware cost if one was asked for, as functions of rows.

    The fine objective counts by its rank in the table, 0…1, so that its unit does not matter.
    """

    def look_up(values: np.ndarray) -> Score:
        column = np.empty(len(table))
        column[table.space.index(table.rows)] = values
        return lambda rows: column[table.space.index(rows)]

    cost = None if params.cost == "none" else cost_function(params.cost, table.space, params.board, params.recipe)
    fine = None if params.fine is None else (rankdata(table.target(params.fine)) - 1) / max(len(table) - 1, 1)
    reward = ThresholdedReward(
        coarse=look_up(table.target(params.target)),
        threshold=_threshold(params, table),
        fine=None if fine is None else look_up(fine),
        cost=None if params.budget is None else cost,
        budget=np.inf if params.budget is None else params.budget,
        penalty=params.penalty,
    )
    return reward, cost


def _threshold(params: Knobs, table: tables.Table) -> float:
    if params.repeats:
        return threshold_of(np.stack([table.target(name) for name in (params.target, *params.repeats)]))
    return params.threshold or 0.0


def _trade_off(evaluations: Evaluations, reward: ThresholdedReward, cost: Score) -> dict[str, np.ndarray]:
    """Columns target (before any charge), cost and front of the evaluated architectures."""
    free = replace(reward, cost=None)(evaluations.rows)
    costs = cost(evaluations.rows)
    front = np.zeros(len(costs), bool)
    front[pareto(free, costs)] = True
    return {"target": free, "cost": costs, "front": front}
