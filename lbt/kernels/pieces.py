"""Running a fused loop over a tensor's memory, in pieces where there are threads."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

PIECE = 1 << 17
"""Elements below which a second thread costs more than it brings."""


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="lbt-kernel")


def over_pieces(count: int, work: Callable[[int, int], Any], elements: int = 1) -> list[Any]:
    """``work(start, stop)`` on the whole range, or on pieces in threads; the results in order.

    ``elements``: of the tensor, for each one counted."""
    threads = torch.get_num_threads()
    if threads == 1 or count * elements < 2 * PIECE or count < threads:
        return [work(0, count)]
    step = -(-count // threads)
    starts = range(0, count, step)
    return list(_pool(threads).map(lambda s: work(s, min(s + step, count)), starts))


def flat(x: Tensor) -> Any:
    """The NumPy view of a dense tensor's memory, (numel,), in the order of that memory."""
    return x.as_strided((x.numel(),), (1,)).numpy()
