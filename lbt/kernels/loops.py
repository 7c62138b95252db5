"""Fused loops on the CPU: one pass for the ranges, one for codes and values.

The loops are compiled by numba on first use, cached on disk, and run without Python's lock on pieces of the tensor when
PyTorch has more than one thread; element-indexed randomness makes the result independent of the pieces. Where numba is
missing the plain definition is used: the same bits, slower.
"""

from __future__ import annotations

import functools
import importlib
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lbt.kernels.pieces import PIECE, over_pieces
from lbt.kernels.quantized import integer_dtype

if TYPE_CHECKING:
    from lbt.kernels.backend import Want
    from lbt.kernels.groups import Groups
    from lbt.numerics.formats import FormatBase
    from lbt.numerics.granularity import Layout
    from lbt.numerics.ranges import RuleBase
    from lbt.numerics.rounding import Index, Key, Rounding


@functools.cache
def loops() -> ModuleType | None:
    """The compiled loops, or None where numba is not installed (said once)."""
    try:
        return importlib.import_module("lbt.kernels._loops")
    except ImportError:
        warnings.warn("numba is not installed: quantization gives the same bits, but more slowly", stacklevel=2)
        return None


def takes(form: FormatBase, x: Tensor) -> bool:
    """True if ``x`` is on the CPU and there is a loop for the elements of ``form``."""
    return x.device.type == "cpu" and form.element_format.grid != "other" and loops() is not None


def limits(matrix: Tensor, layout: Layout, rule: RuleBase, form: FormatBase, known: int | None) -> float | Tensor:
    """See :class:`lbt.kernels.backend.Backend`."""
    module, source = _module(), matrix.reshape(-1).numpy()
    if matrix.shape[0] == 1 and not layout.by_column:
        found = rule.limit_of(_top(module, source, known), functools.partial(_mean_square, module, source))
        return rule.limit(matrix, layout.dim, form) if found is None else found
    if rule.rule != "max":
        return rule.limit(matrix, layout.dim, form)
    groups, length = (matrix.shape[1], matrix.shape[1]) if layout.by_column else matrix.shape
    bits = np.zeros(groups, np.int32)
    (module.column_max_bits if layout.by_column else module.row_max_bits)(source.view(np.int32), length, bits)
    return torch.from_numpy(bits.view(np.float32)).reshape((1, -1) if layout.by_column else (-1, 1))


