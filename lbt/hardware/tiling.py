"""Loop order and tile sizes of a matrix product with the fewest bytes to and from external memory.

A product (m × k)·(k × n) runs as three loops over tiles, in one of six orders, around a tile of t_m × t_k × t_n. Each
operand (x = m × k, y = k × n, and the result, m × n) lacks one dimension, so that it is used again while that loop
turns. With the loops A, B, C from the outside in, the operand that lacks

    A   is moved once if it stays on chip whole, else N_A times
    B   is moved once if its slab (a tile of A, all of C) stays on chip, else N_B times
    C   is moved once

Moving a result N times means that its partial sums leave and return N − 1 times. On chip lie: an operand that stays
whole, once; a slab, and one tile ahead of it; two tiles of anything else, one of which is filled or drained while the
other is used. All of them share one memory. A smaller tile never moves fewer bytes, so that two of the tile sizes are
enumerated and the third is the largest that fits.

The best of all such schedules is an optimum of the model in which every operand is cut at a level of its own in a
shared order of loops (L. Mei et al., "ZigZag", IEEE Trans. Computers 70(8), 2021), with one tile loop a dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations, product

import numpy as np

DIMENSIONS = ("m", "k", "n")
M, K, N = range(3)

_CHOICES = [(*order, *held) for order in permutations(range(3)) for held in product((True, False), repeat=2)]
_A, _B, _C, _HELD_A, _HELD_B = (np.array(column)[:, None] for column in zip(*_CHOICES, strict=True))

MOST_SIZES = 32
"""Tile sizes that are tried for each of the two enumerated dimensions; all that differ, where there are fewer."""


@dataclass(frozen=True)
class Problem:
    """A product, and the array's view of it.

    Attributes:
        sizes: (m, k, n).
        grain: multiples in which the array takes each dimension: rows, columns, and 1 for the one that it streams.
        stored: bytes of x, y and the result in external memory.
        partial: bytes of one partial sum.
        streamed: index of the dimension that the array streams.
        summed: true if the array leaves the partial sums of one fold of k in memory for the next fold.
        patience: refills of the array for each of its folds that fewer bytes are worth.
        capacity: bytes on chip.
    """

    sizes: tuple[int, int, int]
    grain: tuple[int, int, int]
    stored: tuple[float, float, float]
    partial: float
    streamed: int
    summed: bool
    patience: float
    capacity: float


@dataclass(frozen=True)
class Tiling:
    """A schedule of a product.

    Attributes:
        order: the loops from the outside in, such as ``nmk``.
        tile: (t_m, t_k, t_n).
        moved: bytes to and from external memory.
        refills: how often the array is filled and emptied for each of its folds.
        on_chip: bytes of on-chip memory in use; more than there are if not even the smallest tile fits.
    """

    order: str
    tile: tuple[int, int, int]
    moved: float
    refills: int
    on_chip: float


@lru_cache(maxsize=65536)
def search(problem: Problem) -> Tiling:
    """The schedule with the fewest bytes, of these the one with the fewest refills, of these the smallest.

    A schedule with more refills than ``patience`` counts only if it moves no more than the compulsory bytes; if there
    is no other, the fewest refills decide first.
    """
    whole = _evaluate(problem, np.array(problem.sizes)[:, None])
    if whole.need.min() <= problem.capacity:
        return whole.pick(problem, whole.need)
    free = [dimension for dimension in range(3) if dimension != problem.streamed]
    tried = [_tile_sizes(problem.sizes[d], problem.grain[d]) for d in free]
    tiles = np.empty((3, len(tried[0]) * len(tried[1])), np.int64)
    tiles[free[0]], tiles[free[1]] = (grid.ravel() for grid in np.meshgrid(*tried, indexing="ij"))
    tiles = np.broadcast_to(tiles[:, None], (3, len(_A), tiles.shape[1])).copy()
    found = _Evaluated.join([_evaluate(problem, _at(problem, tiles, problem.sizes[problem.streamed])),
                             _evaluate(problem, _at(problem, tiles, _largest(problem, tiles)))])  # fmt: skip
    fits = found.need <= problem.capacity
    if not fits.any():
        smallest = np.array([min(g, s) for g, s in zip(problem.grain, problem.sizes, strict=True)])[:, None]
        found = _evaluate(problem, smallest)
        fits = ~(_HELD_A | _HELD_B) & (found.need > 0)
    quick = fits & ((found.refills <= problem.patience) | (found.moved <= compulsory(problem) * (1 + 1e-12)))
    if not quick.any():
        quick = fits & (found.refills == np.where(fits, found.refills, np.inf).min())
    return found.pick(problem, np.where(quick, found.moved, np.inf))


def compulsory(problem: Problem) -> float:
    """Bytes that every schedule moves: each operand and the result once."""
    return sum(problem.stored)


@dataclass(frozen=True)
class _Evaluated:
    """Arrays over choices × tiles."""

    tiles: np.ndarray
    moved: np.ndarray
    need: np.ndarray
    refills: np.ndarray

    @classmethod
    def join(cls, parts: list[_Evaluated]) -> _Evaluated:
        names = ("tiles", "moved", "need", "refills")
        return cls(*(np.concatenate([getattr(part, name) for part in parts], -1) for name in names))

    def pick(self, problem: Problem, score: np.ndarray) -> Tiling:
        """The choice of the least score; then the fewest refills, then the least memory."""
        best = score <= score.min() * (1 + 1e-12)
        refills = np.where(best, self.refills, np.inf)
        choice = np.where(refills == refills.min(), self.need, np.inf).argmin()
        row, column = np.unravel_index(choice, score.shape)
        order = "".join(DIMENSIONS[int(axis[row, 0])] for axis in (_A, _B, _C))
        t_m, t_k, t_n = (int(t) for t in self.tiles[:, row, column])
        moved, refills_, need = (float(a[row, column]) for a in (self.moved, self.refills, self.need))
        return Tiling(order, (t_m, t_k, t_n), moved, int(refills_), need)


def _tile_sizes(size: int, grain: int) -> np.ndarray:
    """Sizes with different numbers of tiles, in multiples of ``grain``, at most :data:`MOST_SIZES` of them."""
    folds = -(-size // grain)
    counts = np.arange(1, folds + 1) if folds <= 4096 else np.unique(np.geomspace(1, folds, 4096).astype(np.int64))
    sizes = np.unique(-(-folds // counts))
    if len(sizes) > MOST_SIZES:
        sizes = sizes[np.unique(np.linspace(0, len(sizes) - 1, MOST_SIZES).round().astype(int))]
    return np.minimum(sizes * grain, size)


def _at(problem: Problem, tiles: np.ndarray, streamed: int | np.ndarray) -> np.ndarray:
    """``tiles`` with other sizes of the streamed dimension."""
    changed = tiles.copy()
    changed[problem.streamed] = streamed
    return changed


def _largest(problem: Problem, tiles: np.ndarray) -> np.ndarray:
    """The largest tiles of the streamed dimension below its size that fit, by the line through two sizes."""
    size = problem.sizes[problem.streamed]
    one, two = (_evaluate(problem, _at(problem, tiles, t), part=True).need for t in (1, 2))
    slope = np.maximum(two - one, 1e-12)
    found = np.clip(np.floor((problem.capacity - one) / slope) + 1, 1, max(1, size - 1)).astype(np.int64)
    return -(-size // -(-size // found))  # as many tiles, of one size


def _evaluate(problem: Problem, tiles: np.ndarray, part: bool = False) -> _Evaluated:
    """Bytes moved and bytes on chip of every choice of loops, for tiles of shape (3, …).

    Args:
        problem: the product.
        tiles: t_m, t_k, t_n; broadcastable to (3, choices, tiles).
        part: take the streamed dimension as cut, whatever its size (so that the memory is linear in its tile).
    """
    tiles = np.broadcast_to(tiles if tiles.ndim == 3 else tiles[:, None], (3, len(_A), tiles.shape[-1]))
    sizes = np.array(problem.sizes, float)
    loops = np.ceil(sizes[:, None, None] / tiles)
    if part:
        loops[problem.streamed] = np.maximum(loops[problem.streamed], 2)

    def at(values: np.ndarray, axis: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, np.broadcast_to(axis, values.shape[1:])[None], 0)[0]

    spatial = [d for d in range(3) if d != problem.streamed]
    alone = (problem.streamed == _C) & (tiles[spatial[0]] <= problem.grain[spatial[0]])
    alone = alone & (tiles[spatial[1]] <= problem.grain[spatial[1]])  # one fold after another, each streamed to its end
    refills = np.where(alone, 1, loops[problem.streamed])
    m, k, n = sizes
    sums_wait = problem.summed | ((problem.streamed == K) & (refills > 1))
    result = np.where(sums_wait, problem.partial, problem.stored[2] / (m * n))
    # by the dimension that each operand lacks: y, the result, x
    density = np.stack([np.full_like(result, problem.stored[1] / (k * n)), result,
                        np.full_like(result, problem.stored[0] / (m * k))])  # fmt: skip

    t_a, t_b, t_c, n_a, n_b, n_c = (at(v, axis) for v in (tiles, loops) for axis in (_A, _B, _C))
    full_b, full_c = sizes[_B], sizes[_C]
    first, second, third = (at(density, axis) for axis in (_A, _B, _C))
    need = first * np.where(_HELD_A, full_b * full_c, t_b * t_c * _twice(n_b * n_c))
    slab = t_a * full_c + np.where(n_a > 1, t_a * t_c, 0)
    need = need + second * np.where(_HELD_B, slab, t_a * t_c * _twice(n_a * n_c))
    need = need + third * t_a * t_b * _twice(n_a * n_b)
    times = np.ones((3, *loops.shape[1:]))
    np.put_along_axis(times, np.broadcast_to(_A, loops.shape[1:])[None], np.where(_HELD_A, 1, n_a)[None], 0)
    np.put_along_axis(times, np.broadcast_to(_B, loops.shape[1:])[None], np.where(_HELD_B, 1, n_b)[None], 0)
    moved = problem.stored[1] * times[M] + problem.stored[0] * times[N] + problem.stored[2]
    moved = moved + 2 * (times[K] - 1) * m * n * problem.partial
    return _Evaluated(tiles, moved, need, refills)


def _twice(count: np.ndarray) -> np.ndarray:
    """Buffers of something that is cut into ``count`` tiles."""
    return np.where(count > 1, 2, 1)
