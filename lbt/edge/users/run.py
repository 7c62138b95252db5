"""A run over users: backbones, packages and scores in a folder; a user that is done is not done again.

The folder holds ``backbone-FOLD.safetensors``, for each user ``NUMBER-NAME.safetensors`` (the package; none where
the guard refused it) and ``NUMBER-NAME.json`` (the :class:`~lbt.edge.users.protocol.Score`), and ``users.parquet``,
all scores."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lbt.artifacts import read_json, read_tensors, sha256, write_json, write_table
from lbt.config import narrowed
from lbt.edge.read import read_backbone
from lbt.edge.users import protocol
from lbt.edge.users.options import Asking, Options, RunOptions
from lbt.edge.users.package import Resident
from lbt.edge.users.people import FEWEST, People, few, person, read_people
from lbt.errors import LbtError, unknown, warn
from lbt.models import read_model, write_model
from lbt.models._network import Network
from lbt.nn import quantize
from lbt.pretrain.params import PretrainJob

Row = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Files of one user.

    Attributes:
        score: JSON, written last.
        package: safetensors.
    """

    score: Path
    package: Path


def run(
    path: str, out: Path, options: RunOptions, backbone: Path | None = None, users: tuple[str, ...] = ()
) -> Iterator[Row]:
    """Personalise each user; yields the scores as they are made, or found.

    Args:
        path: an embedded set of users, or images that name theirs (:func:`lbt.edge.users.people.read_people`).
        out: folder.
        options: of the backbones and of the users.
        backbone: a float network of lbt's, or a backbone that a run left. None: each fold's is made from the others.
        users: whom to personalise for; empty: everybody.

    Raises:
        LbtError: unreadable images, an unknown user, one with too few images (who is left out with a warning where
            nobody is named), options that do not fit.
    """
    people = read_people(path, options.layout, options.name)
    names = people.names()
    for name in users:
        if name not in names:
            raise unknown("user", name, names)
    wanted = _wanted(people, users)
    identity = _identity(people, options, backbone)
    number = {name: n for n, name in enumerate(names)}
    groups = [names] if backbone is not None else list(protocol.folds(names, options.folds))
    rows = []
    for fold, group in enumerate(groups):
        places = {name: _place(out, number[name], name) for name in group if name in wanted}
        made = None
        for name, place in places.items():
            found = _known(place, identity)
            if found is None:
                made = made or _Fold(people, group, options, backbone, out / f"backbone-{fold}.safetensors")
                found = made.score(name, place, identity)
            rows.append(found)
            yield found
    write_table(out / "users.parquet", rows)


def _wanted(people: People, users: tuple[str, ...]) -> list[str]:
    """The users to personalise for: those named, or all that have enough images."""
    lacking = people.too_few()
    if named := next((name for name in users if name in lacking), None):
        raise few(named)
    found = list(users) or [name for name in people.names() if name not in lacking]
    if not found:
        raise few(lacking[0])
    if not users and lacking:
        told = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
        warn(f"users with fewer than {FEWEST} images are left out: {told}; their images still make backbones")
    return found


class _Fold:
    """A backbone, and the users that it did not see."""

    def __init__(self, people: People, group: list[str], options: RunOptions, given: Path | None, path: Path) -> None:
        self.options = options
        self.base = _given(given, options.recipe) if given is not None else _made(people, group, options)
        architecture = self.base.architecture
        features = [] if self.base.features is None else self.base.features.tolist()
        write_model(path, self.base.resident.backbone, architecture, recipe=options.recipe, users=features)
        self.people = people.resized(architecture.channels, architecture.size)
        if self.people.images.classes != architecture.classes:
            found = list(self.people.images.classes)[:8]
            raise LbtError(
                f"images: their classes {found} are not those of the backbone {list(architecture.classes)[:8]}"
            )

    def score(self, name: str, place: Place, identity: str) -> Row:
        """Personalise one user and write what came of it."""
        labels = self.options.labels
        options, asking = narrowed(self.options, Options), narrowed(self.options, Asking)
        score, package = protocol.score(self.base, person(self.people, name, labels), labels, options, asking)
        place.package.unlink(missing_ok=True)
        if not score.rolled_back:
            package.write(place.package)
        write_json(place.score, {**score.row(), "identity": identity})
        return score.row()


def _made(people: People, group: list[str], options: RunOptions) -> protocol.Base:
    sized = people.resized(options.channels, options.size)
    job = PretrainJob(
        model=options.model, channels=options.channels, size=options.size, steps=options.pretrain_steps,
        augmentation=options.pretrain_augmentation, seed=options.seed,
    )  # fmt: skip
    model, architecture, source = protocol.learnt(sized, group, job)
    return protocol.base(
        model, architecture, options.recipe, source, steps=options.source_steps,
        augmentation=options.pretrain_augmentation, seed=options.seed,
    )  # fmt: skip


def _given(path: Path, recipe: str) -> protocol.Base:
    """The backbone in a file: one that a run left, or a float network, which gets the recipe's numbers untrained."""
    if "users" in read_tensors(path)[1]:
        network, architecture, features, known = read_backbone(path)
        if known != recipe:
            raise LbtError(f"{path}: a backbone under the recipe {known!r}; found --recipe {recipe!r}")
    else:
        model, architecture = read_model(path)
        network, features = cast("Network", quantize(model, recipe)), None
    shape = (architecture.channels, architecture.size, architecture.size)
    return protocol.Base(Resident(network, shape), features, architecture)


def _place(out: Path, number: int, name: str) -> Place:
    """A user's files; the number makes them unique, and of the name only harmless characters are kept."""
    stem = f"{number:04d}-{re.sub(r'[^A-Za-z0-9_-]+', '_', name)[:40]}"
    return Place(out / f"{stem}.json", out / f"{stem}.safetensors")


def _known(place: Place, identity: str) -> Row | None:
    """The score of a user that is done, if it is of the same data and options."""
    if not place.score.is_file():
        return None
    found = read_json(place.score)
    return found if found.pop("identity", None) == identity else None


def _identity(people: People, options: RunOptions, backbone: Path | None) -> str:
    total = hashlib.sha256(options.model_dump_json().encode())
    total.update(people.images.pixels.tobytes() + people.images.labels.tobytes())
    times = None if people.times is None else people.times.tolist()
    total.update(json.dumps([people.users.tolist(), times, people.images.classes]).encode())
    total.update((sha256(backbone) if backbone else "").encode())
    return total.hexdigest()
