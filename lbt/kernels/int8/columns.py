"""The three products of a convolution on int8 codes: forward, error, weight gradient. Exact in int32 (or int64).

An NHWC tensor with zero padding around it, looked at through strides, *is* the tensor of its patches; one contiguous
copy (in runs of C bytes, or of the kernel's width times C) makes the columns of a matrix product. ``unfold`` costs
more than the product itself; this does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from lbt.errors import LbtError
from lbt.kernels.geometry import PLAIN, Geometry
from lbt.kernels.int8.gemm import matmul

BUFFER = 8 * 2**20
"""Bytes of columns made at a time: fresh buffers of some tens of MB cost more in page faults than the product."""


def conv2d(x: Tensor, weight: Tensor, geometry: Geometry = PLAIN) -> Tensor:
    """Forward product.

    Args:
        x: int8 (N, C, H, W).
        weight: int8 (O, C / groups, KH, KW).
        geometry: stride, padding, dilation, groups.

    Returns:
        int32 (N, O, OH, OW), channels_last in memory (int64 where one sum has over 131,071 products).
    """
    _check(x, weight, geometry)
    kernel = (weight.shape[2], weight.shape[3])
    parts = []
    for part in _parts(_padded(x, geometry), kernel, geometry):
        columns = patches(part, kernel, geometry.stride, geometry.dilation)  # (n, OH, OW, KH, KW, C)
        parts.append(_apply(columns, weight, geometry.groups))
    return torch.cat(parts).permute(0, 3, 1, 2)


def conv2d_error(dy: Tensor, weight: Tensor, size: tuple[int, ...], geometry: Geometry = PLAIN) -> Tensor:
    """Error of the input: the transposed product.

    Args:
        dy: int8 (N, O, OH, OW).
        weight: int8 (O, C / groups, KH, KW).
        size: H, W of the input.
        geometry: that of the forward product.

    Returns:
        int32 (N, C, H, W), channels_last in memory (int64 where one sum has over 131,071 products).
    """
    kernel, groups = (weight.shape[2], weight.shape[3]), geometry.groups
    # dy spread out by the stride, in a frame from which a kernel turned round reads exactly H × W patches
    reach = tuple(geometry.dilation[i] * (kernel[i] - 1) for i in (0, 1))
    frame = dy.new_zeros(dy.shape[0], size[0] + reach[0], size[1] + reach[1], dy.shape[1])
    rows = _spread(dy.shape[2], reach[0] - geometry.padding[0], geometry.stride[0], frame.shape[1])
    columns = _spread(dy.shape[3], reach[1] - geometry.padding[1], geometry.stride[1], frame.shape[2])
    inner = dy.permute(0, 2, 3, 1)[:, rows.source, columns.source]
    frame[:, rows.target, columns.target] = inner
    # (O, C/g, KH, KW) → (C, O/g, KH, KW), turned round
    o, c = weight.shape[:2]
    turned = weight.flip(2, 3).view(groups, o // groups, c, *kernel).transpose(1, 2).reshape(groups * c, -1, *kernel)
    whole = Geometry((1, 1), (0, 0), geometry.dilation, groups)
    parts = [
        _apply(patches(part, kernel, whole.stride, whole.dilation), turned, groups)
        for part in _parts(frame, kernel, whole)
    ]
    return torch.cat(parts).permute(0, 3, 1, 2)


def conv2d_weight(x: Tensor, dy: Tensor, kernel: tuple[int, ...], geometry: Geometry = PLAIN) -> Tensor:
    """Gradient of the weight, summed over samples and positions.

    Args:
        x: int8 (N, C, H, W).
        dy: int8 (N, O, OH, OW).
        kernel: KH, KW.
        geometry: that of the forward product.

    Returns:
        (O, C / groups, KH, KW): int32 for up to 131,071 samples times positions, int64 beyond; on the CPU channels_last
        in memory.
    """
    groups, o = geometry.groups, dy.shape[1]
    wide = dy.shape[0] * dy.shape[2] * dy.shape[3] * 128**2 >= 2**31
    dtype = torch.int64 if wide else torch.int32
    total, start = None, 0
    for part in _parts(_padded(x, geometry), kernel, geometry):
        columns = patches(part, kernel, geometry.stride, geometry.dilation)
        errors = dy[start : start + len(part)].permute(0, 2, 3, 1).reshape(-1, o)  # (M, O)
        start += len(part)
        sums = _correlate(errors, columns.flatten(0, 2), groups).to(dtype)
        total = sums if total is None else total.add_(sums)
    assert total is not None
    return total.permute(0, 3, 1, 2)


def patches(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Tensor:
    """All patches of a padded, contiguous NHWC tensor: a view (N, OH, OW, KH, KW, C) of it."""
    n, h, w, c = x.shape
    (kh, kw), (sh, sw), (dh, dw) = kernel, stride, dilation
    oh, ow = (h - dh * (kh - 1) - 1) // sh + 1, (w - dw * (kw - 1) - 1) // sw + 1
    b, row, column, channel = x.stride()
    return x.as_strided((n, oh, ow, kh, kw, c), (b, row * sh, column * sw, row * dh, column * dw, channel))


class _Spread(NamedTuple):
    source: slice
    target: slice


def _spread(count: int, offset: int, stride: int, length: int) -> _Spread:
    """The part of ``count`` elements that lies inside a line of ``length``, at offset + stride · i, and its place."""
    first = max(0, -(offset // stride)) if offset < 0 else 0
    last = min(count, (length - 1 - offset) // stride + 1)
    return _Spread(slice(first, last), slice(offset + first * stride, offset + (last - 1) * stride + 1, stride))


def _padded(x: Tensor, geometry: Geometry) -> Tensor:
    """NHWC, contiguous, with zeros around."""
    (ph, pw), (n, c, h, w) = geometry.padding, x.shape
    if ph == pw == 0:
        return x.permute(0, 2, 3, 1).contiguous()
    padded = x.new_zeros(n, h + 2 * ph, w + 2 * pw, c)
    padded[:, ph : ph + h, pw : pw + w] = x.permute(0, 2, 3, 1)
    return padded


def _parts(x: Tensor, kernel: tuple[int, ...], geometry: Geometry) -> Iterator[Tensor]:
    """Runs of samples of a padded NHWC tensor whose columns fit the buffer."""
    one = patches(x[:1], kernel, geometry.stride, geometry.dilation).numel()
    size = max(1, BUFFER // max(1, one))
    for start in range(0, len(x), size):
        yield x[start : start + size]


def _apply(columns: Tensor, weight: Tensor, groups: int) -> Tensor:
    """(n, OH, OW, KH, KW, C) patches times (O, C/g, KH, KW) → (n, OH, OW, O)."""
    n, oh, ow, kh, kw, c = columns.shape
    o = weight.shape[0]
    if groups == c:  # depthwise: one product per tap, each over all channels at once
        taps = weight.view(c, o // c, kh, kw).to(torch.int32)
        total = columns.new_zeros(n, oh, ow, c, o // c, dtype=torch.int32)
        for i in range(kh):
            for j in range(kw):
                total.addcmul_(columns[:, :, :, i, j, :, None].to(torch.int32), taps[:, :, i, j])
        return total.view(n, oh, ow, o)
    matrix = weight.view(groups, o // groups, c // groups, kh, kw).permute(0, 3, 4, 2, 1)  # (g, KH, KW, C/g, O/g)
    split = columns.unflatten(5, (groups, c // groups))
    results = [
        matmul(split[:, :, :, :, :, g].reshape(n * oh * ow, -1), matrix[g].reshape(-1, o // groups))
        for g in range(groups)
    ]
    return (results[0] if groups == 1 else torch.cat(results, 1)).view(n, oh, ow, o)


def _correlate(errors: Tensor, columns: Tensor, groups: int) -> Tensor:
    """(M, O) errors with (M, KH, KW, C) columns, summed over M → (O, KH, KW, C/g)."""
    m, kh, kw, c = columns.shape
    o = errors.shape[1]
    results = []
    for e, q in zip(errors.chunk(groups, 1), columns.unflatten(3, (groups, c // groups)).unbind(3), strict=True):
        # the errors, and not the columns, are the matrix to read transposed: there are nine times fewer
        results.append(matmul(e.contiguous().t(), q.reshape(m, -1)).reshape(-1, kh, kw, c // groups))
    return results[0] if groups == 1 else torch.cat(results).view(o, kh, kw, c // groups)


def _check(x: Tensor, weight: Tensor, geometry: Geometry) -> None:
    if x.dtype != torch.int8 or weight.dtype != torch.int8:
        raise LbtError(f"integer convolution: found {x.dtype} and {weight.dtype}; accepted: int8 codes")
    if x.dim() != 4 or weight.dim() != 4 or x.shape[1] != weight.shape[1] * geometry.groups:
        raise LbtError(
            f"integer convolution: found input {tuple(x.shape)}, weight {tuple(weight.shape)}, groups "
            f"{geometry.groups}; accepted: (N, C, H, W), (O, C / groups, KH, KW)"
        )
