"""Knobs of the search stage."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lbt.config import OneOrMore, Section, Seed, narrowed
from lbt.nas.predictors import ENCODERS
from lbt.nas.search import STRATEGIES

Strategy = Annotated[str, AfterValidator(STRATEGIES.check)]
"""Name of a file in ``lbt/nas/search/strategies/``."""


class Grid(Section):
    """The jobs of the stage."""

    strategy: OneOrMore[Strategy] = Field(default=["random", "predictor"], min_length=1)
    """Grid: names of files in ``lbt/nas/search/strategies/``."""
    seed: OneOrMore[Seed] = Field(default=[0, 1, 2], min_length=1)
    """Grid: seeds."""


class Cell(Section):
    """A place in the grid."""

    strategy: Strategy
    """Way of searching."""
    seed: Seed
    """Everything random follows from it."""


class Knobs(Section):
    """Objectives, budget, and the strategies' options."""

    space: str = "nasbench201"
    """Search space: a name in ``lbt/nas/spaces/`` or a YAML file."""
    target: str = "fp"
    """Column of the table that is maximised: the coarse objective."""
    fine: str | None = None
    """Column that decides between architectures whose targets are closer than ``threshold``; none: the target alone."""
    threshold: float | None = Field(default=None, ge=0, le=1e12)
    """Difference of the target above which ``fine`` is ignored. None: from the noise that ``repeats`` show."""
    repeats: list[str] = Field(default=[])
    """Columns with further measurements of the target, from which its noise and ``threshold`` follow."""
    cost: Literal["none", "weights", "cycles", "energy"] = "none"
    """Hardware cost that is charged above ``budget``; cycles and energy of a training step need NAS-Bench-201."""
    board: str = "zcu102"
    """Board of the cost: a file of ``params/boards/``."""
    recipe: str = "int8"
    """Number formats of the cost: a file of ``params/recipes/``."""
    budget: float | None = Field(default=None, gt=0, le=1e30)
    """Cost that is free of charge, in the cost's unit; none: the cost is recorded, and not charged."""
    penalty: float = Field(default=10.0, ge=0, le=1e12)
    """Reward lost when the cost is twice the budget, in the target's unit; in proportion for other excesses."""
    queries: int = Field(default=150, ge=1, le=1_000_000)
    """Distinct architectures that are evaluated."""
    population: int = Field(default=50, ge=2, le=1_000_000)
    """Regularised evolution: architectures that live at a time."""
    tournament: int = Field(default=10, ge=1, le=1_000_000)
    """Regularised evolution: architectures among which a parent is chosen, at most the population."""
    temperature: float = Field(default=1.0, ge=1e-12, le=1e12)
    """Simulated annealing: starting temperature, in the target's unit."""
    predictor: Annotated[str, AfterValidator(ENCODERS.check)] = "paths_gp"
    """Predictor-guided search: a file of ``lbt/nas/predictors/encoders/``."""
    initial: int = Field(default=20, ge=2, le=1_000_000)
    """Predictor-guided search: random architectures before the first fit."""
    step: int = Field(default=10, ge=1, le=1_000_000)
    """Predictor-guided search: evaluations between two fits."""
    epochs: int = Field(default=100, ge=1, le=100_000)
    """Predictor-guided search: training epochs of a neural predictor."""
    explore: float = Field(default=0.5, ge=0, le=1e6)
    """Predictor-guided search: standard deviations of uncertainty added to a prediction."""

    @model_validator(mode="after")
    def _consistent(self) -> Knobs:
        if self.fine is not None and self.threshold is None and not self.repeats:
            raise ValueError("fine: needs a threshold of the target, or repeats that show the target's noise")
        for key in ("threshold", "repeats"):
            if self.fine is None and getattr(self, key) not in (None, []):
                raise ValueError(f"{key}: needs a fine objective; without one it would do nothing")
        if self.threshold is not None and self.repeats:
            raise ValueError("repeats: a threshold is given already; accepted: one of the two")
        if self.budget is not None and self.cost == "none":
            raise ValueError("budget: needs a cost; accepted: weights, cycles, energy")
        return self


class SearchJob(Knobs, Cell):
    """One strategy and one seed."""


class SearchParams(Knobs, Grid):
    """Look for the best architecture with few evaluations, answered from a table."""

    def jobs(self) -> Iterator[SearchJob]:
        """Every job of the grid."""
        for strategy, seed in product(self.strategy, self.seed):
            yield narrowed(self, SearchJob, strategy=strategy, seed=seed)
