"""The answer of a choice as data: a JSON file holds it, and every report of it is made from it alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lbt.artifacts import read_json, write_json
from lbt.errors import LbtError
from lbt.nas.choose.price import Price
from lbt.report.tables import Stat

FP32, BITS = "fp32", "bits"
WITHOUT = "source_only"
"""Method that sees nothing of the target."""


@dataclass(frozen=True)
class Short:
    """A network after its short training.

    Attributes:
        text: the network's line.
        worth: what the search expects of it, in points.
        energy: joules of a trained image in int8.
        front: true if no other network that may meet the limits beats it in both.
    """

    text: str
    worth: float
    energy: float
    front: bool


@dataclass(frozen=True)
class Evidence:
    """Evidence on an adapted network without a label, in percent.

    Attributes:
        agreement: with the class to which the mean of the other networks points.
        neighbours: agreement among similar images beyond chance, Cohen's kappa.
    """

    agreement: float
    neighbours: float

    @property
    def mean(self) -> float:
        """The mean of both."""
        return (self.agreement + self.neighbours) / 2


@dataclass(frozen=True)
class Candidate:
    """A network in its formats.

    Attributes:
        name: ``found1``, ``found2``, … by the search's worth, and ``digit_cnn``.
        text: the network's line.
        source: accuracy on the source's validation images, in percent.
        worth: what the search expects of it.
        evidence: after its first adaptation; None if it is alone.
        prices: by kind of numbers, ``fp32`` or ``bits`` (its formats, of ``digit_cnn`` int8).
    """

    name: str
    text: str
    source: float
    worth: float
    evidence: Evidence | None
    prices: Mapping[str, Price]


@dataclass(frozen=True)
class Run:
    """One adaptation.

    Attributes:
        point: name of the candidate.
        method: of adaptation.
        recipe: ``fp32``, or ``bits`` for the candidate's formats.
        seed: of pretraining and adaptation.
        accuracy: on the target's test images, in percent; None without labels.
        rolled_back: true if the guard refused the adapted network.
    """

    point: str
    method: str
    recipe: str
    seed: int
    accuracy: float | None
    rolled_back: bool


@dataclass(frozen=True)
class Answer:
    """Everything that a choice found.

    Attributes:
        board: name of the board.
        batch: images of a step.
        limits: in words.
        method: of adaptation.
        seed: of the search, and of the first adaptation of every point.
        short: short trainings, the hand-made network first.
        points: the answer first, then the others by evidence; the hand-made network last.
        runs: adaptations.
        trainings: number of trainings on the source.
        dropped: lines on what was left out for want of time.
        seconds: of the search; None where the clock has no say.
    """

    board: str
    batch: int
    limits: str
    method: str
    seed: int
    short: Sequence[Short]
    points: Sequence[Candidate]
    runs: Sequence[Run]
    trainings: int
    dropped: Sequence[str] = ()
    seconds: float | None = None

    @property
    def best(self) -> Candidate:
        """The answer itself; the hand-made network where nothing else is left."""
        return self.points[0]

    @property
    def hand_made(self) -> Candidate:
        """The network to compare with."""
        return self.points[-1]

    @property
    def methods(self) -> list[str]:
        """Methods that were run, the one that adapts first."""
        return list(dict.fromkeys([self.method, *(run.method for run in self.runs)]))

    @property
    def known(self) -> set[tuple[str, str, str, int]]:
        """Point, method, recipe and seed of every adaptation."""
        return {(run.point, run.method, run.recipe, run.seed) for run in self.runs}

    @property
    def first(self) -> dict[str, float | None]:
        """Target accuracy of each point after its first adaptation, in its formats."""
        asked = (self.method, BITS, self.seed)
        return {run.point: run.accuracy for run in self.runs if (run.method, run.recipe, run.seed) == asked}

    def accuracy(self, point: str, method: str, recipe: str) -> Stat | None:
        """Target accuracy over the seeds, in percent; None where it was not measured."""
        found = [run.accuracy for run in self.runs if (run.point, run.method, run.recipe) == (point, method, recipe)]
        known = [value for value in found if value is not None]
        return Stat.of(known) if known else None

    def plus(self, runs: Sequence[Run]) -> Answer:
        """The answer with more adaptations."""
        return replace(self, runs=[*self.runs, *runs])

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> Answer:
        """The answer that :meth:`write` wrote.

        Raises:
            LbtError: the file is missing, or holds something else.
        """
        found = read_json(path)
        try:
            return cls(**{
                **found,
                "short": [Short(**one) for one in found["short"]],
                "points": [_candidate(one) for one in found["points"]],
                "runs": [Run(**one) for one in found["runs"]],
            })  # fmt: skip
        except (KeyError, TypeError, AttributeError) as error:
            raise LbtError(f"{path}: not the answer of a choice: {error}") from None


def _candidate(found: Mapping[str, Any]) -> Candidate:
    prices = {name: Price(**price) for name, price in found["prices"].items()}
    evidence = found["evidence"] and Evidence(**found["evidence"])
    return Candidate(**{**found, "prices": prices, "evidence": evidence})
