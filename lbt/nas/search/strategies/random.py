"""Uniform random choice without repetition: the baseline that a search has to beat (Li and Talwalkar, UAI 2019)."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from lbt.nas.search.run import SearchOptions
from lbt.nas.space import CellSpace


def propose(
    space: CellSpace, generator: np.random.Generator, options: SearchOptions
) -> Generator[np.ndarray, np.ndarray, None]:
    """Draw rows one by one."""
    while True:
        yield space.sample(1, generator)
