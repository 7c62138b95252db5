"""int8 × int8 → int32 matrix product: exact, or wider; never wrapped."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from lbt.errors import LbtError

LONGEST = 2**31 // 128**2 - 1
"""Longest reduction (131,071) whose sum of int8 products cannot leave int32: even (−128)² at every place fits."""

_STEP = LONGEST // 64 * 64  # the kernel is several times slower when a reduction is not a multiple of 64


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """a @ b, exact.

    Args:
        a: int8 (M, K).
        b: int8 (K, N).

    Returns:
        (M, N): int32 for K ≤ 131,071. A longer reduction is split into parts of that length, each summed in int32, and
        the parts are added in int64, which is returned.

    Raises:
        LbtError: not int8 matrices, or the inner sizes differ.
    """
    if a.dtype != torch.int8 or b.dtype != torch.int8 or a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0]:
        raise LbtError(
            f"integer product: found {a.dtype} {tuple(a.shape)} times {b.dtype} {tuple(b.shape)}; "
            "accepted: int8 (M, K) times int8 (K, N)"
        )
    k = a.shape[1]
    if k <= LONGEST:
        return _product(a, b)
    total = torch.zeros(a.shape[0], b.shape[1], dtype=torch.int64, device=a.device)
    for start in range(0, k, _STEP):
        total += _product(a[:, start : start + _STEP], b[start : start + _STEP])
    return total


def _product(a: Tensor, b: Tensor) -> Tensor:
    """One int32 product. The library's kernels take only certain sizes on a GPU; zeros are added up to them."""
    (m, k), n = a.shape, b.shape[1]
    if 0 in (m, k, n):
        return torch.zeros(m, n, dtype=torch.int32, device=a.device)
    if not kernel_is_exact(a.device):
        return a.to(torch.int32) @ b.to(torch.int32)
    if a.device.type != "cuda":
        return torch._int_mm(_readable(a), _readable(b))
    a, b = _by_rows(a), _by_rows(b)
    rows, inner, columns = max(m, 17) - m, -k % 8, -n % 8
    padded = torch._int_mm(
        torch.nn.functional.pad(a, (0, inner, 0, rows)), torch.nn.functional.pad(b, (0, columns, 0, inner))
    )
    return padded[:m, :n]


def _readable(x: Tensor) -> Tensor:
    """``x`` by rows, or, if that is how its memory lies, by columns."""
    by_columns = min(x.shape) > 1 and x.stride(0) == 1 and x.stride(1) >= x.shape[0]
    return x if by_columns else _by_rows(x)


def _by_rows(x: Tensor) -> Tensor:
    """``x`` contiguous, with the strides of that.

    A tensor with a dimension of size 1 calls itself contiguous whatever its stride there, and the kernel believes the
    stride: it would read past the end.
    """
    return x.contiguous().as_strided(x.shape, (x.shape[1], 1))


@functools.cache
def kernel_is_exact(device: torch.device) -> bool:
    """True if ``torch._int_mm`` gives exact sums on this device.

    Some processors multiply bytes with 16-bit sums that saturate, which shows at full scale. Under a cap on oneDNN's
    instructions (``ONEDNN_MAX_CPU_ISA``) some leave out a correction, which shows with codes of any size. So extreme
    and random codes are tried once per process; where the kernel fails, the product is done in int32 instead (slow,
    exact).
    """
    extreme = torch.tensor([-128, 127, -128, -127], dtype=torch.int8).repeat(32, 16)
    extreme *= torch.tensor([1, 1, 0, 1], dtype=torch.int8).repeat_interleave(8)[:, None]
    g = torch.Generator().manual_seed(0)
    mixed = torch.randint(-128, 128, (32, 72), dtype=torch.int8, generator=g)
    other = torch.randint(-128, 128, (72, 24), dtype=torch.int8, generator=g)
    try:
        for a, b in ((extreme, extreme.flip(0).t().contiguous()), (mixed, other)):
            if not torch.equal(torch._int_mm(a.to(device), b.to(device)).cpu(), a.to(torch.int32) @ b.to(torch.int32)):
                return False
        return True
    except RuntimeError:
        return False
