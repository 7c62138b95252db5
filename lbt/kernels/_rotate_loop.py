"""The loop of :mod:`lbt.kernels.rotate`; importing this module needs numba. See :mod:`lbt.kernels._loops`."""

# mypy: disable-error-code="no-untyped-def,misc"
from __future__ import annotations

import numpy as np
from numba import njit

_F32 = np.float32
_CHUNK = 256  # columns of a block that stay in the nearest cache


@njit(nogil=True, cache=True)
def hadamard(x, first, size, count, start, stop, factor):
    """Blocks ``start`` … ``stop`` of x (outer, length, inner), each ``size`` rows, times H · ``factor``, in place."""
    inner, unit = x.shape[2], _F32(factor)
    for block in range(start, stop):
        rows = x[block // count, first + (block % count) * size : first + (block % count + 1) * size]
        for left in range(0, inner, _CHUNK):
            part = rows[:, left : min(left + _CHUNK, inner)]
            half = 1
            while half < size:
                for i in range(size):
                    if i & half == 0:
                        above, below = part[i], part[i + half]
                        for k in range(above.size):
                            a, b = above[k], below[k]
                            above[k] = a + b
                            below[k] = a - b
                half *= 2
            for i in range(size):
                row = part[i]
                for k in range(row.size):
                    row[k] *= unit


@njit(nogil=True, cache=True)
def hadamard_rows(x, first, size, count, start, stop, factor):
    """:func:`hadamard` of x (outer, length), whose blocks are contiguous."""
    unit = _F32(factor)
    for block in range(start, stop):
        low = first + (block % count) * size
        part = x[block // count, low : low + size]
        half = 1
        while half < size:
            for i in range(0, size, 2 * half):
                above, below = part[i : i + half], part[i + half : i + 2 * half]
                for k in range(half):
                    a, b = above[k], below[k]
                    above[k] = a + b
                    below[k] = a - b
            half *= 2
        for k in range(size):
            part[k] *= unit
