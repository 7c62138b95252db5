"""Knobs of the search stage."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from lbt.config import OneOrMore, Section
from lbt.nas.predictors import ENCODERS
from lbt.nas.search import STRATEGIES


class SearchParams(Section):
    """Look for the best architecture with few evaluations, answered from a table."""

    strategy: OneOrMore[Annotated[str, AfterValidator(STRATEGIES.check)]] = Field(default=["random", "predictor"])
    """Grid: names of files in ``lbt/nas/search/strategies/``."""
    seed: OneOrMore[int] = Field(default=[0, 1, 2])
    """Grid: seeds."""
    space: str = "nasbench201"
    """Search space: a name in ``lbt/nas/spaces/`` or a YAML file."""
    target: str = "fp"
    """Column of the table that is maximised."""
    queries: int = Field(default=150, ge=1)
    """Distinct architectures that are evaluated."""
    population: int = Field(default=50, ge=2)
    """Regularised evolution: architectures that live at a time."""
    tournament: int = Field(default=10, ge=1)
    """Regularised evolution: architectures among which a parent is chosen, at most the population."""
    temperature: float = Field(default=1.0, gt=0)
    """Simulated annealing: starting temperature, in the target's unit."""
    predictor: Annotated[str, AfterValidator(ENCODERS.check)] = "paths_gp"
    """Predictor-guided search: a file of ``lbt/nas/predictors/encoders/``."""
    initial: int = Field(default=20, ge=2)
    """Predictor-guided search: random architectures before the first fit."""
    step: int = Field(default=10, ge=1)
    """Predictor-guided search: evaluations between two fits."""
    epochs: int = Field(default=100, ge=1)
    """Predictor-guided search: training epochs of a neural predictor."""
    explore: float = Field(default=0.5, ge=0)
    """Predictor-guided search: standard deviations of uncertainty added to a prediction."""
