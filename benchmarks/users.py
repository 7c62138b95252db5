"""Claim: a personal int8 network of half the operations, sent as a package of kilobytes, against float32 fine-tuning.

    python benchmarks/users.py --runs docs/results/users_runs.jsonl --json docs/results/users.json
    python benchmarks/users.py --quick    # one set, one seed, three methods: about a minute

Users are made, not people: 30 fonts with habits of their own, and five clusters of style of optdigits, both at 16 ×
16. A seed leaves a part of the users out (every sixth font, every third style), trains a backbone (`digit_cnn`) on
the others, and personalises for each user that was left out with labels of the first half of the images; the second
half is the test. ``full`` (float32, every parameter, no mask) is the bound; ``package`` is the default of `lbt
personalise`; others change one thing. ``source`` is the backbone as it is. Rows, over users and seeds:

- ``users/SET/METHOD/RECIPE/accuracy`` in percent (with 5 labels a class, or as the method's name says);
  ``…/minus_full``, paired points against ``full``, with the half width of the 95 % interval; ``…/worst_drop``,
  points that the worst user lost; ``…/rolled_back``, share of users for whom the guard kept the backbone;
  ``…/given_up``, points that the refused networks would have gained (a mean over all users); ``…/points_per_label``,
  points gained for each label that the device asked for;
- ``users/SET/worst_drop`` and ``package/SET/share_of_backbone`` of ``package``; ``…/operations`` and
  ``…/step_operations``, shares of the whole backbone's; ``…/peak``, bytes against ``full``;
- ``users/time/…``: milliseconds to put a package on and off, and of a training step of the compacted network as a
  share of the whole one's. Wall-clock of this machine."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import _runs
import torch
from _runs import paired, row

from lbt.config import narrowed
from lbt.edge.users import protocol
from lbt.edge.users.masks import choose
from lbt.edge.users.options import Asking, Options, RunOptions
from lbt.edge.users.package import Resident
from lbt.edge.users.people import People, person, read_people
from lbt.edge.users.personal import personalise
from lbt.edge.users.questions import QUESTIONS
from lbt.edge.users.structure import compact
from lbt.models import build
from lbt.nn import optimizer, quantize
from lbt.pretrain.params import PretrainJob

SIZE = 16
PARTS = {"fonts": 6, "styles": 3}
"""Every so-manyth user is left out by a seed."""
FULL = {"train": "all", "masks": None, "package": None, "lr": 0.003}
METHODS: dict[str, tuple[int, dict[str, Any]]] = {
    "full/fp32": (5, FULL),
    "package/int8": (5, {}),
    "full/int8": (5, FULL),
    "no masks/int8": (5, {"masks": None}),
    "all under masks/int8": (5, {"train": "all", "package": None}),
    "0 labels/int8": (0, {}),
    "statistics/int8": (0, {"masks": None}),
    "1 label/int8": (1, {}),
    "10 labels/int8": (10, {}),
    "magnitude/int8": (5, {"masks": "magnitude"}),
    "taylor_discrepancy/int8": (5, {"masks": "taylor_discrepancy"}),
    "auto/int8": (5, {"train": "auto"}),
    "norms/int8": (5, {"train": "norms"}),
    "biases/int8": (5, {"train": "biases"}),
    "last 1/int8": (5, {"train": "last", "last": 1}),
    "gates/int8": (5, {"masks": "gates"}),
    **{f"ask 20 {name}/int8": (0, {"ask": 20, "questions": name}) for name in QUESTIONS.names()},
}
"""Method and recipe; labels a class that are given unasked, and options of personalising or asking that are not the
default."""
STEPS = RunOptions().source_steps
"""Steps of a backbone's training in the recipe's numbers. Jobs are named by it, so that other settings do not mix."""
EARLIER = 200
"""Steps of the jobs whose names do not say them."""
FIELDS = (
    "before",
    "adapted",
    "after",
    "rolled_back",
    "operations",
    "step_operations",
    "share_of_backbone",
    "peak_bytes",
    "asked",
)
Row = dict[str, Any]


def jobs(quick: bool, seeds: int) -> list[_runs.Job]:
    """All jobs, most telling first: bound and default of every set and seed, then the others seed by seed."""
    sets, names = (["fonts"], list(METHODS)[:2]) if quick else (list(PARTS), list(METHODS))
    first = [(m, s, t) for s, t, m in product(range(1 if quick else seeds), sets, names[:2])]
    rest = [(m, s, t) for s, m, t in product(range(1 if quick else seeds), names[2:], sets)]
    made: list[_runs.Job] = [(f"{t}/{m}@{STEPS}", s, functools.partial(run, t, m, s)) for m, s, t in first]
    made.append(("time", 0, timing))
    return made + [(f"{t}/{m}@{STEPS}", s, functools.partial(run, t, m, s)) for m, s, t in rest]


def run(kind: str, method: str, seed: int) -> Row:
    """One method for all users that a seed leaves out: a list for each field."""
    labels, changes = METHODS[method]
    given, backbone = RunOptions.model_validate({"seed": seed, **changes}), base(kind, method.partition("/")[2], seed)
    options, asking = narrowed(given, Options), narrowed(given, Asking)
    scores = [
        protocol.score(backbone, person(users(kind), name, labels), labels, options, asking)[0]
        for name in out(kind, seed)
    ]
    return {"users": [score.user for score in scores], **{f: [score.row()[f] for score in scores] for f in FIELDS}}


@functools.cache
def users(kind: str) -> People:
    """A set of users at the size of the benchmark."""
    return read_people(kind).resized(1, SIZE)


def out(kind: str, seed: int) -> list[str]:
    """The users that a seed leaves out."""
    return users(kind).names()[seed % PARTS[kind] :: PARTS[kind]]


@functools.cache
def learnt(kind: str, seed: int) -> Any:
    """The float network that never saw them, and the images that it saw."""
    job = PretrainJob(model="digit_cnn", channels=1, size=SIZE, steps=300, augmentation="standard", seed=seed)
    return protocol.learnt(users(kind), out(kind, seed), job)


@functools.cache
def base(kind: str, recipe: str, seed: int) -> protocol.Base:
    """Its backbone in the numbers of a recipe."""
    model, architecture, source = learnt(kind, seed)
    return protocol.base(model, architecture, recipe, source, steps=STEPS, augmentation="standard", seed=seed)


def timing() -> Row:
    """Milliseconds of a package on and off at 16 × 16, and of a training step of all parameters, whole and compacted.

    The step is of ``digit_cnn`` for 3 × 32 × 32, 64 images, int8, and random masks that leave half of the operations;
    the fastest of ten, the two networks in turns.
    """
    backbone = base("fonts", "int8", 0)
    resident, user = backbone.resident, person(users("fonts"), out("fonts", 0)[0], 5)
    package = personalise(resident, user.early, Options(steps=4), backbone.features).package
    whole = Resident(quantize(build("digit_cnn", 10, 3), "int8").to(memory_format=torch.channels_last), (3, 32, 32))
    random = torch.Generator().manual_seed(0)
    scores = {name: torch.rand(group.width, generator=random) for name, group in whole.groups.items()}
    masks = choose(scores, whole.graph, "int8", 0.5)
    step = [stepper(compact(whole.backbone, whole.groups, chosen)) for chosen in ({}, masks)]
    times = clock(lambda: resident.apply(package), resident.remove, *step)
    return dict(zip(("apply_ms", "remove_ms", "whole_step_ms", "masked_step_ms"), times, strict=True))


def stepper(network: torch.nn.Module) -> Callable[[], None]:
    """A training step of all parameters on 64 images."""
    trainer = optimizer(network.train(), lr=1e-6)
    images = torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    images = images.contiguous(memory_format=torch.channels_last)

    def step() -> None:
        trainer.zero_grad()
        network(images).logsumexp(1).mean().backward()
        trainer.step()

    return step


def clock(*calls: Callable[[], object], repeats: int = 10) -> list[float]:
    """Fewest milliseconds of each call; they take turns, and the first two turns do not count."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(repeats + 2):
        for call, found in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            found += [1e3 * (time.perf_counter() - start)] if turn >= 2 else []
    return [min(found) for found in times]


