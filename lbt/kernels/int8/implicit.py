"""int8 convolutions on a GPU without columns: implicit matrix products, in Triton.

Columns are nine times as many bytes as the image of a 3×3 convolution, and writing them costs a GPU more than the
product. Here each tile of the product reads its part of the image where it lies. One kernel makes the forward product
and the error of the input (a convolution and its transpose differ in how positions are computed), one the weight
gradient; they return what :mod:`lbt.kernels.int8.columns` returns, bit for bit.
"""

from __future__ import annotations

import functools
import importlib.util

import torch
from torch import Tensor

from lbt.kernels.geometry import Geometry
from lbt.kernels.int8.gemm import LONGEST

_ROWS, _OUTER, _INNER = 128, 64, 64
"""Positions, output channels and summed channels of a tile of ``gather``."""
RUN = 4096
"""Positions that a program of ``correlate`` sums; far below what int32 holds."""


@functools.cache
def available() -> bool:
    """True if Triton is installed."""
    return importlib.util.find_spec("triton") is not None


def pays(x: Tensor, reduction: int, groups: int) -> bool:
    """True if ``x`` is on a GPU, there is one group, and no sum of ``reduction`` products leaves int32."""
    return x.device.type == "cuda" and groups == 1 and reduction <= LONGEST and available()


def convolve(x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Forward product without groups.

    Args:
        x: int8 (N, C, H, W).
        weight: int8 (O, C, KH, KW).
        geometry: stride, padding, dilation.

    Returns:
        int32 (N, O, OH, OW), channels_last in memory.
    """
    size = geometry.output((x.shape[2], x.shape[3]), (weight.shape[2], weight.shape[3]))
    first = (-geometry.padding[0], -geometry.padding[1])
    return _gather(x, weight.permute(2, 3, 1, 0).contiguous(), size, geometry.stride, first, geometry.dilation, (1, 1))


def error(dy: Tensor, weight: Tensor, size: tuple[int, ...], geometry: Geometry) -> Tensor:
    """Error of the input of a convolution without groups, int32 (N, C, H, W), channels_last in memory.

    Args:
        dy: int8 (N, O, OH, OW).
        weight: int8 (O, C, KH, KW).
        size: H, W.
        geometry: of the forward product.
    """
    back = (-geometry.dilation[0], -geometry.dilation[1])
    return _gather(dy, weight.permute(2, 3, 0, 1).contiguous(), size, (1, 1), geometry.padding, back, geometry.stride)


def _gather(
    x: Tensor,
    w: Tensor,
    size: tuple[int, ...],
    scale: tuple[int, ...],
    offset: tuple[int, ...],
    tap: tuple[int, ...],
    divide: tuple[int, ...],
) -> Tensor:
    from lbt.kernels.int8._implicit_kernels import gather

    (n, _, h, wide), (kh, kw, inner, outer) = x.shape, w.shape
    x = x.permute(0, 2, 3, 1).contiguous()
    y = torch.empty(n, *size, outer, dtype=torch.int32, device=x.device)
    rows = n * size[0] * size[1]
    grid = (-(-rows // _ROWS), -(-outer // _OUTER))
    gather[grid](
        x, w, y, rows, h, wide, *size, inner, outer, kh, kw, *scale, *offset, *tap, *divide,
        ROWS=_ROWS, INNER=_INNER, OUTER=_OUTER,
    )  # fmt: skip
    return y.permute(0, 3, 1, 2)


def weight_gradient(x: Tensor, dy: Tensor, kernel: tuple[int, ...], geometry: Geometry) -> Tensor:
    """Gradient of the weight, summed over samples and positions, int64 (O, C, KH, KW).

    Args:
        x: int8 (N, C, H, W).
        dy: int8 (N, O, OH, OW).
        kernel: KH, KW.
        geometry: of the forward product, without groups.
    """
    from lbt.kernels.int8._implicit_kernels import correlate

    stride, padding, dilation, _ = geometry
    (n, c, h, w), (o, oh, ow) = x.shape, dy.shape[1:]
    dw = torch.zeros(*kernel, o, c, dtype=torch.int64, device=x.device)
    rows = n * oh * ow
    tile = 64
    grid = (-(-o // tile) * -(-c // tile), kernel[0] * kernel[1], -(-rows // RUN))
    correlate[grid](
        x.permute(0, 2, 3, 1).contiguous(), dy.permute(0, 2, 3, 1).contiguous(), dw,
        rows, h, w, oh, ow, c, o, kernel[1], *stride, -padding[0], -padding[1], *dilation,
        RUN=RUN, ROWS=64, INNER=tile, OUTER=tile,
    )  # fmt: skip
    return dw.permute(2, 3, 0, 1).contiguous()
