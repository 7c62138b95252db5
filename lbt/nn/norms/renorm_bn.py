"""Batch renormalisation: the batch's statistics, corrected to the running ones by constants."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lbt.errors import LbtError
from lbt.nn.norms._base import Norm, per_channel
from lbt.nn.norms._cost import INFERENCE, NormCost, Operations, Pass
from lbt.nn.norms.float_bn import COST as FLOAT

COST = NormCost(
    forward=Pass(
        element=FLOAT.forward.element,
        # r = σ·(1/σ_r) and its clip; d = (μ − μ_r)/σ_r and its clip; γ·r and γ·d + β; 1/σ_r by the second root
        channel=FLOAT.forward.channel + Operations(adds=2, multiplies=4, divides=1, square_roots=1, comparisons=4),
        reads=2,
    ),
    backward=Pass(
        element=FLOAT.backward.element,
        channel=FLOAT.backward.channel + Operations(adds=1, multiplies=2),  # dγ = r·Σ dy·x̂ + d·Σ dy
        reads=2,
    ),
    inference=INFERENCE,
    lane="full_bn",
    saved_per_element=1,
    saved_per_channel=4,
)


class RenormBN(Norm):
    """Batch renormalisation (Ioffe 2017, arXiv 1702.03275, algorithm 1).

    With μ, σ of the batch (σ² biased) and the buffers μ_r, σ_r² as they were before this batch::

        r = clip(σ/σ_r, 1/r_max, r_max)    d = clip((μ − μ_r)/σ_r, −d_max, d_max)
        x̂ = (x − μ)/√(σ² + ε)    y = γ·(x̂·r + d) + β

    r and d are constants in the backward pass; μ and σ are not, so that the coupling terms of batch norm stay. Where
    neither is clipped, y is γ·(x − μ_r)/σ_r + β: training computes what evaluation does, as ``running_bn`` does. The
    paper opens the limits from 1 and 0 while training begins; here they are constant, for networks that start from
    trained statistics. σ_r is √(σ_r² + ε). One value per channel has no spread, and is normalised as in ``running_bn``.

    Args:
        r_max: limit of r, at least 1; the paper's 3.
        d_max: limit of d, at least 0; the paper's 5.

    Raises:
        LbtError: a limit is out of range, or ``track_running_stats=False``.
    """

    cost = COST
    needs_running = True

    def __init__(self, *arguments: Any, r_max: float = 3.0, d_max: float = 5.0, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if not (r_max >= 1 and d_max >= 0):
            found = f"r_max {r_max!r}, d_max {d_max!r}"
            raise LbtError(f"{type(self).__name__}: found {found}; accepted: r_max from 1, d_max from 0")
        self.r_max, self.d_max = r_max, d_max

    def training_forward(self, x: Tensor) -> Tensor:
        mean_before, variance_before = (buffer.clone() for buffer in self.running())
        if x.numel() == x.shape[1]:
            return self.normalize_with(x, mean_before, variance_before)
        mean, variance = self.batch_statistics(x)
        spread = torch.sqrt(variance_before + self.eps)
        r = (torch.sqrt(variance + self.eps) / spread).clamp(1 / self.r_max, self.r_max)
        d = ((mean - mean_before) / spread).clamp(-self.d_max, self.d_max)
        if self.weight is None:
            plain = functional.batch_norm(x, None, None, None, None, True, 0.0, self.eps)
            return plain * per_channel(r, x) + per_channel(d, x)
        return functional.batch_norm(x, None, None, self.weight * r, self.weight * d + self.bias, True, 0.0, self.eps)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, r_max={self.r_max:g}, d_max={self.d_max:g}"


NORM = RenormBN
