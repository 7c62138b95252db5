"""Disagreement (query by committee, Seung et al. 1992, doi 10.1145/130385.130417) of two networks.

½ Σ |p − q|, the total variation of their class probabilities.
"""

from __future__ import annotations

from lbt.edge.users.questions import Look


def worth(look: Look) -> float:
    """Total variation of the two predictions, from 0 to 1."""
    return float((look.personal - look.backbone).abs().sum() / 2)
