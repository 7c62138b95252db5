"""Batch norm whose backward pass takes mean and variance as constants: gradient only to weight and bias."""

from __future__ import annotations

from torch import Tensor

from lbt.nn.norms._base import Norm
from lbt.nn.norms._cost import CONSTANT_BACKWARD, INFERENCE, NormCost, Pass
from lbt.nn.norms.float_bn import COST as FLOAT

COST = NormCost(
    forward=Pass(element=FLOAT.forward.element, channel=FLOAT.forward.channel, reads=2),
    backward=CONSTANT_BACKWARD,
    inference=INFERENCE,
    lane="affine_bn",
    saved_per_element=1,
    saved_per_channel=2,
)


class AffineGradBN(Norm):
    """Forward as batch norm; in the backward pass μ and σ of the batch are constants.

    With μ, σ² of the batch (as in ``float_bn``)::

        y = γ·(x − μ)/√(σ² + ε) + β
        dx = γ/√(σ² + ε) · dy    dγ = Σ dy·x̂    dβ = Σ dy

    The two terms of batch norm's error that couple all elements of a channel (Σdy and Σ dy·x̂) are left out: they are
    noisy in low precision and need a second read of the error. What is lost: the error keeps its mean and its component
    along x̂, so that a step may change the scale of the preceding weights without effect on the output. The gradients
    of weight and bias are exact. From the notes, item 1 ("compute gradients only for its weight and bias").

    Raises:
        LbtError: one value per channel in training.
    """

    cost = COST

    def training_forward(self, x: Tensor) -> Tensor:
        self.check_batch(x)
        mean, variance = self.batch_statistics(x)
        return self.normalize_with(x, mean, variance)


NORM = AffineGradBN
