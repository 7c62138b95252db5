"""Random Hadamard rotation of a product's operands along the dimension that the product sums over.

Each block of n neighbours is multiplied by H·D / √n: D holds random signs, H is Sylvester's Hadamard matrix. The matrix
is orthogonal and both operands get the same one, so that the product is what it was; what changes is that an outlier
is spread over its block before quantization (Xi et al. 2023, "Training Transformers with 4-bit Integers", arXiv
2306.11987, section 3.2; NVIDIA, arXiv 2509.25149, section 4.2).

H is applied as additions and subtractions in a fixed order, log2(n) of them for each element: the result is the same
bits on every device. A convolution's weight gradient sums over samples and positions, and its rotation mixes samples,
which commutes with the kernel's shifts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lbt.kernels import loops
from lbt.kernels.pieces import over_pieces
from lbt.numerics.rotation import block_of, blocks
from lbt.numerics.rounding import hash32

if TYPE_CHECKING:
    from lbt.numerics.rounding import Key


def rotate(x: Tensor, rotation: str, axis: int, key: Key, *, start: int = 0, parts: int = 1) -> Tensor:
    """``x`` rotated by blocks along ``axis``, float32 in the memory order of ``x``; a new tensor.

    Args:
        x: floating-point tensor.
        rotation: ``hadamard(n)``. Where n does not divide the length, smaller blocks follow
            (:func:`lbt.numerics.rotation.blocks`).
        axis: dimension of ``x``.
        key: keys the signs; the operands of a product share it.
        start: index of the first element along ``axis`` in the whole batch.
        parts: equal parts of ``axis`` that are rotated alike, each by itself (a convolution's groups).
    """
    strides = x.stride()
    order = sorted(range(x.dim()), key=lambda d: (-strides[d], d))
    memory = x.detach().permute(order).to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    place = order.index(axis)
    outer, inner = math.prod(memory.shape[:place]) * parts, math.prod(memory.shape[place + 1 :])
    length = x.shape[axis] // parts
    matrix = memory.view(outer, length, inner)
    if matrix.numel():
        matrix.mul_(_signs(length, start, key, x.device).view(-1, 1))
        for first, size, count in _runs(length, block_of(rotation)):
            _turn(matrix, first, size, count)
    return memory.permute([order.index(d) for d in range(x.dim())])


def _signs(length: int, start: int, key: Key, device: torch.device) -> Tensor:
    """1 or −1 for each element along the axis, float32."""
    index = torch.arange(start, start + length, dtype=torch.int64, device=device).to(torch.int32)
    return hash32(index, key).bitwise_and_(1).mul_(2).sub_(1).to(torch.float32)


def _runs(length: int, size: int) -> list[tuple[int, int, int]]:
    """(first element, size, number) of the neighbouring blocks of one size."""
    runs: dict[int, list[int]] = {}
    for first, width in blocks(length, size):
        runs.setdefault(width, []).append(first)
    return [(firsts[0], width, len(firsts)) for width, firsts in runs.items()]


def _turn(matrix: Tensor, first: int, size: int, count: int) -> None:
    """Multiply ``count`` blocks of ``size`` rows of (outer, length, inner), the first from row ``first``, by H / √size.

    In place.
    """
    if matrix.device.type == "cpu" and loops.loops() is not None:
        from lbt.kernels import _rotate_loop

        array, flat = matrix.numpy(), matrix.shape[2] == 1
        loop = _rotate_loop.hadamard_rows if flat else _rotate_loop.hadamard
        array = array[:, :, 0] if flat else array
        work = matrix.shape[2] * size
        over_pieces(len(array) * count, lambda a, b: loop(array, first, size, count, a, b, _factor(size)), work)
        return
    block = matrix[:, first : first + size * count]
    half = 1
    while half < size:
        pairs = block.unflatten(1, (-1, 2, half))
        left, right = pairs[:, :, 0], pairs[:, :, 1]
        total = left + right
        right.neg_().add_(left)
        left.copy_(total)
        half *= 2
    block.mul_(_factor(size))


def _factor(size: int) -> float:
    """1/√size, rounded to float32."""
    return float(torch.tensor(1 / math.sqrt(size), dtype=torch.float32))
