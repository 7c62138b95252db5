"""Learning-rate schedules as functions of progress: nothing to save, nothing to restore."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from lbt.recipe import Final


def warm_cosine(step: int, steps: int, warm: float) -> float:
    """Factor of the peak learning rate at ``step`` of ``steps``; up over the share ``warm``, then a cosine to 0."""
    rise = max(1.0, warm * steps)
    if step + 1 < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step + 1 - rise) / max(1.0, steps - rise))))


def phased(step: int, steps: int, warm: float, final: Final | None) -> float:
    """:func:`warm_cosine` over the steps before a recipe's ``final`` phase, then a triangle up to its peak and to 0."""
    start = steps if final is None else final.begins(steps)
    if final is None or step < start:
        return warm_cosine(step, start, warm)
    return final.peak * (1 - abs(2 * (step - start + 1) / (steps - start + 1) - 1))


def set_lr(optimizer: Optimizer, factor: float) -> None:
    """Give every group of ``optimizer`` ``factor`` times its peak learning rate (its ``"peak"`` entry)."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["peak"]
