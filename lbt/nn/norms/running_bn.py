"""Batch norm that normalises with the running statistics during training, while they go on accumulating."""

from __future__ import annotations

from torch import Tensor

from lbt.nn.norms._base import Norm
from lbt.nn.norms._cost import CONSTANT_BACKWARD, INFERENCE, NormCost, Operations, Pass

COST = NormCost(
    forward=Pass(
        # the batch's Σx, Σx² accumulate while y = a·x + b is written: one read
        element=Operations(adds=3, multiplies=2),
        channel=Operations(adds=5, multiplies=9, divides=1, square_roots=1),
        reads=1,
    ),
    backward=CONSTANT_BACKWARD,
    inference=INFERENCE,
    lane="affine_bn",
    saved_per_element=1,
    saved_per_channel=0,
)


class RunningBN(Norm):
    """Normalises with the running statistics *as they were before this batch*, then folds the batch into them.

    With the buffers μ_r, σ_r²::

        y = γ·(x − μ_r)/√(σ_r² + ε) + β
        dx = γ/√(σ_r² + ε) · dy    dγ = Σ dy·(x − μ_r)/√(σ_r² + ε)    dβ = Σ dy
        then  μ_r ← (1 − m)·μ_r + m·μ,  σ_r² ← (1 − m)·σ_r² + m·σ²·n/(n − 1)

    Training and evaluation compute the same function, and one read of x is enough in each pass. Batches of one element
    are fine (they do not change the statistics). It is meant for networks that start from trained statistics: from
    scratch the first 1/m batches are hardly normalised. From the notes, item 1 ("normalise with fixed parameters that
    go on accumulating"); the idea of Ioffe 2017 (batch renormalisation, arXiv 1702.03275) without its correction.
    """

    cost = COST
    needs_running = True

    def training_forward(self, x: Tensor) -> Tensor:
        # the statistics change below, in place: the backward pass needs them as they were used
        y = self.normalize_with(x, *(buffer.clone() for buffer in self.running()))
        if self.training:
            self.batch_statistics(x)
        return y


NORM = RunningBN
