"""The fused loops of :mod:`lbt.numerics.kernels`; importing this module needs numba (about half a second).

The machine code is kept in numba's on-disk cache: about one second a loop the first time ever, milliseconds afterwards.
Each loop writes exactly what the plain definition writes: the same float32 operations in the same order, no fast-math.
"""

# mypy: disable-error-code="no-untyped-def,misc"
from __future__ import annotations

import numpy as np
from numba import njit

_F32, _U32, _I32 = np.float32, np.uint32, np.int32
_SHIFT = _F32(12582912.0)  # 1.5 · 2^23: adding and subtracting it rounds to the nearest whole number, ties to even


@njit(nogil=True, cache=True, inline="always")
def _hash(index, first, second):
    # numba widens uint32 arithmetic to 64 bits; every step is cut back
    h = _U32(_U32(index) + first)
    h = _U32(h ^ (h >> _U32(16)))
    h = _U32(h * _U32(0x7FEB352D))
    h = _U32(h ^ second)
    h = _U32(h ^ (h >> _U32(15)))
    h = _U32(h * _U32(0x846CA68B))
    h = _U32(h ^ (h >> _U32(16)))
    return h


@njit(nogil=True, cache=True, inline="always")
def _stochastic(v, h):
    nearest = (v + _SHIFT) - _SHIFT
    low = nearest - _F32(1) if nearest > v else nearest
    draw = _F32(_I32(h >> _U32(8)))
    return low + _F32(1) if draw < (v - low) * _F32(16777216.0) else low


@njit(nogil=True, cache=True)
def max_bits(bits, start, stop):
    """Largest magnitude as a bit pattern; a NaN or infinity gives 0x7F800000 or more."""
    top = _I32(0)
    for i in range(start, stop):
        b = bits[i] & _I32(0x7FFFFFFF)
        if b > top:
            top = b
    return top


@njit(nogil=True, cache=True)
def sum_squares(x, start, stop):
    """Sum of squares in float64, in eight interleaved parts (a fixed order that vectorises)."""
    parts = np.zeros(8, np.float64)
    whole = start + (stop - start) // 8 * 8
    for i in range(start, whole, 8):
        for j in range(8):
            v = np.float64(x[i + j])
            parts[j] += v * v
    for i in range(whole, stop):
        v = np.float64(x[i])
        parts[0] += v * v
    total = 0.0
    for j in range(8):
        total += parts[j]
    return total


@njit(nogil=True, cache=True)
def nearest(x, inverse, low, high, first, second, offset, values, start, stop):
    """values = round(clip(x · inverse)); the key is unused, for the same signature as :func:`stochastic`."""
    for i in range(start, stop):
        v = min(max(x[i] * inverse, low), high)
        values[i] = (v + _SHIFT) - _SHIFT


@njit(nogil=True, cache=True)
def stochastic(x, inverse, low, high, first, second, offset, values, start, stop):
    """values = stochastic_round(clip(x · inverse))."""
    for i in range(start, stop):
        v = min(max(x[i] * inverse, low), high)
        values[i] = _stochastic(v, _hash(offset + i, first, second))


@njit(nogil=True, cache=True)
def nearest_codes(x, inverse, low, high, first, second, offset, values, codes, start, stop):
    """As :func:`nearest`, and the same numbers as integers."""
    for i in range(start, stop):
        v = min(max(x[i] * inverse, low), high)
        c = (v + _SHIFT) - _SHIFT
        values[i] = c
        codes[i] = _I32(c)


@njit(nogil=True, cache=True)
def stochastic_codes(x, inverse, low, high, first, second, offset, values, codes, start, stop):
    """As :func:`stochastic`, and the same numbers as integers."""
    for i in range(start, stop):
        v = min(max(x[i] * inverse, low), high)
        c = _stochastic(v, _hash(offset + i, first, second))
        values[i] = c
        codes[i] = _I32(c)
