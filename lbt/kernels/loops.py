"""Fast loops for what a training step does most: quantizing a tensor on the CPU.

For symmetric integers with one scale for the tensor (:func:`quantize_fast`): one pass finds the largest magnitude (and
sees NaN and infinity), one more scales, rounds and writes the codes. Other granularities and formats, minifloats and
shared exponents included, go through :func:`quantize_groups`: one pass for the ranges, one for codes and values. The
loops are compiled by numba on first use, cached on disk, and run without Python's lock on pieces of the tensor when
PyTorch has more than one thread; element-indexed randomness makes the result independent of the pieces. Where numba is
missing, or the tensor is on another device, the answer is None and the plain definition is used: same bits, slower.
"""

from __future__ import annotations

import functools
import importlib
import math
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lbt.kernels import finite
from lbt.kernels.magnitude import recall
from lbt.numerics.formats import Float, Int
from lbt.numerics.formats._base import SMALLEST_RANGE
from lbt.numerics.granularity import Layout, channel_last, to_matrix
from lbt.numerics.ranges.sigma import Rule as Sigma
from lbt.numerics.rounding import Key

if TYPE_CHECKING:
    from lbt.kernels.quantize import QTensor
    from lbt.numerics.spec import RoleSpec

_PIECE = 1 << 17  # elements below which a second thread costs more than it brings


class Fast(NamedTuple):
    """A quantized tensor.

    Attributes:
        values: float32 in the tensor's shape; value = values · scale.
        codes: the codes in the tensor's shape where there is one scale: int8 (int16 over eight bits). None when there
            are more, or when they were not asked for.
        scale: the scale; 1.0 where there are more than one (they are inside ``values``).
        groups: codes and scales as a matrix of groups, where :func:`quantize_groups` made them.
    """

    values: Tensor
    codes: Tensor | None
    scale: float
    groups: QTensor | None = None


@functools.cache
def loops() -> ModuleType | None:
    """The compiled loops, or None where numba is not installed (said once)."""
    try:
        return importlib.import_module("lbt.kernels._loops")
    except ImportError:
        warnings.warn("numba is not installed: quantization gives the same bits, but more slowly", stacklevel=2)
        return None


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="lbt-kernel")


