"""Faults of a run that headers show before any of it is made: classes that differ, labels that a stage would miss.

Embedded and published domains are known by their kind; of a user's own, names and labels are read, no pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from lbt.adapt.params import METHODS
from lbt.data.peek import Peek, class_lines, peek
from lbt.edge.params import METHODS as ONLINE
from lbt.errors import LbtError
from lbt.models import Architecture, allow, build_with, is_own
from lbt.params import Params


def preflight(params: Params) -> list[str]:
    """Check what the params' jobs would meet; return lines on what looks odd.

    Raises:
        LbtError: the first thing that would stop a job.
    """
    domains, needed = params.data.domains, used(params)
    grid = [(job.pair, job.method) for job in params.adapt.jobs()]
    peeks = {name: peek(domains[name], name) for name in domains if name in needed}
    for name in sorted(_sources(params)):
        _check_source(name, peeks[name])
    pairs = [tuple(pair.split("-")) for pair in dict.fromkeys(pair for pair, _ in grid)]
    pairs += [(params.edge_source, params.edge.target)] if params.edge.target is not None else []
    pairs += [tuple(params.choose_pair.split("-"))] if params.choose is not None else []
    notes = [line for source, target in dict.fromkeys(pairs) for line in _check_classes(source, target, peeks)]
    for pair, method in dict.fromkeys(grid):
        source, target = pair.split("-")
        _check_labels(params, method, target, _known(peeks[target], peeks[source].classes))
    _check_stream(params, peeks)
    _check_network(params, peeks)
    return [line for found in peeks.values() for line in found.notes] + notes


def _check_network(params: Params, peeks: dict[str, Peek]) -> None:
    """Build a user's own network, and put a user's own weights into it, for each source."""
    knobs = params.pretrain
    if not is_own(knobs.model) and knobs.weights is None:
        return
    allow(knobs.model)
    for source in sorted({job.pair.split("-")[0] for job in params.adapt.jobs()}):
        architecture = Architecture(knobs.model, peeks[source].classes, knobs.channels, knobs.size)
        try:
            build_with(architecture, Path(knobs.weights) if knobs.weights else None)
        except LbtError as error:
            raise LbtError(f"pretrain: {error}") from None


def used(params: Params) -> set[str]:
    """Names of the domains that a stage after ``data`` reads."""
    adapted = {name for job in params.adapt.jobs() for name in job.pair.split("-")}
    chosen = set() if params.choose is None else set(params.choose_pair.split("-"))
    return adapted | chosen | {params.supernet_domain, params.edge_source, params.edge.target or params.edge_source}


def _sources(params: Params) -> set[str]:
    """Names of the domains whose labels a network learns from."""
    adapted = {job.pair.split("-")[0] for job in params.adapt.jobs()}
    chosen = set() if params.choose is None else {params.choose_pair.split("-")[0]}
    return adapted | chosen | {params.supernet_domain, params.edge_source}


def _check_source(name: str, found: Peek) -> None:
    for part in ("train", "validation"):
        if found.count(part) == 0:
            raise LbtError(f"data.domains.{name}: no label in its {part} split, but a network learns from them")
    missing = [one for one, count in (found.labelled or {"train": {}})["train"].items() if not count]
    if missing:
        raise LbtError(f"data.domains.{name}: no training images in class {', '.join(missing)}")


def _check_classes(source: str, target: str, peeks: dict[str, Peek]) -> list[str]:
    """Lines on classes that one of two domains lacks.

    Raises:
        LbtError: they have none in common.
    """
    known, asked = peeks[source].classes, peeks[target].classes
    lines = class_lines(source, known, target, asked)
    if asked and not set(asked) & set(known):
        raise LbtError(f"{lines[0]}: none is in common; data.domains.{target}.classes names or chooses them")
    return [f"{line}; data.domains.{target}.classes chooses others" for line in lines]


def _known(found: Peek, classes: tuple[str, ...]) -> Peek:
    """``found`` with only the labels of ``classes``, which are all that a network of those can learn from."""
    if found.labelled is None:
        return found
    labelled = {
        part: {name: n for name, n in counts.items() if name in classes} for part, counts in found.labelled.items()
    }
    return replace(found, labelled=labelled)


def _check_labels(params: Params, method: str, target: str, found: Peek) -> None:
    least = max(params.adapt.labels_per_class, 1)
    if found.labelled is None or min(found.labelled["train"].values(), default=0) >= least:
        return  # enough for any method, none of which is loaded (loading one imports torch)
    if not (needed := _labels_needed(method)):
        return
    if not found.count("train"):
        raise LbtError(f"adapt.method: {method} needs labels of the target, and domain {target} has none")
    wanted = params.adapt.labels_per_class if needed == "few" else 0
    for name, count in found.labelled["train"].items():
        if count < wanted:
            raise LbtError(
                f"adapt.labels_per_class: {method} takes {wanted} labelled images of each class, and domain {target} "
                f"has {count} of class {name} for training"
            )


def _check_stream(params: Params, peeks: dict[str, Peek]) -> None:
    """Refuse what needs labels in the edge stage, an order by class or a method, for a stream that lacks them."""
    stream = params.edge.target or params.edge_source
    if "correlated" in params.edge.stream and (missing := peeks[stream].bare.get("test", 0)):
        found = f"{missing} images of domain {stream}'s test split have no label"
        raise LbtError(f"edge.stream: correlated orders images by their class, and {found}")
    if _known(peeks[stream], peeks[params.edge_source].classes).count("test") != 0:
        return
    for method in dict.fromkeys(job.method for job in params.edge.jobs()):
        if ONLINE.load(method).Method.needs_labels:
            raise LbtError(f"edge.method: {method} needs labels, and domain {stream} has none in its test split")


@cache
def _labels_needed(method: str) -> str:
    """none (empty), few (``labels_per_class``) or all."""
    kind = METHODS.load(method).Method
    return "" if not kind.needs_labels else "few" if kind.few_labels else "all"


def lines(params: Params) -> Iterator[str]:
    """The lines of :func:`preflight`, at most ten, and how many more there are."""
    found = preflight(params)
    yield from found[:10]
    if len(found) > 10:
        yield f"and {len(found) - 10} more lines of this kind"
