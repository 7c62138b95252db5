"""The product of chains and bits: a network, and the formats of each of its stages.

A row is one of :class:`~lbt.nas.spaces.chain.ChainSpace` followed by one of :class:`~lbt.nas.spaces.bits.BitsSpace`,
whose layers are the parts of a chain by pattern. Formats of a stage that is not there are dead.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from lbt.errors import LbtError
from lbt.models import Chain
from lbt.nas.space.rows import Row, RowSpace
from lbt.nas.spaces.bits import RECIPES, BitsSpace
from lbt.nas.spaces.chain import ChainSpace
from lbt.recipe import Recipe


class ChainBitsSpace(RowSpace):
    """See the module's docstring.

    Args:
        chains: space of the networks.
        recipes: names or objects of recipes, from which formats are taken.
    """

    name = "chain_bits"

    def __init__(self, chains: ChainSpace | None = None, recipes: Sequence[str | Recipe] = RECIPES) -> None:
        self.chains = chains or ChainSpace()
        stages = [f"features.stage{number}.*" for number in range(1, self.chains.stages + 1)]
        self.bits = BitsSpace(["features.stem.*", *stages, "features.head.*", "classifier"], recipes)

    @cached_property
    def choices(self) -> np.ndarray:
        return np.concatenate([self.chains.choices, self.bits.choices])

    def parts(self, row: Row) -> tuple[np.ndarray, np.ndarray]:
        """The network's row, and that of the formats with 0 where they are dead."""
        row = np.asarray(row, np.int64)
        chain, bits = row[: len(self.chains.choices)], row[len(self.chains.choices) :].copy()
        there = len(self.chains.network(chain).stages)
        alive = [
            True,
            *(n < there for n in range(self.chains.stages)),
            self.chains.network(chain).head is not None,
            True,
        ]
        bits.reshape(len(alive), -1)[~np.array(alive)] = 0
        return chain, bits

    def decode(self, row: Row) -> tuple[Chain, Recipe]:
        """The network and the recipe of a row."""
        chain, bits = self.parts(row)
        return self.chains.network(chain), self.bits.recipe(bits)

    def format(self, row: Row) -> str:
        chain, bits = self.parts(row)
        return f"{self.chains.format(chain)} | {self.bits.format(bits)}"

    def parse(self, text: str) -> np.ndarray:
        chain, bar, bits = text.partition(" | ")
        if not bar:
            raise LbtError(f"{text!r}: accepted: a network and its formats with ' | ' between them")
        return np.concatenate([self.chains.parse(chain), self.bits.parse(bits)])

    def vector(self, rows: np.ndarray) -> np.ndarray:
        """Encodings of both, side by side, float64 (N, F)."""
        chains, bits = zip(*(self.parts(row) for row in np.atleast_2d(rows)), strict=True)
        return np.concatenate([self.chains.vector(np.array(chains)), self.bits.vector(np.array(bits))], axis=1)


SPACE = ChainBitsSpace()
