"""A step size that is a parameter of the layer and learnt with the weights: LSQ.

Esser et al., "Learned Step Size Quantization" (arXiv 1902.08153). A tensor v is written as s·Q(v/s), and with the
grid's ends −Qn and Qp (section 2)

    ∂/∂s = Q(v/s) − v/s  where −Qn < v/s < Qp,  else −Qn or Qp        ∂/∂v = 1 where −Qn < v/s < Qp,  else 0

The gradient of s is divided by √(N·Qp), N the number of weights, or of an activation's features; s starts at
2·mean|v| / √Qp, v being the weights, or the first batch. For weights and activations of layers, one step a tensor.

Deviations: symmetric integers have Qn = Qp. A format with a zero point has the whole of its codes above zero where the
first batch has no number below zero, else half of them, which is the paper's choice between unsigned and signed. A step
that crosses zero counts by its magnitude.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lbt.numerics.formats._base import LARGEST
from lbt.numerics.ranges._base import RuleBase

if TYPE_CHECKING:
    from torch import Tensor

    from lbt.numerics.formats import FormatBase


class Rule(RuleBase):
    """limit = step size · the largest number of the grid.

    Its state is (1,), the step; with a zero point (2,), step and zero point. NaN stands for a state that is not set
    yet, which a tensor finds for itself. Without a state the limit is that of the first step.
    """

    rule: Literal["learned"] = "learned"

    @property
    def memory(self) -> bool:
        return True

    @property
    def learned(self) -> bool:
        return True

    def limit(self, x: Tensor, dim: int, form: FormatBase) -> Tensor:
        top = x.abs().amax(dim, keepdim=True)
        half = _mean(x.abs(), dim) * form.largest**0.5
        return (half * 2).clamp_max(LARGEST) + (top - top)  # not finite where the data are not

    def start(self, x: Tensor, form: FormatBase) -> Tensor:
        """The first state for ``x``, float32."""
        import torch

        mean = _mean(x.abs().reshape(1, -1), 1).reshape(1)
        if not form.has_zero_point:
            return (mean * (2 / form.largest**0.5)).clamp_max(LARGEST / form.largest)
        span = _span(form)
        zero = torch.where(x.amin() < 0, float(span // 2), 0.0).reshape(1)
        return torch.cat([(mean * 2 / (span - zero).sqrt()).clamp_max(LARGEST / span), zero])

    def reach(self, x: Tensor, form: FormatBase, state: Tensor) -> tuple[Tensor, Tensor]:
        """(high, low), each (1, 1), that the ``state`` says; the data reach from ``-low`` to ``high``."""
        state = self.known(x, form, state)
        step = state[:1].abs().reshape(1, 1)
        if not form.has_zero_point:
            return step * form.largest, step * form.largest
        zero = state[1:].reshape(1, 1)
        return step * (_span(form) - zero), step * zero

    def known(self, x: Tensor, form: FormatBase, state: Tensor) -> Tensor:
        """``state``, and what :meth:`start` finds in its place where it is not set."""
        import torch

        whole = 1 + form.has_zero_point
        if state.numel() == whole and state.device.type == "cpu" and not bool(state.isnan().any()):
            return state
        first = self.start(x, form)
        given = state if state.numel() == whole else torch.full_like(first, float("nan"))
        return torch.where(given.isnan(), first, given.float())


def _mean(magnitudes: Tensor, dim: int) -> Tensor:
    """Mean of each group, summed in units of its largest, so that no sum leaves float32."""
    unit = magnitudes.amax(dim, keepdim=True).clamp_min(2.0**-126)
    return (magnitudes / unit).mean(dim, keepdim=True) * unit


def _span(form: FormatBase) -> float:
    """Steps between the lowest and the highest code of a format with a zero point."""
    import torch

    low, high = form.bounds(torch.zeros(()))
    return float(high) - float(low)
