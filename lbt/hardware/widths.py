"""Internal widths that follow from the network: what a sum needs so that it never wraps.

A sum of k products of a and b signed bits lies within k·2^(a + b − 2), so that it needs a + b + ⌈log₂ k⌉ bits (one less
unless all operands are the most negative). k is the longest sum of the three products: input channels × taps going
forward, output channels × taps for the error, images × pixels for the weight gradient. A batch norm's Σx² over n
elements needs 2·bits + ⌈log₂ n⌉.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Literal

from lbt.hardware.ops import Work
from lbt.hardware.precision import WIDEST_SUM, Precision, shifts
from lbt.hardware.trace import Graph

UNKNOWN_LENGTH = 2**16
"""Elements of a sum where no network says."""
NARROWEST = 16
"""Bits of the narrowest accumulator."""
FLOAT_SUM = 32
"""Bits of a partial sum of floats, which is kept in float32."""


def accumulator(precision: Precision, needed: int, asked: int | Literal["auto"], operands: tuple[int, int]) -> int:
    """Bits of a partial sum: as ``asked`` for, or those that are ``needed`` (:func:`exact`).

    At least a product of the multiplier's ``operands``; at most :data:`lbt.hardware.precision.WIDEST_SUM`, the
    accumulator of a DSP block. A sum that needs more wraps at the extremes.
    """
    if asked != "auto":
        return asked
    floats = any(number.is_float for pair in precision.products for number in pair)
    return min(WIDEST_SUM, max(needed, NARROWEST, 0 if floats else sum(operands)))


def exact(precision: Precision, works: Iterable[Work]) -> int:
    """Bits of the widest sum of products, without a bound; 32 of floats alone."""
    sums = [(w.x, w.y, max(gemm.k for gemm in w.gemms)) for w in works if w.macs]
    sums = sums or [(x, y, UNKNOWN_LENGTH) for x, y in precision.products]
    found = []
    for x, y, k in sums:
        if shifted := shifts(x, y):
            found.append(shifted + _log2(k))
        elif x.is_float or y.is_float:
            found.append(FLOAT_SUM)
        else:
            found.append(x.width + y.width + _log2(k))
    return max(found)


def norm_elements(graph: Graph, batch: int) -> int:
    """Elements of the longest sum of a batch norm of the network."""
    return max((batch * prod(node.shape[2:]) for node in graph.nodes if node.kind == "norm"), default=UNKNOWN_LENGTH)


def norm_sum(bits: int, elements: int) -> int:
    """Bits of Σx² of a batch norm, or of Σdy·x."""
    return 2 * bits + _log2(elements)


def _log2(count: int) -> int:
    """⌈log₂ count⌉."""
    return max(0, count - 1).bit_length()