def over_pieces(count: int, work: Callable[[int, int], Any], elements: int = 1) -> list[Any]:
    """``work(start, stop)`` on the whole range, or on pieces in threads; the results in order.

    ``elements``: of the tensor, for each one counted."""
    threads = torch.get_num_threads()
    if threads == 1 or count * elements < 2 * _PIECE or count < threads:
        return [work(0, count)]
    step = -(-count // threads)
    starts = range(0, count, step)
    return list(_pool(threads).map(lambda s: work(s, min(s + step, count)), starts))


def dense(x: Tensor) -> Tensor:
    """``x`` itself when its memory is in channel-last order without gaps, else such a copy."""
    if x.dim() == 4:
        return x.contiguous(memory_format=torch.channels_last)
    if x.dim() > 2:
        return x.movedim(1, -1).contiguous().movedim(-1, 1)
    return x.contiguous()


def flat(x: Tensor) -> Any:
    """The NumPy view of a dense tensor's memory, (numel,), in channel-last order."""
    return x.as_strided((x.numel(),), (1,)).numpy()


def quantize_fast(
    x: Tensor,
    spec: RoleSpec,
    key: Key,
    *,
    offset: int = 0,
    running: Tensor | None = None,
    keep_codes: bool = True,
    only_codes: bool = False,
    apply_scale: bool = False,
    out: Tensor | None = None,
) -> Fast | None:
    """The codes of ``x``, or None where no loop fits (see the module).

    Args:
        x: tensor of any shape.
        spec: how to quantize.
        key: keys stochastic rounding.
        offset: index of the first element in the whole batch.
        running: the running limit of a range rule with memory; updated in place.
        keep_codes: whether the integer codes are wanted.
        only_codes: with one scale for the tensor, ``values`` are not wanted (and hold anything).
        apply_scale: where codes are not wanted: ``values`` carry the scale, and ``scale`` is 1.0.
        out: float32 buffer of at least ``x.numel()`` elements to hold ``values``; a new one by default.

    Raises:
        LbtError: NaN or infinity in ``x``.
    """
    form, module = spec.format, loops()
    if module is None or x.device.type != "cpu" or x.numel() == 0:
        return None
    if (
        not isinstance(form, Int)
        or not form.symmetric
        or form.bits == 1
        or spec.granularity != "tensor"
        or spec.rounding == "floor"
    ):
        return quantize_groups(x, spec, key, offset=offset, running=running, keep_codes=keep_codes, out=out)
    known = recall(x)
    x = dense(x.detach().float())
    source = flat(x)
    count = source.size
    scale = _scale(form, _limit(module, source, known, spec, key, running))
    inverse, bound = np.float32(1) / np.float32(scale), np.float32(form.largest)
    unit = np.float32(scale if apply_scale else 1)
    first, second = (np.uint32(word) for word in key.words())
    if keep_codes:
        codes = torch.empty_like(x, dtype=torch.int8 if form.bits <= 8 else torch.int16)
        whole = flat(codes)
    if only_codes:
        values, into = x, np.empty(0, np.float32)
    else:
        values = torch.empty_like(x) if out is None else out[:count].as_strided(x.shape, x.stride())
        into = flat(values)

    def write(start: int, stop: int) -> None:
        shift = np.uint32((offset + start) & 0xFFFFFFFF)
        piece = slice(start, stop)
        if keep_codes:
            loop = getattr(module, f"{spec.rounding}_codes")
            loop(source[piece], inverse, -bound, bound, first, second, shift, into[piece], whole[piece])
        else:
            loop = getattr(module, spec.rounding)
            loop(source[piece], inverse, -bound, bound, unit, first, second, shift, into[piece])

    over_pieces(count, write)
    return Fast(values, codes if keep_codes else None, 1.0 if apply_scale else scale)


def quantize_groups(
    x: Tensor,
    spec: RoleSpec,
    key: Key,
    *,
    offset: int = 0,
    running: Tensor | None = None,
    keep_codes: bool = True,
    out: Tensor | None = None,
) -> Fast | None:
    """:func:`quantize_fast` for any granularity, zero points, minifloats, block and shared-exponent formats.

    None for the format that has no loop: one bit.
    """
    from lbt.kernels.quantize import QTensor, code_type  # which itself asks this module for its loops

    form, module = spec.format, loops()
    element = getattr(form, "element_format", getattr(form, "element", form))
    if module is None or not _has_loop(element):
        return None
    matrix, layout = to_matrix(x.detach().float(), spec.granularity, key.role)
    scale, zero_point = _scales(module, matrix, recall(x), layout, spec, key, running)
    single = scale.numel() == 1
    rows, width = (1, matrix.numel()) if single else matrix.shape
    by_column = layout.by_column and not single
    inverse = scale.reciprocal()
    padded = layout.padded != layout.width
    result: Tensor | None = None
    if out is None and not padded and x.dim() != 3:  # not a view, so that a caller may change it in place
        result = torch.empty(x.shape, memory_format=torch.channels_last if x.dim() == 4 else torch.contiguous_format)
    values = result if result is not None else torch.empty(matrix.shape) if out is None or padded else out
    values = channel_last(values).reshape(-1)[: matrix.numel()].view(matrix.shape)
    codes = torch.empty(matrix.shape, dtype=code_type(form))
    source, into, ints = (t.reshape(-1).numpy() for t in (matrix, values, codes))
    inverses, units = inverse.reshape(-1).numpy(), (scale.new_ones(1, 1) if single else scale).reshape(-1).numpy()
    first, second = (np.uint32(word) for word in key.words())
    arguments: tuple[Any, ...]
    if isinstance(element, Int):
        low = -element.largest if zero_point is None else -zero_point.float()
        high = element.largest if zero_point is None else form.steps - zero_point.float()  # type: ignore[attr-defined]
        arguments = tuple(
            torch.as_tensor(v).float().expand(scale.shape).contiguous().view(-1).numpy() for v in (low, high)
        )
        loop = module.INTEGERS[spec.rounding]
    else:
        assert isinstance(element, Float)
        arguments = (np.float32(element.largest), *_places(element))
        loop = (module.SHORTENED if element.exponent == 8 else module.MINIFLOATS)[spec.rounding]

    def write(start: int, stop: int) -> None:
        # a single row is cut between elements, else between rows
        length = stop - start if rows == 1 else width
        a, b = (start, stop) if rows == 1 else (start * width, stop * width)
        own = slice(None) if rows == 1 or by_column else slice(start, stop)
        shift = np.uint32((offset + a) & 0xFFFFFFFF)
        mine = tuple(v[own] if isinstance(v, np.ndarray) else v for v in arguments)
        tail = (units[own], first, second, shift, into[a:b], ints[a:b])
        loop(source[a:b], length, by_column, inverses[own], *mine, *tail)

    over_pieces(matrix.numel() if rows == 1 else rows, write, 1 if rows == 1 else width)
    q = QTensor(codes, scale, None if zero_point is None else zero_point.int(), form, layout)
    return Fast(
        layout.restore(values) if result is None else result, layout.restore(codes) if single and keep_codes else None,
        float(scale) if single else 1.0, q if keep_codes else None,
    )  # fmt: skip


def dequantize_groups(q: QTensor, out: Tensor | None = None) -> Tensor | None:
    """The values of ``q`` with its scales applied (none where there is one), or None where no loop fits.

    Args:
        q: what :func:`quantize_groups` made.
        out: float32 buffer for the result; a new one by default.
    """
    form, module = q.form, loops()
    element = getattr(form, "element_format", getattr(form, "element", form))
    if module is None or not _has_loop(element) or q.codes.device.type != "cpu":
        return None
    padded = q.layout.padded != q.layout.width
    count = q.codes.numel()
    values = torch.empty(count) if out is None or padded else out[:count]
    loop: Any = module.decode_integers
    places: tuple[Any, ...] = ()
    if isinstance(element, Float):
        loop, places = module.decode_minifloats, _places(element)
    single = q.scale.numel() == 1
    rows, width = (1, count) if single else q.codes.shape
    by_column = q.layout.by_column and not single
    codes, into = q.codes.reshape(-1).numpy(), values.numpy()
    scales = np.ones(1, np.float32) if single else q.scale.reshape(-1).numpy()

    def write(start: int, stop: int) -> None:
        length = stop - start if rows == 1 else width
        piece = slice(start, stop) if rows == 1 else slice(start * width, stop * width)
        own = slice(None) if rows == 1 or by_column else slice(start, stop)
        loop(codes[piece], length, by_column, *places, scales[own], into[piece])

    over_pieces(count if rows == 1 else rows, write, 1 if rows == 1 else width)
    return q.layout.restore(values.view(q.codes.shape))


def _places(element: Float) -> tuple[Any, Any]:
    """What the loops need to know of a minifloat: the bits of 2^(lowest exponent), and its mantissa bits."""
    return np.int32((element.lowest_exponent + 127) << 23), np.int32(element.mantissa)


def _has_loop(element: Any) -> bool:
    return element.bits > 1 if isinstance(element, Int) else isinstance(element, Float)


def _scales(
    module: ModuleType,
    matrix: Tensor,
    known: int | None,
    layout: Layout,
    spec: RoleSpec,
    key: Key,
    running: Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    """Scale and zero point of each group, as the plain definition finds them."""
    from lbt.kernels.quantize import limits

    form = spec.format
    if isinstance(form, Int) and not form.symmetric:
        high, low = limits(matrix, layout.dim, spec, key, running)
        assert low is not None
        scale = form.step(high + low, form.steps)
        return scale, (low / scale).round().clamp(0, form.steps)
    if form.scaled and spec.range.rule != "max":
        return form.scale_for(limits(matrix, layout.dim, spec, key, running)[0]), None
    groups, length = (matrix.shape[1], matrix.shape[1]) if layout.by_column else matrix.shape
    source = matrix.reshape(-1).numpy()
    if not form.scaled or (matrix.shape[0] == 1 and not layout.by_column):
        top = _top(module, source, known).reshape(1)
    else:
        bits = np.zeros(groups, np.int32)
        (module.column_max_bits if layout.by_column else module.row_max_bits)(source.view(np.int32), length, bits)
        top = bits.view(np.float32)
    limit = torch.from_numpy(top).reshape((1, -1) if layout.by_column else (-1, 1))
    finite.check(limit, key)
    return form.scale_for(limit), None


def _scale(form: Int, limit: float) -> float:
    """``form.scale_for`` of one number, without a tensor."""
    if limit < SMALLEST_RANGE:
        return 1.0
    scale = float(np.float32(limit) / np.float32(form.largest))
    if form.scale == "float":
        return scale
    mantissa, exponent = math.frexp(scale)
    return math.ldexp(1.0, exponent - (mantissa <= (0.5 if form.shift == "up" else math.sqrt(0.5))))


def _top(module: ModuleType, source: Any, known: int | None) -> Any:
    """The largest magnitude of ``source``, whose bit pattern may be ``known``."""
    bits = source.view(np.int32)
    found = max(over_pieces(source.size, lambda a, b: module.max_bits(bits[a:b]))) if known is None else known
    return np.array(found, np.int32).view(np.float32)


def _limit(
    module: ModuleType, source: Any, known: int | None, spec: RoleSpec, key: Key, running: Tensor | None
) -> float:
    """The limit of the whole tensor, as the range rule defines it."""
    top = _top(module, source, known)
    if not np.isfinite(top):
        raise finite.refused(key)
    rule = spec.range
    if rule.rule == "max":
        return float(top)
    if isinstance(rule, Sigma):
        pieces = range(0, source.size, _PIECE)  # of fixed size, so that the sum does not depend on the threads
        square = sum(module.sum_squares(source[a : a + _PIECE]) for a in pieces)
        return min(float(np.float32(rule.k * math.sqrt(square / source.size))), float(top))
    matrix = torch.from_numpy(source).reshape(1, -1)
    limit = rule.limit(matrix, 1, spec.format)
    if running is not None and rule.memory:
        limit = rule.remember(limit, running)
    return float(limit)
