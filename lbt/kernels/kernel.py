"""The kernel of a layer's three products: y = A·W forward, E·W and E·A backward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from lbt.kernels.quantized import Quantized


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
    """

    forward: Callable[[Quantized, Quantized], Tensor]
    error: Callable[[Quantized, Quantized], Tensor]
    weight_gradient: Callable[[Quantized, Quantized], Tensor]
    bias_gradient: Callable[[Quantized], Tensor]
    plain: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    channel: int
    reads_codes: tuple[bool, bool]
    rows: int = 1


def scaled(result: Tensor, left: Quantized, right: Quantized) -> Tensor:
    """``result`` times both operands' factors, in place; exact integer sums become float32 first."""
    factor = left.factor * right.factor
    return result.float() if isinstance(factor, float) and factor == 1.0 else result.float().mul_(factor)
