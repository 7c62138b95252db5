"""The kernel of a layer's three products: y = A·W forward, E·W and E·A backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from torch import Tensor

from lbt.kernels.quantized import Quantized


class Place(NamedTuple):
    """Dimensions of an operand, as its quantization sees them.

    Attributes:
        channels: the dimension that holds the channels.
        reduction: the dimension that the product sums over. A convolution's weight gradient sums over samples and
            positions: samples.
        parts: parts of ``reduction`` that are summed separately (a convolution's groups).
        product: forward, error or gradient, which operands have in common.
    """

    channels: int = 1
    reduction: int = 1
    parts: int = 1
    product: str = "forward"


CHANNELS = Place()
"""Of a tensor whose dimension 1 holds the channels, or which is no operand."""


@cache
def places(groups: int = 1) -> Mapping[str, Place]:
    """By role, the operands of a convolution or a linear layer: x (N, C, *), w (O, C / groups, *), e (N, O, *)."""
    return {
        "A": Place(parts=groups), "W": Place(),
        "E": Place(parts=groups, product="error"), "WE": Place(reduction=0, parts=groups, product="error"),
        "EG": Place(reduction=0, product="gradient"), "AG": Place(reduction=0, product="gradient"),
    }  # fmt: skip


BATCHED: Mapping[str, Place] = {
    "A": Place(2, 2), "W": Place(2, 2),
    "E": Place(2, 2, product="error"), "WE": Place(2, 1, product="error"),
    "EG": Place(2, 1, product="gradient"), "AG": Place(2, 1, product="gradient"),
}  # fmt: skip
"""By role, the operands of a batch of products of two activations: x (B, M, K), w (B, N, K), e (B, M, N)."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A bilinear operation, its two gradients and its bias's, on quantized operands of known shapes.

    Every function returns float32 with the scales applied.

    Attributes:
        forward: (a, w) → y.
        error: (e, w) → dx.
        weight_gradient: (e, a) → dw.
        bias_gradient: e → db.
        plain: (x, weight, bias or None) → y: PyTorch's own product, which autograd sees through.
        channel: the dimension of y along which the bias runs, 1 or -1.
        reads_codes: True for (y and dx, dw and db) if they are made of codes. Values are there when asked for all the
            same, for one more pass.
        rows: rows of x, and of y, that belong to one sample (the tokens of a sequence); 1 for images.
        places: of the operands, by role.
        right: the role of the second operand in draws and messages: W, or A2 for a second activation.
    """

    forward: Callable[[Quantized, Quantized], Tensor]
    error: Callable[[Quantized, Quantized], Tensor]
    weight_gradient: Callable[[Quantized, Quantized], Tensor]
    bias_gradient: Callable[[Quantized], Tensor]
    plain: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    channel: int
    reads_codes: tuple[bool, bool]
    rows: int = 1
    places: Mapping[str, Place] = field(default_factory=places)
    right: str = "W"


def scaled(result: Tensor, left: Quantized, right: Quantized) -> Tensor:
    """``result`` times both operands' factors, in place; exact integer sums become float32 first."""
    factor = left.factor * right.factor
    return result.float() if isinstance(factor, float) and factor == 1.0 else result.float().mul_(factor)
