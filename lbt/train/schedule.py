"""Learning-rate schedules as functions of progress: nothing to save, nothing to restore."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.optim import Optimizer


def warm_cosine(step: int, steps: int, warm: float) -> float:
    """Factor of the peak learning rate at ``step`` of ``steps``; up over the share ``warm``, then a cosine to 0."""
    rise = max(1.0, warm * steps)
    if step + 1 < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step + 1 - rise) / max(1.0, steps - rise))))


def set_lr(optimizer: Optimizer, factor: float) -> None:
    """Give every group of ``optimizer`` ``factor`` times its peak learning rate (its ``"peak"`` entry)."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["peak"]
