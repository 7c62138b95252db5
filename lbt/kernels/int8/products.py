"""The products of quantized layers on int8 codes: exact sums, multiplied by the scales once.

Each function takes the *way* that a sum is computed as its first argument: a function on int8 tensors of one of the
modules beside this one (:mod:`lbt.kernels.choose` picks it).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from lbt.errors import LbtError
from lbt.kernels.geometry import Geometry
from lbt.kernels.int8 import direct
from lbt.kernels.int8.gemm import matmul
from lbt.kernels.kernel import Kernel, scaled
from lbt.kernels.quantized import Quantized

Size = tuple[int, ...]
Way = Callable[[Tensor, Tensor, Geometry], Tensor]
SizedWay = Callable[[Tensor, Tensor, Size, Geometry], Tensor]


def codes(x: Quantized) -> Tensor:
    """The int8 codes of an operand, in the tensor's shape.

    Raises:
        LbtError: it has no codes of one byte with a single scale.
    """
    if not x.fits_a_byte:
        raise LbtError("integer engine: an operand has no int8 codes with a single scale")
    return x.in_shape(x.codes)


def forward(way: Way, geometry: Geometry, a: Quantized, w: Quantized) -> Tensor:
    """Forward product by columns or implicitly, float32."""
    return scaled(narrow(way(wide(codes(a)), wide(codes(w)), geometry.wide), a), a, w)


def forward_direct(geometry: Geometry, a: Quantized, w: Quantized) -> Tensor:
    """Forward product on the processor's own int8 kernel, which applies the scales itself; float32."""
    factor = float(a.factor * w.factor)
    return narrow(direct.convolve(wide(codes(a)), wide(codes(w)), factor, geometry.wide), a)


def error(way: SizedWay, geometry: Geometry, size: Size, e: Quantized, w: Quantized) -> Tensor:
    """Error of an input of height and width ``size``, float32."""
    return scaled(narrow(way(wide(codes(e)), wide(codes(w)), size, geometry.wide), e), e, w)


def error_direct(geometry: Geometry, size: Size, e: Quantized, w: Quantized) -> Tensor:
    """:func:`error` on the processor's own int8 kernel."""
    factor = float(e.factor * w.factor)
    return narrow(direct.error(wide(codes(e)), wide(codes(w)), factor, size, geometry.wide), e)


def weight_gradient(
    way: SizedWay,
    geometry: Geometry,
    kernel: Size,
    e: Quantized,
    a: Quantized,
) -> Tensor:
    """Gradient of a weight whose kernel has height and width ``kernel``, float32."""
    return scaled(narrow(way(wide(codes(a)), wide(codes(e)), kernel, geometry.wide), e), e, a)


def shifted_views(x: Tensor, dy: Tensor, kernel: Size, geometry: Geometry) -> Tensor:
    """:func:`lbt.kernels.int8.direct.weight_gradient` with the arguments of a way."""
    return direct.weight_gradient(x, dy, kernel, geometry.padding)


def bias_gradient(e: Quantized) -> Tensor:
    """The error summed over all but dimension 1, float32 (O,)."""
    dy = codes(e)
    return dy.sum([d for d in range(dy.dim()) if d != 1], dtype=torch.int64).float().mul_(e.factor)


def linear() -> Kernel:
    """x (N, I) times w (O, I)."""
    return Kernel(
        forward=lambda a, w: scaled(matmul(codes(a), codes(w).t()), a, w),
        error=lambda e, w: scaled(matmul(codes(e), codes(w)), e, w),
        weight_gradient=lambda e, a: scaled(matmul(codes(e).t(), codes(a)), e, a),
        bias_gradient=bias_gradient,
        plain=functional.linear,
        channel=-1,
        reads_codes=(True, True),
    )


def wide(x: Tensor) -> Tensor:
    """A 1-D image, or its kernel, as a 2-D one of height 1."""
    return x.unsqueeze(2) if x.dim() == 3 else x


def narrow(x: Tensor, like: Quantized) -> Tensor:
    """``x`` with as many dimensions as the operand ``like``."""
    assert like.layout is not None
    return x.squeeze(2) if len(like.layout.shape) == 3 else x