def rows(found: list[_runs.Result]) -> list[Row]:
    """Benchmark rows of the finished jobs with the most steps of the backbone, and of the times."""
    found = latest(found)
    known = {(one["job"], one["seed"]): one for one in found}
    made: list[Row] = []
    for job in sorted({one["job"] for one in found} - {"time"}):
        kind, method, recipe = job.split("/")
        mine = sorted((one for one in found if one["job"] == job), key=lambda one: one["seed"])
        gains = [gain for one in mine for gain in gained(one)]
        name = f"users/{job}"
        made.append(row(f"{name}/accuracy", flat(mine, "after"), "%"))
        made.append({**row(f"{name}/worst_drop", [max(0.0, -min(gains))], "points"), "n": len(gains)})
        made.append(row(f"{name}/rolled_back", flat(mine, "rolled_back"), "share"))
        if method in ("full", "package"):
            made.append(row(f"users/{kind}/source/{recipe}/accuracy", flat(mine, "before"), "%"))
        questions = [pair for one in mine for pair in zip(gained(one), one.get("asked", []), strict=False)]
        labels = [gain / asked for gain, asked in questions if asked]
        if labels:
            made.append(row(f"{name}/points_per_label", labels, "points"))
        given_up = [a - b for one in mine for a, b in zip(one.get("adapted", []), one["after"], strict=False)]
        if given_up:
            made.append(row(f"{name}/given_up", given_up, "points"))
        bound = [known.get((f"{kind}/full/fp32", one["seed"])) for one in mine]
        pairs = [(one, other) for one, other in zip(mine, bound, strict=True) if other is not None]
        if pairs and job != f"{kind}/full/fp32":
            apart = [a - b for one, other in pairs for a, b in zip(one["after"], other["after"], strict=True)]
            made.append(paired(f"{name}/minus_full", apart))
            peaks = [a / b for one, other in pairs for a, b in zip(one["peak_bytes"], other["peak_bytes"], strict=True)]
            made.append(row(f"{name}/peak", peaks, "ratio"))
            made.append(row(f"{name}/share_of_backbone", flat(mine, "share_of_backbone"), "share"))
        if method == "package":
            made.append({**row(f"users/{kind}/worst_drop", [max(0.0, -min(gains))], "points"), "n": len(gains)})
            made.append(row(f"package/{kind}/share_of_backbone", flat(mine, "share_of_backbone"), "share"))
            made.append(row(f"package/{kind}/operations", flat(mine, "operations"), "share"))
            made.append(row(f"package/{kind}/step_operations", flat(mine, "step_operations"), "share"))
    for one in (one for one in found if one["job"] == "time"):
        made += [row(f"users/time/{part}", [one[f"{part}_ms"]], "ms") for part in ("apply", "remove")]
        made.append(row("users/time/masked_step/x_whole", [one["masked_step_ms"] / one["whole_step_ms"]], "ratio"))
    return sorted({one["name"]: one for one in made}.values(), key=lambda one: one["name"])


def latest(found: list[_runs.Result]) -> list[_runs.Result]:
    """The results of the backbones with the most steps, under the names of jobs without them, and the times."""
    steps = {id(one): int(one["job"].partition("@")[2] or EARLIER) for one in found if one["job"] != "time"}
    most = max(steps.values(), default=EARLIER)
    kept = [one for one in found if steps.get(id(one), most) == most]
    return [{**one, "job": one["job"].partition("@")[0]} for one in kept]


def gained(one: _runs.Result) -> list[float]:
    """Points that each user of a job gained."""
    return [after - before for after, before in zip(one["after"], one["before"], strict=True)]


def flat(found: list[_runs.Result], field: str) -> list[float]:
    """The values of all users and seeds."""
    return [float(value) for one in found for value in one[field]]


if __name__ == "__main__":
    _runs.command(__doc__, "fonts, one seed, three methods", jobs, rows)
