"""The products of convolutions and linear layers on float32 operands, through PyTorch's own kernels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lbt.kernels.geometry import Geometry
from lbt.kernels.kernel import BATCHED, Kernel, places, scaled
from lbt.kernels.quantized import Quantized


def convolution(geometry: Geometry, x: torch.Size, weight: torch.Size) -> Kernel:
    """x (N, C, *) with weight (O, C / groups, *), any number of spatial dimensions."""
    return Kernel(
        forward=partial(convolve, geometry),
        error=partial(convolve_error, geometry, x),
        weight_gradient=partial(convolve_weight, geometry, weight),
        bias_gradient=bias_gradient,
        plain=partial(convolve_plain, geometry),
        channel=1,
        reads_codes=(False, False),
        places=places(geometry.groups),
    )


def linear() -> Kernel:
    """x (N, I) times w (O, I)."""
    return Kernel(
        forward=lambda a, w: _product(a, w, a.values, w.values.t()),
        error=lambda e, w: _product(e, w, e.values, w.values),
        weight_gradient=lambda e, a: _product(e, a, e.values.t(), a.values),
        bias_gradient=bias_gradient,
        plain=functional.linear,
        channel=-1,
        reads_codes=(False, False),
    )


def batched() -> Kernel:
    """x (B, M, K) times w (B, N, K), both activations → (B, M, N)."""
    return Kernel(
        forward=lambda a, w: _product(a, w, a.values, w.values.mT),
        error=lambda e, w: _product(e, w, e.values, w.values),
        weight_gradient=lambda e, a: _product(e, a, e.values.mT, a.values),
        bias_gradient=bias_gradient,
        plain=lambda x, w, bias: x @ w.mT,
        channel=-1,
        reads_codes=(False, False),
        places=BATCHED,
        right="A2",
    )


def convolve_plain(geometry: Geometry, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The convolution of plain tensors, (N, O, *)."""
    none = (0,) * len(geometry.stride)
    stride, padding, dilation, groups = geometry
    return torch.convolution(x, weight, bias, stride, padding, dilation, False, none, groups)


def convolve(geometry: Geometry, a: Quantized, w: Quantized) -> Tensor:
    """The forward product, float32 (N, O, *)."""
    with full_precision(a, w):
        return scaled(convolve_plain(geometry, a.values, w.values, None), a, w)


def convolve_error(geometry: Geometry, shape: torch.Size, e: Quantized, w: Quantized) -> Tensor:
    """The error of an input of ``shape``, float32."""
    return scaled(_backward(geometry, e, _placeholder(e.values, shape), w.values, (True, False), w)[0], e, w)


def convolve_weight(geometry: Geometry, shape: torch.Size, e: Quantized, a: Quantized) -> Tensor:
    """The gradient of a weight of ``shape``, float32."""
    return scaled(_backward(geometry, e, a.values, _placeholder(e.values, shape), (False, True), a)[1], e, a)


def bias_gradient(e: Quantized) -> Tensor:
    """The error summed over all but dimension 1, float32 (O,)."""
    return e.values.sum([d for d in range(e.values.dim()) if d != 1]).mul_(e.factor)


@contextlib.contextmanager
def full_precision(*operands: Quantized) -> Iterator[None]:
    """On a GPU, float32 products of all 24 bits.

    The default for convolutions (TF32) keeps 11, too few for values with scales in them. Codes of eight bits fit, so
    that their products stay fast, and exact.
    """
    if all(x.fits_a_byte for x in operands) or operands[0].stored.device.type != "cuda":
        yield
        return
    flags: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    before = [flag.allow_tf32 for flag in flags]
    try:
        for flag in flags:
            flag.allow_tf32 = False
        yield
    finally:
        for flag, value in zip(flags, before, strict=True):
            flag.allow_tf32 = value


def _product(left: Quantized, right: Quantized, a: Tensor, b: Tensor) -> Tensor:
    with full_precision(left, right):
        return scaled(a @ b, left, right)


def _backward(
    geometry: Geometry, e: Quantized, x: Tensor, weight: Tensor, wanted: tuple[bool, bool], other: Quantized
) -> Any:
    stride, padding, dilation, groups = geometry
    none, mask = [0] * len(stride), (*wanted, False)
    how = (stride, padding, dilation, False, none, groups, mask)
    with full_precision(e, other):
        return torch.ops.aten.convolution_backward(e.values, x, weight, None, *how)


def _placeholder(like: Tensor, shape: torch.Size) -> Tensor:
    """The operand of a gradient that is not asked for: it only lends its shape."""
    form = torch.channels_last if len(shape) == 4 else torch.contiguous_format
    return torch.empty(shape, device=like.device, memory_format=form)
