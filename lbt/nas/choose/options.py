"""Knobs of a choice: size of the search, lengths of trainings. Light: importing it imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from lbt.adapt.knobs import METHODS, MethodName
from lbt.config import Section, Seed
from lbt.errors import LbtError


def _without_labels(name: str) -> str:
    """``name``, if that method adapts to the target without its labels (some methods' files import torch)."""
    if METHODS.load(name).Method.guarded():
        return name
    accepted = [other for other in METHODS.names() if METHODS.load(other).Method.guarded()]
    raise LbtError(
        f"found {name!r}; accepted: a method that adapts to the target without its labels: {', '.join(accepted)}"
    )


class Search(Section):
    """Size of the search."""

    points: int = Field(6, ge=1, le=100)
    """Networks of the front that are trained in full."""
    waves: int = Field(12, ge=1, le=10_000)
    """Times that candidates are proposed."""
    wave: int = Field(4, ge=1, le=1000)
    """Candidates that are trained in each."""
    pool: int = Field(60, ge=2, le=100_000)
    """Candidates that are priced and scored for each wave, of which the best are trained."""
    trial_steps: int = Field(80, ge=1, le=1_000_000)
    """Optimizer steps of a short training on the source."""
    method: Annotated[MethodName, AfterValidator(_without_labels)] = "mean_teacher"
    """Method of adaptation, one that needs no label of the target."""
    images: int = Field(1000, ge=2, le=1_000_000)
    """Target images that evidence without a label is taken from, at most."""


class Options(Search):
    """Every key may be given by ``lbt choose --set KEY=VALUE``."""

    seed: Seed = 0
    """Everything random follows from it; further seeds of the final trainings count up from here."""
    batch: int = Field(32, ge=2, le=65536)
    """Images of a training step on the device, and of adaptation."""
    steps: int = Field(500, ge=1, le=10_000_000)
    """Optimizer steps of a full training on the source."""
    adapt_steps: int = Field(400, ge=1, le=10_000_000)
    """Optimizer steps of adaptation."""
    source_steps: int = Field(60, ge=0, le=10_000_000)
    """Steps in the formats on the source, where the network is not adapted (source_only)."""
