"""Image passes to evaluate an architecture: with shared weights, and trained alone as long as the shared weights.

A count from the default parameters of :mod:`lbt.nas.supernet`. A pass is one image forward through one architecture;
training an image counts as three (the backward pass has two products for the forward's one). Shared weights are trained
once for all architectures that are scored, and each is scored on the validation images of the domain (lbt's scoring
computes what cells have in common once, which is not counted here). Alone, each architecture is trained with as many
steps of as many images.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import _runs

from lbt.data.load import load_domain
from lbt.data.params import DomainSpec
from lbt.nas.supernet.params import SupernetParams

from . import _rows
from . import _setting as setting

NUMBER, SEED, DOMAIN, TRAINED = 13, setting.SEEDS[0], "mnistm", 3


def jobs() -> Iterator[tuple[str, int, Any]]:
    """One count."""
    yield "passes", SEED, count


def count() -> dict[str, float]:
    """Passes for each architecture."""
    params, scored = SupernetParams(), len(load_domain(DomainSpec(kind=DOMAIN)).validation.labels)
    training = float(TRAINED * params.steps * params.batch)
    return {"alone": training + scored, "shared": training / params.architectures + scored}


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Both counts, and how many times fewer shared weights take."""
    one = found["passes"][SEED]
    made = [_runs.row(f"claim/{NUMBER}/{name}/passes", [one[name]], "images") for name in ("alone", "shared")]
    return [*made, _runs.row(f"claim/{NUMBER}/shared/times_fewer", [one["alone"] / one["shared"]], "x")]
