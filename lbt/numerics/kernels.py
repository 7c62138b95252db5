"""Fast loops for what a training step does most: symmetric integers with one scale for the tensor, on the CPU.

One pass finds the largest magnitude (and sees NaN and infinity), one more scales, rounds and writes the codes. The
loops are compiled by numba on first use, cached on disk, and run without Python's lock on pieces of the tensor when
PyTorch has more than one thread; element-indexed randomness makes the result independent of the pieces. Where numba is
missing, or the tensor is on another device, :func:`quantize_fast` answers None and the plain definition is used: same
bits, slower.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lbt.errors import LbtError
from lbt.numerics.formats import Int
from lbt.numerics.formats._base import SMALLEST_RANGE
from lbt.numerics.ranges.sigma import Rule as Sigma
from lbt.numerics.rounding import Key

if TYPE_CHECKING:
    from lbt.numerics.spec import RoleSpec

_PIECE = 1 << 17  # elements below which a second thread costs more than it brings


class Fast(NamedTuple):
    """A quantized tensor of one scale.

    Attributes:
        values: the codes as float32, in the tensor's shape; value = values · scale.
        codes: the same as int8 (int16 over eight bits), or None when they were not asked for.
        scale: the scale.
    """

    values: Tensor
    codes: Tensor | None
    scale: float


@functools.cache
def loops() -> ModuleType | None:
    """The compiled loops, or None where numba is not installed."""
    try:
        from lbt.numerics import _loops
    except ImportError:
        return None
    return _loops


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="lbt-kernel")


def over_pieces(count: int, work: Callable[[int, int], Any]) -> list[Any]:
    """``work(start, stop)`` on the whole range, or on pieces in threads; the results in order."""
    threads = torch.get_num_threads()
    if threads == 1 or count < 2 * _PIECE:
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
    return (x.movedim(1, -1) if x.dim() > 2 else x).reshape(-1).numpy()


def quantize_fast(
    x: Tensor,
    spec: RoleSpec,
    key: Key,
    *,
    offset: int = 0,
    running: Tensor | None = None,
    keep_codes: bool = True,
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
        out: float32 buffer of at least ``x.numel()`` elements to hold ``values``; a new one by default.

    Raises:
        LbtError: NaN or infinity in ``x``.
    """
    form, module = spec.format, loops()
    if (
        module is None
        or not isinstance(form, Int)
        or not form.symmetric
        or form.bits == 1
        or spec.granularity != "tensor"
        or spec.rounding == "floor"
        or x.device.type != "cpu"
        or x.numel() == 0
    ):
        return None
    x = dense(x.detach().float())
    source = flat(x)
    count = source.size
    limit = _limit(module, source, x, spec, key, running)
    scale = _scale(form, limit)
    inverse = np.float32(1) / np.float32(scale)
    values = torch.empty_like(x) if out is None else out[:count].as_strided(x.shape, x.stride())
    into = flat(values)
    bound = np.float32(form.largest)
    first, second = (np.uint32(word) for word in key.words())
    shift = np.uint32(offset & 0xFFFFFFFF)
    name = spec.rounding
    if not keep_codes:
        loop = getattr(module, name)
        over_pieces(count, lambda a, b: loop(source, inverse, -bound, bound, first, second, shift, into, a, b))
        return Fast(values, None, scale)
    codes = torch.empty_like(x, dtype=torch.int8 if form.bits <= 8 else torch.int16)
    whole, both = flat(codes), getattr(module, f"{name}_codes")
    over_pieces(count, lambda a, b: both(source, inverse, -bound, bound, first, second, shift, into, whole, a, b))
    return Fast(values, codes, scale)


def _scale(form: Int, limit: float) -> float:
    """``form.scale_for`` of one number, without a tensor."""
    if limit < SMALLEST_RANGE:
        return 1.0
    scale = float(np.float32(limit) / np.float32(form.largest))
    if form.scale == "float":
        return scale
    mantissa, exponent = math.frexp(scale)
    return math.ldexp(1.0, exponent - (mantissa <= (0.5 if form.shift == "up" else math.sqrt(0.5))))


def _limit(module: ModuleType, source: Any, x: Tensor, spec: RoleSpec, key: Key, running: Tensor | None) -> float:
    """The limit of the whole tensor, as the range rule defines it."""
    bits = source.view(np.int32)
    top = np.array(max(over_pieces(source.size, lambda a, b: module.max_bits(bits, a, b))), np.int32).view(np.float32)
    if not np.isfinite(top):
        raise LbtError(
            f"{key.where()}: found NaN or infinity in the tensor to quantize (step {key.step}); "
            "lower the learning rate, or the loss scale"
        )
    rule = spec.range
    if rule.rule == "max":
        return float(top)
    if isinstance(rule, Sigma):
        pieces = range(0, source.size, _PIECE)  # of fixed size, so that the sum does not depend on the threads
        square = sum(module.sum_squares(source, a, min(a + _PIECE, source.size)) for a in pieces)
        return min(float(np.float32(rule.k * math.sqrt(square / source.size))), float(top))
    matrix = torch.from_numpy(source).reshape(1, -1)
    limit = rule.limit(matrix, 1, spec.format)
    if running is not None and rule.memory:
        limit = rule.remember(limit, running)
    return float(limit)
