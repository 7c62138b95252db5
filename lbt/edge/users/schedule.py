"""The share of operations that masks leave, as a function of use: a network gets smaller while it is used.

Zhu & Gupta 2017, arXiv 1710.01878, equation 1, in images seen instead of steps::

    share(n) = final + (1 − final) · (1 − n/horizon)³    for n below the horizon, final from there on
"""

from __future__ import annotations


def share_after(seen: int, horizon: int, final: float) -> float:
    """Share of the backbone's operations after ``seen`` images; from 1 at 0 to ``final`` at ``horizon`` and beyond."""
    left = max(0.0, 1.0 - seen / max(1, horizon))
    return final + (1.0 - final) * left**3
