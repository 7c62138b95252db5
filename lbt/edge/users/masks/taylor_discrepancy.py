"""Taylor with domain discrepancy (transfer channel pruning, Yu et al. 2019, arXiv 1904.02654).

As ``taylor``, of L + ‖mean feature of the user − mean feature of the source‖²: the discrepancy of a linear kernel. A
channel that sets the user apart from the source counts as important in either direction. The source is its mean
feature, which stays with the backbone; no image of it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbt.edge.users.masks import Evidence
from lbt.edge.users.masks.taylor import squared
from lbt.errors import LbtError

if TYPE_CHECKING:
    from torch import Tensor

WEIGHT = 1.0
"""Factor of the discrepancy."""


def scores(evidence: Evidence) -> dict[str, Tensor]:
    """Mean squared sensitivity of each channel, (c,) by layer.

    Raises:
        LbtError: nobody kept the source's mean feature.
    """
    if evidence.source_features is None:
        raise LbtError(
            "masks: taylor_discrepancy needs the source's mean feature, which this backbone lacks; try taylor"
        )
    return squared(evidence, WEIGHT)
