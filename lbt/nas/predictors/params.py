"""Knobs of the predictor stage."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lbt.config import OneOrMore, Section, Seed, narrowed
from lbt.nas.predictors import ENCODERS

Encoder = Annotated[str, AfterValidator(ENCODERS.check)]
"""Name of a file in ``lbt/nas/predictors/encoders/``."""


class Grid(Section):
    """The jobs of the stage."""

    encoder: OneOrMore[Encoder] = Field(default=["mlp", "gates"], min_length=1)
    """Grid: predictors to fit, names of files in ``lbt/nas/predictors/encoders/``."""
    seed: OneOrMore[Seed] = Field(default=[0, 1, 2], min_length=1)
    """Grid: seeds; each draws its own training half, its own order and its own initial parameters."""


class Cell(Section):
    """A place in the grid."""

    encoder: Encoder
    """Predictor to fit."""
    seed: Seed
    """Training half, order and initial parameters follow from it."""


class Knobs(Section):
    """Fit and test of each job."""

    sizes: OneOrMore[Annotated[int, Field(ge=2, le=1_000_000)]] = Field(default=[78, 390, 781], min_length=1)
    """Numbers of training architectures; each is a prefix of the next, the held-out half never changes."""
    space: str = "nasbench201"
    """Search space: a name in ``lbt/nas/spaces/`` or a YAML file."""
    target: str = "fp"
    """Column of the table to predict: ``fp``, ``ptq``, ``qat``, ``analog``, ``analog_day``, or a user's own."""
    loss: Literal["mse", "hinge", "logistic", "listwise"] = "hinge"
    """Loss of the neural encoders."""
    epochs: int = Field(default=30, ge=1, le=100_000)
    """Passes over the training architectures (the benchmark uses 200)."""
    batch: int | None = Field(default=None, ge=2, le=65536)
    """Architectures per step; none: 16 to 128, growing with the root of their number."""
    learning_rate: float = Field(default=1e-3, gt=0, le=100)
    """Initial learning rate of Adam, which falls to zero along half a cosine."""
    width: int = Field(default=128, ge=1, le=8192)
    """Size of embeddings and information vectors."""
    members: int = Field(default=1, ge=1, le=1000)
    """Networks in the ensemble; two or more give an uncertainty."""
    validation: float = Field(default=0.0, ge=0, lt=0.5)
    """Share of the training architectures held back for early stopping; 0 trains on all of them."""


class PredictorJob(Knobs, Cell):
    """One encoder and one seed, over all training sizes."""


class PredictorParams(Knobs, Grid):
    """Fit predictors on few evaluated architectures and measure how well they order the others."""

    def jobs(self) -> Iterator[PredictorJob]:
        """Every job of the grid."""
        for encoder, seed in product(self.encoder, self.seed):
            yield narrowed(self, PredictorJob, encoder=encoder, seed=seed)
