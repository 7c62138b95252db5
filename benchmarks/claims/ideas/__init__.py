"""The notes' ideas, a file for each part of docs/notes.md; each is a claim, and a judgement that follows its numbers.

A file has ``IDEAS``: a list of :class:`Idea`. Numbers come from docs/results by name, ``FILE: ROW``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from .judge import Judgement, undone

PARTS = ("adaptation", "method", "norms", "accelerator", "edge", "gates", "semi", "evaluators")
"""Files, in the order of the notes."""


@dataclass(frozen=True)
class Idea:
    """One row of docs/claims.md.

    Attributes:
        number: of docs/notes.md, for example ``1.07``.
        claim: the notes', in one sentence.
        where: the file that builds it, "" where none does.
        verdict: what the numbers say.
        command: of the experiment, "" where there is none.
        data: on which the experiment runs.
    """

    number: str
    claim: str
    where: str = ""
    verdict: Judgement = field(default_factory=lambda: undone("not built, not measured"))
    command: str = ""
    data: str = ""


def ideas() -> Iterator[Idea]:
    """All ideas in the notes' order."""
    for part in PARTS:
        yield from import_module(f"{__name__}.{part}").IDEAS


def files() -> list[Path]:
    """The files of this package."""
    return sorted(Path(__file__).parent.glob("*.py"))
