"""A search space whose architectures are *rows*: vectors of small integers, one for each free choice.

Sampling, mutation and neighbours follow from the number of values of each choice; a space says how a row is written and
which rows are the same thing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from itertools import product

import numpy as np

from lbt.errors import LbtError

ENUMERABLE = 1_000_000
"""Largest number of rows that :meth:`RowSpace.all` is willing to list."""

Row = Sequence[int] | np.ndarray
"""One architecture: integers (L,)."""


class RowSpace(ABC):
    """A space of rows. Rows are int64; shapes: (L,) for one, (N, L) for many.

    Attributes:
        name: name of the space in messages.
    """

    name: str

    # -- defined by a space

    @property
    @abstractmethod
    def choices(self) -> np.ndarray:
        """int64 (L,): how many values each position of a row may take."""

    @abstractmethod
    def format(self, row: Row) -> str:
        """The string of one row."""

    @abstractmethod
    def parse(self, text: str) -> np.ndarray:
        """The row of one string. Raises :class:`LbtError` saying what is wrong with it."""

    def key(self, row: Row) -> str:
        """A string that two rows share exactly when they are the same network."""
        return self.format(row)

    # -- follows from them

    @property
    def size(self) -> int:
        """Number of rows, counting those that are the same network."""
        return int(np.prod([int(c) for c in self.choices], dtype=object))

    def encode(self, texts: Iterable[str], place: Callable[[int], str] = "row {}".format) -> np.ndarray:
        """Rows (N, L) of strings; an error names the ``place`` of the string, which follows from its position."""
        rows = []
        for index, text in enumerate(texts):
            try:
                rows.append(self.parse(text))
            except LbtError as error:
                raise LbtError(f"{place(index)}: {error}") from None
        return np.array(rows, np.int64).reshape(len(rows), len(self.choices))

    def all(self) -> np.ndarray:
        """Every row, in lexicographic order. Raises :class:`LbtError` for a space that is too large to list."""
        if self.size > ENUMERABLE:
            raise LbtError(f"{self.name}: {self.size} architectures are too many to list (at most {ENUMERABLE})")
        return np.array(list(product(*(range(c) for c in self.choices))), np.int64)

    def index(self, rows: np.ndarray) -> np.ndarray:
        """Position of each row in :meth:`all`, int64 (N,)."""
        weights = np.cumprod(np.r_[1, self.choices[:0:-1]])[::-1]
        return np.asarray(rows, np.int64) @ weights

    def sample(self, count: int, generator: np.random.Generator | int) -> np.ndarray:
        """``count`` rows, each position independent and uniform (repeats are possible), int64 (count, L)."""
        generator = np.random.default_rng(generator)
        return generator.integers(0, self.choices, size=(count, len(self.choices)))

    def neighbours(self, row: Row) -> np.ndarray:
        """Every row that differs from ``row`` in exactly one position, int64 (M, L)."""
        found = []
        for position, count in enumerate(self.choices):
            for value in range(count):
                if value != row[position]:
                    other = np.array(row, np.int64)
                    other[position] = value
                    found.append(other)
        return np.array(found, np.int64)

    def mutate(self, row: Row, generator: np.random.Generator) -> np.ndarray:
        """One uniformly drawn neighbour of ``row``, int64 (L,)."""
        weights = self.choices - 1
        position = generator.choice(len(weights), p=weights / weights.sum())
        other = np.array(row, np.int64)
        other[position] = (other[position] + generator.integers(1, self.choices[position])) % self.choices[position]
        return other
