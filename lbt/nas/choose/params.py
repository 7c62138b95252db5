"""Params of the choose stage. Light: importing it imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from lbt.config import OneOrMore, Seed
from lbt.nas.choose.limits import ENERGY, MEMORY, Limits, quantity
from lbt.nas.choose.options import Search
from lbt.train.params import Pair


def _energy(text: str) -> str:
    quantity(text, ENERGY)
    return text


def _memory(text: str) -> str:
    quantity(text, MEMORY)
    return text


class ChooseParams(Search):
    """A network and number formats by layer for a pair of domains, compared with digit_cnn.

    Trainings are those of the sections pretrain and adapt (steps, batches, rates, input).
    """

    pair: Pair | None = None
    """Source and target domain, written source-target. Default: the first of adapt.pair."""
    board: str = "zcu102"
    """Name of a file in params/boards, or a path to one."""
    energy: Annotated[str, AfterValidator(_energy)] | None = None
    """Most that a trained image may take, such as 0.05mJ. Default: half of what digit_cnn takes in int8."""
    memory: Annotated[str, AfterValidator(_memory)] | None = None
    """Most that a training step may hold, such as 256kB. Default: the board's memory."""
    seed: OneOrMore[Seed] = Field([0, 1, 2], min_length=1)
    """Grid: seeds of the final trainings. The first is also the search's."""

    @property
    def limits(self) -> Limits:
        """Limits of energy and memory."""
        return Limits.read(self.energy, self.memory)
