"""The fused loops of :mod:`lbt.kernels.loops`; importing this module needs numba (about half a second).

The machine code is kept in numba's on-disk cache: about one second a loop the first time ever, milliseconds afterwards.
Each loop writes exactly what the plain definition writes: the same float32 operations in the same order, no fast-math.

A piece of a tensor is passed as a slice and walked from 0: with ``range(start, stop)`` numba has to allow for negative
indices, and the vector code turns into gathers (3 to 7 times slower).
"""

# mypy: disable-error-code="no-untyped-def,misc"
from __future__ import annotations

import numpy as np
from numba import njit

_F32, _U32, _I32 = np.float32, np.uint32, np.int32
_SHIFT = _F32(12582912.0)  # 1.5 · 2^23: adding and subtracting it rounds to the nearest whole number, ties to even

NEAREST, STOCHASTIC, FLOOR = 0, 1, 2
MODES = {"nearest": NEAREST, "stochastic": STOCHASTIC, "floor": FLOOR}


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


@njit(nogil=True, cache=True, inline="always")
def _round(v, mode, index, first, second):
    if mode == NEAREST:
        return (v + _SHIFT) - _SHIFT
    if mode == STOCHASTIC:
        return _stochastic(v, _hash(index, first, second))
    nearest = (v + _SHIFT) - _SHIFT
    return nearest - _F32(1) if nearest > v else nearest


@njit(nogil=True, cache=True)
def max_bits(bits):
    """Largest magnitude as a bit pattern; a NaN or infinity gives 0x7F800000 or more."""
    top = _I32(0)
    for i in range(bits.size):
        top = max(top, bits[i] & _I32(0x7FFFFFFF))
    return top


@njit(nogil=True, cache=True)
def sum_squares(x):
    """Sum of squares in float64, in eight interleaved parts (a fixed order that vectorises)."""
    parts = np.zeros(8, np.float64)
    whole = x.size // 8 * 8
    for i in range(0, whole, 8):
        for j in range(8):
            v = np.float64(x[i + j])
            parts[j] += v * v
    for i in range(whole, x.size):
        v = np.float64(x[i])
        parts[0] += v * v
    total = 0.0
    for j in range(8):
        total += parts[j]
    return total


@njit(nogil=True, cache=True)
def nearest(x, inverse, low, high, unit, first, second, offset, values):
    """values = round(clip(x · inverse)) · unit; the key is unused, for the same signature as :func:`stochastic`."""
    for i in range(x.size):
        v = min(max(x[i] * inverse, low), high)
        values[i] = ((v + _SHIFT) - _SHIFT) * unit


@njit(nogil=True, cache=True)
def stochastic(x, inverse, low, high, unit, first, second, offset, values):
    """values = stochastic_round(clip(x · inverse)) · unit."""
    for i in range(x.size):
        v = min(max(x[i] * inverse, low), high)
        values[i] = _stochastic(v, _hash(_U32(offset + i), first, second)) * unit


@njit(nogil=True, cache=True)
def nearest_codes(x, inverse, low, high, first, second, offset, values, codes):
    """As :func:`nearest`, and the same numbers as integers; no values where ``values`` is empty."""
    if values.size == 0:
        for i in range(x.size):
            v = min(max(x[i] * inverse, low), high)
            codes[i] = _I32((v + _SHIFT) - _SHIFT)
        return
    for i in range(x.size):
        v = min(max(x[i] * inverse, low), high)
        c = (v + _SHIFT) - _SHIFT
        values[i] = c
        codes[i] = _I32(c)


@njit(nogil=True, cache=True)
def stochastic_codes(x, inverse, low, high, first, second, offset, values, codes):
    """As :func:`stochastic`, and the same numbers as integers; no values where ``values`` is empty."""
    if values.size == 0:
        for i in range(x.size):
            v = min(max(x[i] * inverse, low), high)
            codes[i] = _I32(_stochastic(v, _hash(_U32(offset + i), first, second)))
        return
    for i in range(x.size):
        v = min(max(x[i] * inverse, low), high)
        c = _stochastic(v, _hash(_U32(offset + i), first, second))
        values[i] = c
        codes[i] = _I32(c)


@njit(nogil=True, cache=True)
def row_max_bits(bits, length, top):
    """Largest magnitude of each row of ``length``, as bit patterns, into ``top``."""
    for r in range(top.size):
        row = bits[r * length : (r + 1) * length]
        found = _I32(0)
        for i in range(length):
            found = max(found, row[i] & _I32(0x7FFFFFFF))
        top[r] = found


