"""Batch norm with statistics that are updated every k steps and frozen in between."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lbt.errors import LbtError
from lbt.nn.norms._base import Norm
from lbt.nn.norms._cost import CONSTANT_BACKWARD, INFERENCE, NormCost, Operations, Pass

EVERY = 8
"""Steps between two updates, unless told otherwise; the cost below is for this many."""

COST = NormCost(
    forward=Pass(
        # y = a·x + b always; Σx and Σx² in one step out of k
        element=Operations(adds=1 + 2 / EVERY, multiplies=1 + 1 / EVERY),
        channel=Operations(adds=5, multiplies=9, divides=1, square_roots=1).scaled(1 / EVERY),
        reads=1,
    ),
    backward=CONSTANT_BACKWARD,
    inference=INFERENCE,
    lane="affine_bn",
    saved_per_element=1,
    saved_per_channel=0,
)


class SeldomBN(Norm):
    """As ``running_bn``, but only the first of every ``every`` batches changes the statistics.

    A batch that does is folded in *before* it is normalised; in between, the layer is a fixed y = a·x + b. The buffer
    ``num_batches_tracked`` counts all batches, so the rhythm survives a checkpoint and is kept per domain. With
    ``momentum=None`` the statistics are the plain average over the batches that changed them. From the notes, item 1
    ("fixed, seldom updated").

    Args:
        every: k, at least 1.

    Raises:
        LbtError: ``every`` is below 1, or ``track_running_stats=False``.
    """

    cost = COST
    needs_running = True

    def __init__(self, *arguments: Any, every: int = EVERY, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if every < 1:
            raise LbtError(f"{type(self).__name__}: every: found {every!r}; accepted: a whole number of steps from 1")
        self.every = every

    def training_forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.see(x)
        # the next update changes the buffers in place, perhaps before this batch's backward pass
        return self.normalize_with(x, *(buffer.clone() for buffer in self.running()))

    @torch.no_grad()
    def see(self, x: Tensor) -> None:
        """Count the batch, and fold it in when its turn has come."""
        assert self.num_batches_tracked is not None
        seen, n = int(self.num_batches_tracked), x.numel() // x.shape[1]
        self.num_batches_tracked.add_(1)
        if seen % self.every == 0 and n > 1:
            factor = self.momentum if self.momentum is not None else 1.0 / (seen // self.every + 1)
            torch.batch_norm_update_stats(x, self.running_mean, self.running_var, factor)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, every={self.every}"


NORM = SeldomBN
