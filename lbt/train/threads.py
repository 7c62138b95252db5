"""A fixed number of threads: float sums depend on how they are split, and results must not depend on the machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def fixed_threads() -> Iterator[None]:
    """Run with as many threads as ``OMP_NUM_THREADS`` says, one if it is not set; afterwards as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    try:
        yield
    finally:
        torch.set_num_threads(before)
