"""The notes' table of fields of learning at the edge: problem, motivation, idea, demand on the hardware, maturity.

Maturity is what the ideas of docs/notes.md that belong to a field have come to; demand is a row of docs/results.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import _pages

HEAD = ("field", "problem", "motivation", "idea", "demand on the hardware", "maturity")
OPERATIONS = "{:.2f} of the operations of training all"


@dataclass(frozen=True)
class Field:
    """One line of the table.

    Attributes:
        demand: a sentence with a place for the value of ``row``.
        row: ``FILE: NAME`` of docs/results, "" where ``demand`` has no number.
        ideas: numbers of docs/notes.md.
    """

    name: str
    problem: str
    motivation: str
    idea: str
    demand: str
    row: str
    ideas: tuple[str, ...]


FIELDS = (
    Field(
        "domain adaptation",
        "the deployed network sees another domain",
        "no labels there",
        "mean teacher, SHOT, AdaBN in `int8`",
        "{:.1f} J for 200 steps, calculated",
        "claims: claim/12/device, int8/joules",
        ("2.06", "3.05", "3.06", "3.07", "3.09"),
    ),
    Field(
        "a scene that changes",
        "images change while they are answered",
        "one pass, no data kept",
        "Tent and others on a stream",
        "{:.2f} of the memory of float32 at its peak",
        "edge: tta/continual/tent/int8/x_peak_fp32",
        ("2.04", "3.26"),
    ),
    Field(
        "a user",
        "one backbone, many habits",
        "privacy, small packages",
        "masks and deltas over a shared backbone",
        "a package of {:.3f} of the backbone",
        "users: package/styles/share_of_backbone",
        ("2.03", "3.20", "3.21"),
    ),
    Field(
        "few labels",
        "labels cost a person's time",
        "a question now and then",
        "questions, corrections, right or wrong",
        "50 images and labels kept",
        "",
        ("2.02", "3.10", "3.11", "3.16"),
    ),
    Field(
        "training a part",
        "a backward pass costs twice a forward one",
        "energy, memory",
        "chosen layers, sparse updates, freezing",
        OPERATIONS,
        "claims: claim/15/chosen/operations",
        ("2.10", "3.13", "3.14", "3.15", "3.24"),
    ),
    Field(
        "bits while training",
        "widths are guessed before",
        "energy",
        "bits that follow a measured error",
        "{:.1f} bits of the errors on average",
        "claims: claim/18/following/bits",
        ("3.25",),
    ),
    Field(
        "incremental learning",
        "new classes and domains",
        "what was learnt is forgotten",
        "replay of images or 8-bit latents",
        "{:,.0f} bytes of memory",
        "incremental: incremental/classes/replay/int8/bytes",
        ("3.17",),
    ),
    Field(
        "continual learning",
        "a stream without an end",
        "drift and forgetting",
        "mean teacher, restoring the source",
        "{:.2f} of the memory of float32 at its peak",
        "edge: tta/continual/mean_teacher/int8/x_peak_fp32",
        ("3.18",),
    ),
    Field(
        "correction of drift",
        "analog weights fall with time",
        "a device cannot be read out and written anew",
        "training on the device, one factor a tensor",
        "60 steps, 500 labelled images kept",
        "",
        ("3.02", "3.03"),
    ),
    Field(
        "correction of faults",
        "devices that are stuck",
        "yield",
        "ignored where few, else trained around",
        "60 steps, 500 labelled images kept",
        "",
        ("3.04",),
    ),
    Field("meta learning", "each task starts anew", "fewer steps", "not built", "", "", ("3.19",)),
)


def table(rows: Mapping[str, Mapping[str, Any]], verdicts: Mapping[str, str]) -> str:
    """The table.

    Args:
        rows: of docs/results, by ``FILE: NAME``.
        verdicts: by number of the idea.
    """
    lines = []
    for one in FIELDS:
        known = not one.row or one.row in rows
        demand = (one.demand.format(rows[one.row]["value"]) if one.row else one.demand) if known else "not measured"
        counted = Counter(verdicts[number] for number in one.ideas)
        maturity = ", ".join(f"{count} {verdict}" for verdict, count in counted.items())
        lines.append([one.name, one.problem, one.motivation, one.idea, demand, f"{maturity} ({', '.join(one.ideas)})"])
    return _pages.table(HEAD, lines)
