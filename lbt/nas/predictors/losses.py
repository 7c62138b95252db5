"""Losses between scores and measured values, both (K, B) for K members; each returns the mean loss per member, (K,).

``hinge``, ``logistic`` and ``listwise`` look only at the order of the values; ``mse`` also at their distances.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from lbt.errors import unknown

MARGIN = 0.1


def mse(scores: Tensor, values: Tensor) -> Tensor:
    """Mean squared error; the values should be standardised."""
    return (scores - values).square().mean(1)


def hinge(scores: Tensor, values: Tensor) -> Tensor:
    """``max(0, margin − (s_i − s_j))`` over all pairs with y_i > y_j (Ning et al., ECCV 2020, eq. 4; margin 0.1)."""
    gap, worse = _pairs(scores, values)
    return (F.relu(MARGIN - gap) * worse).sum((1, 2)) / worse.sum((1, 2)).clamp_min(1)


def logistic(scores: Tensor, values: Tensor) -> Tensor:
    """``log(1 + exp(−(s_i − s_j)))`` over all pairs with y_i > y_j (RankNet: Burges et al., ICML 2005)."""
    gap, worse = _pairs(scores, values)
    return (F.softplus(-gap) * worse).sum((1, 2)) / worse.sum((1, 2)).clamp_min(1)


def listwise(scores: Tensor, values: Tensor) -> Tensor:
    """Negative log-likelihood of the true order under Plackett and Luce (ListMLE: Xia et al., ICML 2008), per item."""
    order = values.argsort(dim=1, descending=True, stable=True)
    ranked = scores.gather(1, order)
    return (ranked.flip(1).logcumsumexp(1).flip(1) - ranked).mean(1)


def _pairs(scores: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """``gap[k, i, j] = s_i − s_j`` and the 0/1 mask of y_i > y_j, both (K, B, B)."""
    return scores.unsqueeze(2) - scores.unsqueeze(1), (values.unsqueeze(2) > values.unsqueeze(1)).to(scores.dtype)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": mse,
    "hinge": hinge,
    "logistic": logistic,
    "listwise": listwise,
}


def loss_function(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss called ``name``."""
    if name not in LOSSES:
        raise unknown("loss", name, LOSSES)
    return LOSSES[name]