def encode(
    matrix: Tensor, groups: Groups, rounding: Rounding, key: Key, index: Index, want: Want, out: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """See :class:`lbt.kernels.backend.Backend`."""
    integers = groups.form.element_format.grid == "integers" and groups.zero_point is None
    encoding = _by_one_scale if groups.single and integers and rounding != "floor" else _by_group
    return encoding(matrix, groups, rounding, key, index, want, out)


def decode(codes: Tensor, groups: Groups, out: Tensor | None) -> Tensor:
    """See :class:`lbt.kernels.backend.Backend`."""
    element, module = groups.form.element_format, _module()
    if groups.single and element.grid == "integers":
        return codes.float() if out is None else out.view(codes.shape).copy_(codes)
    count = codes.numel()
    values = torch.empty(count) if out is None else out
    minifloats = element.grid == "minifloats"
    loop: Any = module.decode_minifloats if minifloats else module.decode_integers
    places = _places(element) if minifloats else ()
    rows, width = (1, count) if groups.single else codes.shape
    source, into = codes.reshape(-1).numpy(), values.numpy()
    scales = np.ones(1, np.float32) if groups.single else groups.scale.reshape(-1).numpy()

    def write(start: int, stop: int) -> None:
        length = stop - start if rows == 1 else width
        piece = slice(start, stop) if rows == 1 else slice(start * width, stop * width)
        own = slice(None) if rows == 1 or groups.by_column else slice(start, stop)
        loop(source[piece], length, groups.by_column, *places, scales[own], into[piece])

    over_pieces(count if rows == 1 else rows, write, 1 if rows == 1 else width)
    return values.view(codes.shape)


def _by_one_scale(
    matrix: Tensor, groups: Groups, rounding: Rounding, key: Key, index: Index, want: Want, out: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """Integers with one scale for the tensor: only what is wanted is written."""
    form, scale, count = groups.form, np.float32(groups.factor), matrix.numel()
    source, module = matrix.reshape(-1).numpy(), _module()
    inverse, bound = np.float32(1) / scale, np.float32(form.largest)
    first, second = (np.uint32(word) for word in key.words())
    codes = torch.empty(count, dtype=integer_dtype(form)) if want in ("codes", "both") else None
    values = None if want == "codes" else torch.empty(count) if out is None else out
    ints = None if codes is None else codes.numpy()
    into = np.empty(0, np.float32) if values is None else values.numpy()
    unit = scale if want == "dequantized" else np.float32(1)

    def write(start: int, stop: int) -> None:
        shift, piece = np.uint32((index.offset + start) & 0xFFFFFFFF), slice(start, stop)
        if ints is None:
            loop = getattr(module, rounding)
            loop(source[piece], inverse, -bound, bound, unit, first, second, shift, into[piece])
        else:
            loop = getattr(module, f"{rounding}_codes")
            loop(source[piece], inverse, -bound, bound, first, second, shift, into[piece], ints[piece])

    over_pieces(count, write)
    return tuple(None if t is None else t.view(matrix.shape) for t in (codes, values))  # type: ignore[return-value]


def _by_group(
    matrix: Tensor, groups: Groups, rounding: Rounding, key: Key, index: Index, want: Want, out: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Any granularity, zero points, minifloats, block and shared-exponent formats: codes and values in one pass."""
    element, module, single = groups.form.element_format, _module(), groups.single
    rows, width = (1, matrix.numel()) if single else matrix.shape
    per = max(1, index.run // width)  # rows from one position to the next
    codes = torch.empty(matrix.shape, dtype=integer_dtype(groups.form))
    values = torch.empty(matrix.shape) if out is None else out.view(matrix.shape)
    source, into, ints = (t.reshape(-1).numpy() for t in (matrix, values, codes))
    scale = groups.scale
    applied = torch.ones(1, 1) if single and want != "dequantized" else scale
    inverses, units = (t.reshape(-1).numpy() for t in (scale.reciprocal(), applied))
    first, second = (np.uint32(word) for word in key.words())
    ends: tuple[Any, ...]
    if element.grid == "integers":
        bounds = (groups.form if groups.zero_point is not None else element).bounds(groups.zero_point)
        ends = tuple(torch.as_tensor(v).float().expand(scale.shape).contiguous().view(-1).numpy() for v in bounds)
        loop = module.INTEGERS[rounding]
    else:
        ends = (np.float32(element.largest), *_places(element))
        loop = (module.SHORTENED if element.multiplier.exponent == 8 else module.MINIFLOATS)[rounding]

    def write(start: int, stop: int) -> None:
        # a single row is cut between elements, else between rows
        length = stop - start if rows == 1 else width
        a, b = (start, stop) if rows == 1 else (start * width, stop * width)
        own = slice(None) if rows == 1 or groups.by_column else slice(start, stop)
        shift = np.uint32((index.offset + a) & 0xFFFFFFFF)
        mine = tuple(v[own] if isinstance(v, np.ndarray) else v for v in ends)
        tail = (units[own], first, second, shift, (start, per, index.gap), into[a:b], ints[a:b])
        loop(source[a:b], length, groups.by_column, inverses[own], *mine, *tail)

    over_pieces(matrix.numel() if rows == 1 else rows, write, 1 if rows == 1 else width)
    return codes, values


def _module() -> ModuleType:
    module = loops()
    assert module is not None, "takes() said so"
    return module


def _places(element: FormatBase) -> tuple[Any, Any]:
    """A minifloat for the loops: the bits of 2^(lowest exponent), and its mantissa bits."""
    exponent, mantissa, _ = element.multiplier
    return np.int32((2 - 2 ** (exponent - 1) + 127) << 23), np.int32(mantissa)


def _top(module: ModuleType, source: Any, known: int | None) -> float:
    """The largest magnitude of ``source``, whose bit pattern may be ``known``."""
    bits = source.view(np.int32)
    found = max(over_pieces(source.size, lambda a, b: module.max_bits(bits[a:b]))) if known is None else known
    return float(np.array(found, np.int32).view(np.float32))


def _mean_square(module: ModuleType, source: Any, nonzero: bool) -> float:
    # pieces of fixed size, so that the sum does not depend on the threads
    total = sum(module.sum_squares(source[a : a + PIECE]) for a in range(0, source.size, PIECE))
    return total / (max(1, np.count_nonzero(source)) if nonzero else source.size)  # type: ignore[no-any-return]
