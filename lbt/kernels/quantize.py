"""Quantizing a tensor: range, scale, rounding to codes.

The definition is plain tensor code for any format and device (:mod:`lbt.kernels.plain`). Fused loops on the CPU
(:mod:`lbt.kernels.loops`) and compiled code on a GPU (:mod:`lbt.kernels.gpu`) give the same bits; the tests compare.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from lbt.errors import LbtError
from lbt.kernels import finite, gpu, loops, plain
from lbt.kernels.backend import Backend, Want
from lbt.kernels.buffers import buffer
from lbt.kernels.groups import Groups
from lbt.kernels.kernel import CHANNELS, Place
from lbt.kernels.magnitude import recall
from lbt.kernels.quantized import Quantized, unquantized
from lbt.kernels.rotate import rotate
from lbt.numerics.formats import FormatBase
from lbt.numerics.granularity import Layout, to_matrix
from lbt.numerics.ranges import parse_rule
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec

_MAX = parse_rule("max")


def quantize(
    x: Tensor,
    spec: RoleSpec | None,
    key: Key,
    *,
    want: Literal["codes", "values", "both"] = "codes",
    offset: int = 0,
    running: Tensor | None = None,
    slot: str = "",
    place: Place = CHANNELS,
    backend: Backend | None = None,
) -> Quantized:
    """``x`` in the format of ``spec``, after its rotation.

    Args:
        x: floating-point tensor of any shape, (N, C, *) or (O, I, *) where granularity names a dimension.
        spec: format, granularity, range rule, rounding; None leaves ``x`` in float32.
        key: keys stochastic rounding; its role tells a weight's layout from an activation's.
        want: what the caller reads. Values that were not wanted are made from codes lazily; the other way round there
            is none.
        offset: index of the first element of ``x`` when it is a part of a larger batch.
        running: float32, the state of a range rule with memory: its running limit (1,), updated in place, or what
            :mod:`lbt.numerics.ranges.learned` says.
        slot: name of the shared CPU buffer that holds the values; a new tensor when empty.
        place: the dimensions of an operand that are its channels and its product's reduction.
        backend: by default the fastest that takes format and device.

    Raises:
        LbtError: NaN or infinity in ``x``; names layer and role.
    """
    if spec is None:
        return unquantized(x)
    if spec.rotate is not None:
        x = turned(x, spec.rotate, place, key, offset)
    backend = backend or choose(spec.format, x)
    out = buffer(slot, x.numel()) if slot and x.device.type == "cpu" and want != "codes" else None
    groups, layout, codes, values = _encoded(x, spec, key, want, offset, running, backend, out, place)
    made = None if values is None else layout.restore(values)
    return Quantized(groups, layout, backend, None if want == "values" and made is not None else codes, slot, made)


def fake_quantize(
    x: Tensor,
    spec: RoleSpec,
    key: Key,
    *,
    offset: int = 0,
    running: Tensor | None = None,
    out: Tensor | None = None,
    backend: Backend | None = None,
) -> Tensor:
    """``quantize(x, ...).dequantize()``, in one pass where there is a fast loop for it.

    Args:
        x: floating-point tensor.
        spec, key, offset, running, backend: see :func:`quantize`.
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
    room = None if out is None else out.view(-1)[: x.numel()]
    backend = backend or choose(spec.format, x)
    _, layout, _, values = _encoded(x, spec, key, "dequantized", offset, running, backend, room)
    assert values is not None
    return layout.restore(values)


def turned(x: Tensor, rotation: str, place: Place, key: Key, offset: int = 0) -> Tensor:
    """``x`` as :func:`quantize` rotates it: the operands of a product, which share ``place.product``, alike."""
    start = offset // max(1, x[0].numel()) if place.reduction == 0 and len(x) else 0
    signs = replace(key, role=f"rotate {place.product}")
    return rotate(x, rotation, place.reduction, signs, start=start, parts=place.parts)


def choose(form: FormatBase, x: Tensor) -> Backend:
    """The fastest backend that takes the format and the device of ``x``."""
    if gpu.takes(x):
        return gpu
    return loops if loops.takes(form, x) else plain


def _encoded(
    x: Tensor,
    spec: RoleSpec,
    key: Key,
    want: Want,
    offset: int,
    running: Tensor | None,
    backend: Backend,
    out: Tensor | None,
    place: Place = CHANNELS,
) -> tuple[Groups, Layout, Tensor | None, Tensor | None]:
    """Groups, layout, codes and values (matrices) of ``x``."""
    known = recall(x)
    axis = place.reduction if spec.along == "reduction" else place.channels
    granularity = spec.granularity if spec.format.scaled else "tensor"
    matrix, layout = to_matrix(x.detach().float(), granularity, key.role, axis)
    if matrix.numel() == 0:
        return Groups(spec.format, 1.0, None, False), layout, matrix.to(torch.int8), matrix
    groups = _groups(matrix, layout, spec, key, running, backend, known)
    room = out if matrix.numel() == x.numel() else None  # padding needs more
    return groups, layout, *backend.encode(matrix, groups, spec.rounding, key, layout.index(offset), want, room)


def limits(
    matrix: Tensor,
    layout: Layout,
    spec: RoleSpec,
    key: Key,
    running: Tensor | None = None,
    backend: Backend = plain,
    known: int | None = None,
) -> tuple[float | Tensor, float | Tensor]:
    """(high, low) of each group: the data reach from ``-low`` to ``high``. The same for a format without a zero point.

    Args:
        matrix, layout: see :func:`lbt.numerics.granularity.to_matrix`.
        spec, key, running: see :func:`quantize`.
        backend, known: see :class:`lbt.kernels.backend.Backend`.

    Raises:
        LbtError: the data hold NaN or infinity; names layer and role.
    """
    form = spec.format
    rule = spec.range if form.scaled else _MAX
    if rule.learned and running is not None:
        finite.check(backend.limits(matrix, layout, _MAX, form, known), key)
        return rule.reach(matrix, form, running)
    if form.has_zero_point:
        high = backend.limits(matrix.clamp_min(0), layout, rule, form, None)
        low = backend.limits(matrix.clamp_max(0), layout, rule.below_zero(), form, None)
        finite.check(high * 0.5 + low * 0.5, key)  # their sum may lie beyond float32 without either being there
        return high, low
    limit = backend.limits(matrix, layout, rule, form, known)
    finite.check(limit, key)
    if running is not None and rule.memory:
        limit = rule.remember(limit if isinstance(limit, Tensor) else torch.tensor([[limit]]), running)
    return limit, limit


def _groups(
    matrix: Tensor,
    layout: Layout,
    spec: RoleSpec,
    key: Key,
    running: Tensor | None,
    backend: Backend,
    known: int | None,
) -> Groups:
    """Scale and zero point of each group."""
    form, zero_point = spec.format, None
    high, low = limits(matrix, layout, spec, key, running, backend, known)
    if form.has_zero_point:
        ends = (torch.tensor([[end]]) if isinstance(end, float) else end for end in (high, low))
        scale, zero_point = form.affine(*ends)
    elif isinstance(high, float):
        return Groups(form, form.scale_of(high), None, False)
    else:
        scale = form.scale_for(high)
    return Groups(form, scale, zero_point, layout.by_column and scale.numel() > 1)
