"""Margin (Scheffer et al. 2001, doi 10.1007/3-540-44816-0_31): 1 − (p₁ − p₂) of the two best classes."""

from __future__ import annotations

from lbt.edge.users.questions import Look


def worth(look: Look) -> float:
    """1 − the difference of the two highest probabilities, from 0 (certain) to 1 (a tie)."""
    first, second = look.personal.topk(2).values.tolist()
    return 1.0 - (first - second)
