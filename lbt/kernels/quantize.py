"""Quantizing a tensor: range, scale, rounding to codes, and back.

:func:`quantize` is the definition, in plain tensor code for any format and device. On the CPU the loops of
:mod:`lbt.kernels.loops` do the same in one pass, on a GPU it is compiled (:mod:`lbt.kernels.gpu`), to the same
bits; the tests compare them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lbt.errors import LbtError
from lbt.kernels import finite
from lbt.kernels import gpu as compiled
from lbt.kernels import loops as kernels
from lbt.numerics.formats import FormatBase, Int
from lbt.numerics.granularity import Layout, to_matrix
from lbt.numerics.rounding import Key, arguments
from lbt.numerics.spec import RoleSpec


@dataclass(frozen=True, slots=True)
class QTensor:
    """A quantized tensor.

    Attributes:
        codes: matrix of groups (see :mod:`lbt.numerics.granularity`); int8 where every code fits, else int16 or int32.
            Codes of a format with zero point are stored with the zero point subtracted, so that 0 means 0.0.
        scale: float32, positive; one for each group, (rows, 1), (1, columns) or (1, 1).
        zero_point: int32 like ``scale`` for an asymmetric integer format, else None.
        form: the number format.
        layout: the way back to the tensor's shape.
    """

    codes: Tensor
    scale: Tensor
    zero_point: Tensor | None
    form: FormatBase
    layout: Layout

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return self.layout.shape

    def dequantize(self) -> Tensor:
        """float32 of the tensor's shape (channels_last in memory)."""
        return self.layout.restore(compiled.decoder(self.form, self.codes)(self.codes, self.scale))


def limits(matrix: Tensor, dim: int, spec: RoleSpec, key: Key, running: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """(high, low) limits of each group: low is None for a symmetric format, else >= 0 and means -low.

    Raises:
        LbtError: the data hold NaN or infinity; names layer and role.
    """
    form = spec.format
    if isinstance(form, Int) and not form.symmetric:
        limit = compiled.limiter(spec.range, dim, form, matrix)
        high, low = limit(matrix.clamp_min(0)), limit(matrix.clamp_max(0))
        finite.check(high + low, key)
        return high, low
    high = compiled.limiter(spec.range, dim, form, matrix)(matrix)
    finite.check(high, key)
    if running is not None and spec.range.memory:
        high = spec.range.remember(high, running)
    return high, None


def quantize(x: Tensor, spec: RoleSpec, key: Key, *, offset: int = 0, running: Tensor | None = None) -> QTensor:
    """``x`` in the format of ``spec``.

    Args:
        x: floating-point tensor of any shape, (N, C, *) or (O, I, *) where granularity names a dimension.
        spec: format, granularity, range rule, rounding.
        key: keys stochastic rounding; its role tells a weight's layout from an activation's.
        offset: index of the first element of ``x`` when it is a part of a larger batch.
        running: float32 of shape (1,), the running limit of a range rule with memory; updated in place.

    Raises:
        LbtError: NaN or infinity in ``x``; names layer and role.
    """
    matrix, layout = to_matrix(x.detach().float(), spec.granularity, key.role)
    form, dim = spec.format, layout.dim
    if matrix.numel() == 0:
        return QTensor(matrix.to(torch.int8), matrix.new_ones(1, 1), None, form, layout)
    if form.scaled:
        high, low = limits(matrix, dim, spec, key, running)
    else:
        high, low = matrix.abs().amax().reshape(1, 1), None
        finite.check(high, key)
    zero_point = None
    if low is not None and isinstance(form, Int):
        scale = form.step(high + low, form.steps)
        zero_point = (low / scale).round().clamp(0, form.steps)
    else:
        scale = form.scale_for(high)
    encode = compiled.encoder(form, spec.rounding, matrix)
    codes = encode(matrix, scale.reciprocal(), zero_point, *arguments(key, offset))
    return QTensor(codes, scale, None if zero_point is None else zero_point.int(), form, layout)


def code_type(form: FormatBase) -> torch.dtype:
    """The integer type that codes of ``form`` are kept in."""
    bits = getattr(form, "element_format", getattr(form, "element", form)).storage_bits
    wide = isinstance(form, Int) and not form.symmetric  # with the zero point subtracted: one bit more
    return torch.int8 if bits + wide <= 8 else torch.int16 if bits + wide <= 16 else torch.int32


def fake_quantize(
    x: Tensor,
    spec: RoleSpec,
    key: Key,
    *,
    offset: int = 0,
    running: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """``quantize(x, ...).dequantize()``, in one pass where there is a fast loop for it.

    Args:
        x: floating-point tensor.
        spec, key, offset, running: as of :func:`quantize`.
        out: contiguous float32 buffer of at least ``x.numel()`` elements that the result may lie in (writing to memory
            for the first time costs more than quantizing); a new one by default.

    Returns:
        float32 of ``x``'s shape.

    Raises:
        LbtError: NaN or infinity in ``x``, or an ``out`` that cannot hold the result.
    """
    if out is not None and not (out.is_contiguous() and out.dtype == torch.float32 and out.numel() >= x.numel()):
        found = f"found {out.dtype}, {out.numel()} elements, {'' if out.is_contiguous() else 'not '}contiguous"
        raise LbtError(f"fake_quantize: out: {found}; accepted: contiguous float32, at least {x.numel()} elements")
    buffer = None if out is None else out.view(-1)
    fast = kernels.quantize_fast(
        x, spec, key, offset=offset, running=running, keep_codes=False, apply_scale=True, out=buffer
    )
    if fast is None:
        return quantize(x, spec, key, offset=offset, running=running).dequantize()
    return fast.values if fast.scale == 1.0 else fast.values.mul_(fast.scale)