@njit(nogil=True, cache=True)
def column_max_bits(bits, length, top):
    """Largest magnitude of each of ``length`` columns, as bit patterns; ``top`` starts as zeros."""
    for r in range(bits.size // length):
        row = bits[r * length : (r + 1) * length]
        for i in range(length):
            top[i] = max(top[i], row[i] & _I32(0x7FFFFFFF))


def _integers(mode):
    @njit(nogil=True, cache=True)
    def integers(x, length, by_column, inverse, low, high, scale, first, second, offset, padding, values, codes):
        """Integer codes of a matrix of groups, and the values ``code · scale``.

        ``x``, ``values``, ``codes``: one row of ``length`` after another. ``inverse``, ``low``, ``high``, ``scale``:
        one number a row, or one a column where ``by_column``. ``padding``: the first row's number, and after how many
        rows how many elements of padding come that have no index.
        """
        row_number, per, gap = padding
        for r in range(x.size // length):
            start = r * length
            begin = offset + start - (row_number + r) // per * gap
            row, into, ints = x[start : start + length], values[start : start + length], codes[start : start + length]
            if by_column:
                for i in range(length):
                    v = min(max(row[i] * inverse[i], low[i]), high[i])
                    c = _round(v, mode, _U32(begin + i), first, second)
                    into[i] = c * scale[i]
                    ints[i] = _I32(c)
            else:
                factor, bottom, top, unit = inverse[r], low[r], high[r], scale[r]
                for i in range(length):
                    v = min(max(row[i] * factor, bottom), top)
                    c = _round(v, mode, _U32(begin + i), first, second)
                    into[i] = c * unit
                    ints[i] = _I32(c)

    return integers


INTEGERS = {name: _integers(mode) for name, mode in MODES.items()}
"""The loop for each rounding: with the rounding as an argument it would take twice as long."""


@njit(nogil=True, cache=True, inline="always")
def _minifloat(v, lowest, mantissa, mode, index, first, second):
    """(grid number, code) of ``v``, which is within the format's range: see lbt.numerics.formats.float.

    ``lowest``: the bits of float32 2^(lowest exponent). Whatever is done to exponents is done to their bits in place.
    """
    # numba widens integer arithmetic to 64 bits; every step is cut back
    bits = _F32(v).view(np.int32)
    exponent = _I32(max(_I32(bits & _I32(0x7F800000)), lowest))
    place = _I32(mantissa << _I32(23))
    # in this number's binade the last bit is worth the format's last place: adding it rounds to that place
    shift = _I32(_I32(exponent + _I32(_I32(23 << 23) - place)) | _I32(0x400000)).view(np.float32)
    number = (v + shift) - shift
    up = _I32(_I32(_I32(254 << 23) + place) - exponent).view(np.float32)  # 2^(mantissa - exponent)
    if mode != NEAREST:
        unit = _I32(exponent - place).view(np.float32)
        # compared in units of the last place, as the definition does: there the smallest float32 may be zero
        number = number - unit if number * up > v * up else number
        if mode == STOCHASTIC:
            draw = _F32(_I32(_hash(index, first, second) >> _U32(8)))
            number = number + unit if draw < (v - number) * up * _F32(16777216.0) else number
    biased = _I32(_I32(exponent - lowest) >> _I32(_I32(23) - mantissa))
    sign = _I32(bits >> _I32(31))
    return number, _I32(_I32(number * up) + _I32(_I32(biased ^ sign) - sign))


@njit(nogil=True, cache=True, inline="always")
def _shortened(v, lowest, mantissa, mode, index, first, second):
    """:func:`_minifloat` for float32's own exponents (bfloat16): rounding is a matter of its last bits.

    ``lowest`` is unused, for the same signature.
    """
    bits = _F32(v).view(np.int32)
    magnitude, sign = _I32(bits & _I32(0x7FFFFFFF)), _I32(bits >> _I32(31))
    cut = _I32(_I32(23) - mantissa)
    whole = _I32(_I32(1) << cut)
    kept = _I32(magnitude >> cut)
    # a significand is odd by its last bit: without a mantissa that is the leading one, which subnormals do not have
    odd = _I32(_I32(kept & _I32(1)) | _I32((mantissa == 0) & (kept > 0)))
    rest = _I32(magnitude & _I32(whole - _I32(1)))
    if mode == NEAREST:
        kept = _I32(kept + _I32(_I32(rest + odd) > _I32(whole >> _I32(1))))
    else:
        # down is away from zero for negative numbers, and the share of a step above the floor what is missing to it
        above = _I32(whole - rest) if sign < 0 and rest > 0 else rest
        kept = _I32(kept + _I32(sign < 0 and rest > 0))
        if mode == STOCHASTIC:
            draw = _I32(_hash(index, first, second) >> _U32(8))
            up = _I32(draw < _I32(above << _I32(_I32(24) - cut)))
            kept = _I32(kept + (-up if sign < 0 else up))
    number = _I32(kept << cut).view(np.float32)
    code = _I32(_I32(kept ^ sign) - sign)
    return (-number if sign < 0 else number) + _F32(0), code  # + 0 turns -0 into 0


@njit(nogil=True, cache=True, inline="always")
def _float(v, lowest, mantissa, wide, mode, index, first, second):
    if wide:
        return _shortened(v, lowest, mantissa, mode, index, first, second)
    return _minifloat(v, lowest, mantissa, mode, index, first, second)


def _floats(wide, mode):  # numbers, and not functions: with a function inside, a loop would not be cached
    @njit(nogil=True, cache=True)
    def minifloats(
        x, length, by_column, inverse, largest, lowest, mantissa, scale, first, second, offset, padding, values, codes
    ):
        """Minifloat codes of a matrix of groups, and the values ``grid number · scale``; as :func:`integers`."""
        row_number, per, gap = padding
        for r in range(x.size // length):
            start = r * length
            begin = offset + start - (row_number + r) // per * gap
            row, into, ints = x[start : start + length], values[start : start + length], codes[start : start + length]
            if by_column:
                for i in range(length):
                    v = min(max(row[i] * inverse[i], -largest), largest)
                    number, code = _float(v, lowest, mantissa, wide, mode, _U32(begin + i), first, second)
                    into[i] = number * scale[i]
                    ints[i] = code
            else:
                factor, unit = inverse[r], scale[r]
                for i in range(length):
                    v = min(max(row[i] * factor, -largest), largest)
                    number, code = _float(v, lowest, mantissa, wide, mode, _U32(begin + i), first, second)
                    into[i] = number * unit
                    ints[i] = code

    return minifloats


MINIFLOATS = {name: _floats(False, mode) for name, mode in MODES.items()}
SHORTENED = {name: _floats(True, mode) for name, mode in MODES.items()}
"""For minifloats of eight exponent bits."""


@njit(nogil=True, cache=True)
def decode_integers(codes, length, by_column, scale, values):
    """values = code · scale of the group."""
    for r in range(codes.size // length):
        start = r * length
        ints, into = codes[start : start + length], values[start : start + length]
        for i in range(length):
            into[i] = _F32(ints[i]) * (scale[i] if by_column else scale[r])


@njit(nogil=True, cache=True)
def decode_minifloats(codes, length, by_column, lowest, mantissa, scale, values):
    """values = grid number of the code · scale of the group; ``lowest`` see :func:`_minifloat`."""
    place = _I32(mantissa << _I32(23))
    whole = _I32(_I32(23) - mantissa)
    # with float32's own exponents, its subnormals are the format's and have their bits in the same places
    normal = _I32(0) if place >= lowest else _I32(_I32(1) << mantissa)
    smallest = _I32(lowest - place).view(np.float32)
    below = _I32(lowest - _I32(1 << 23))
    for r in range(codes.size // length):
        start = r * length
        ints, into = codes[start : start + length], values[start : start + length]
        for i in range(length):
            code = _I32(ints[i])
            magnitude = _I32(abs(code))
            number = _I32(_I32(magnitude << whole) + below).view(np.float32)
            number = _F32(magnitude) * smallest if magnitude < normal else number
            into[i] = (-number if code < 0 else number) * (scale[i] if by_column else scale[r])


@njit(nogil=True, cache=True, inline="always")
def _clip(v, bound):
    """``v`` in [0, bound] (no upper bound where it is NaN), and whether that moves with ``v``; NaN stays and moves."""
    y = _F32(0) if v < _F32(0) else (bound if v > bound else v)
    return y, not (v <= _F32(0) or v >= bound)


@njit(nogil=True, cache=True, inline="always")
def _magnitude(v):
    return _I32(_F32(v).view(np.int32) & _I32(0x7FFFFFFF))


@njit(nogil=True, cache=True)
def relu(x, bound, y, mask):
    """y = clipped x, mask = where y moves with x; returns :func:`max_bits` of y."""
    top = _I32(0)
    for i in range(x.size):
        v, moves = _clip(x[i], bound)
        y[i] = v
        mask[i] = moves
        top = max(top, _magnitude(v))
    return top


@njit(nogil=True, cache=True)
def relu_inplace(x, bound, mask):
    """:func:`relu` with y = x: given the same memory twice, that loop would not be vectorised (20 times slower)."""
    top = _I32(0)
    for i in range(x.size):
        v, moves = _clip(x[i], bound)
        x[i] = v
        mask[i] = moves
        top = max(top, _magnitude(v))
    return top


@njit(nogil=True, cache=True)
def masked(x, mask, y):
    """y = x where mask, else 0; returns :func:`max_bits` of y."""
    top = _I32(0)
    for i in range(x.size):
        v = x[i] if mask[i] else _F32(0)
        y[i] = v
        top = max(top, _magnitude(v))
    return top
