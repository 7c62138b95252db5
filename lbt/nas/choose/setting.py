"""Everything that a choice is made from, passed from stage to stage."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lbt.hardware.trace import Graph, trace
from lbt.models import build
from lbt.nas.choose.images import Task
from lbt.nas.choose.limits import Limits
from lbt.nas.choose.options import Options
from lbt.nas.choose.price import Price, Shop
from lbt.nas.choose.state import State
from lbt.nas.spaces.chain import ChainSpace

SEARCHED, NARROWEST = "int8", "int4"
"""Formats in which candidates are compared, and those below which no mixture of formats gets."""


@dataclass(frozen=True)
class Setting:
    """See the module's docstring.

    Attributes:
        task: images.
        shop: board.
        limits: of energy and memory.
        options: lengths and sizes.
        state: finished work.
        minutes: of searching.
        seeds: final trainings of each network.
        out: folder of the results.
        say: takes a line for a person.
        dropped: lines on what was left out for want of time.
    """

    task: Task
    shop: Shop
    limits: Limits
    options: Options
    state: State
    minutes: float
    seeds: int
    out: Path
    say: Callable[[str], None]
    dropped: list[str] = field(default_factory=list)
    _prices: dict[tuple[str, str], Price] = field(default_factory=dict)
    _graphs: dict[str, Graph] = field(default_factory=dict)

    @cached_property
    def space(self) -> ChainSpace:
        """The chains for images of this size."""
        return ChainSpace(self.task.size)

    @property
    def asked(self) -> dict[str, Any]:
        """Board and limits, as what a result depends on."""
        limits = {key: None if math.isinf(value) else value for key, value in vars(self.limits).items()}
        return {"board": self.shop.board.model_dump(), "batch": self.shop.batch, "limits": limits}

    def price(self, text: str, recipe: str = SEARCHED) -> Price:
        """The price of the network ``text`` in a recipe by name."""
        if (text, recipe) not in self._prices:
            if text not in self._graphs:
                network = build(text, len(self.task.classes), self.task.channels)
                self._graphs[text] = trace(network, self.shop.image)
            self._prices[text, recipe] = self.shop.price(self._graphs[text], recipe)
        return self._prices[text, recipe]

    def feasible(self, text: str) -> bool:
        """True if a mixture of formats may meet the limits."""
        return self.limits.excess(self.price(text, NARROWEST)) <= 0

    def left(self) -> float:
        """Seconds of searching that are left; what an earlier run did counts."""
        return 60 * self.minutes - self.state.seconds
