"""Everything that a choice is made from, passed from step to step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lbt.adapt.params import AdaptJob, AdaptParams
from lbt.hardware.trace import Graph, trace
from lbt.models import build
from lbt.nas.choose.images import Task
from lbt.nas.choose.limits import Limits
from lbt.nas.choose.options import Options
from lbt.nas.choose.price import Price, Shop
from lbt.nas.choose.state import State
from lbt.nas.spaces.chain import ChainSpace
from lbt.pretrain.params import PretrainJob, PretrainParams

SEARCHED, NARROWEST = "int8", "int4"
"""Formats in which candidates are compared, and those below which no mixture of formats gets."""


@dataclass(frozen=True)
class Made:
    """A training that another job has finished.

    Attributes:
        network: line of the network.
        job: params of the training.
        weights: file of the trained network, of an adaptation the one that would be deployed.
        metrics: numbers that the training returned.
    """

    network: str
    job: PretrainJob | AdaptJob
    weights: Path
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """See the module's docstring.

    Attributes:
        task: images.
        shop: board.
        limits: of energy and memory.
        options: lengths and sizes.
        pair: source and target domain, written source-target; settings of single pairs follow it.
        training: params of full trainings on the source.
        adaptation: params of adaptations.
        state: finished work.
        out: folder of the points' networks and recipes.
        say: takes a line for a person.
        minutes: of searching; infinity: the options alone say when it ends.
        made: trainings that are not done again.
        dropped: lines on what was left out for want of time.
    """

    task: Task
    shop: Shop
    limits: Limits
    options: Options
    pair: str
    training: PretrainParams
    adaptation: AdaptParams
    state: State
    out: Path
    say: Callable[[str], None]
    minutes: float = math.inf
    made: Sequence[Made] = ()
    dropped: list[str] = field(default_factory=list)
    _prices: dict[tuple[str, str], Price] = field(default_factory=dict)
    _graphs: dict[str, Graph] = field(default_factory=dict)

    @cached_property
    def space(self) -> ChainSpace:
        """The chains for images of this size; the hand-made one, which halves an image three times, is among them."""
        return ChainSpace(self.task.size, smallest=min(4, self.task.size // 8))

    @property
    def asked(self) -> dict[str, Any]:
        """Board and limits, as what a result depends on."""
        limits = {key: None if math.isinf(value) else value for key, value in vars(self.limits).items()}
        return {"board": self.shop.board.model_dump(), "batch": self.shop.batch, "limits": limits}

    def with_batch(self, batch: int) -> Setting:
        """The same with steps of ``batch`` images."""
        shop, options = replace(self.shop, batch=batch), self.options.model_copy(update={"batch": batch})
        return replace(self, shop=shop, options=options, _prices={})

    def pretraining(self, text: str, steps: int, seed: int) -> PretrainJob:
        """The training of a network on the source; a short one is evaluated five times."""
        job = self.training.start(self.pair, seed)
        own = {"model": text, "channels": self.task.channels, "size": self.task.size, "steps": steps}
        every = job.evaluate_every if steps == self.options.steps else max(1, steps // 5)
        return PretrainJob.model_validate({**job.model_dump(), **own, "evaluate_every": every})

    def adapting(self, method: str, recipe: str, seed: int) -> AdaptJob:
        """The adaptation of any network under a recipe, a name or a path."""
        return self.adaptation.job(self.pair, method, recipe, seed).model_copy(update={"batch": self.options.batch})

    def found(self, text: str, job: PretrainJob | AdaptJob) -> Made | None:
        """The same training of the network ``text``, if it is among :attr:`made`."""
        return next((one for one in self.made if one.network == text and one.job == job), None)

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
