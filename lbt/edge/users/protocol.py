"""Leave one user out: a backbone that never saw the user, a package from the user's early images, a test on later ones.

Users of one fold are left out together and share a backbone; by default a fold is one user.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from lbt.data.inputs import to_input
from lbt.edge.users.asking import ask
from lbt.edge.users.backbone import deployed, mean_feature, pretrained
from lbt.edge.users.options import Asking, Options
from lbt.edge.users.package import Package, Resident
from lbt.edge.users.people import People, Person
from lbt.edge.users.personal import personalise
from lbt.errors import LbtError
from lbt.models import Architecture
from lbt.models._network import Network
from lbt.pretrain.params import PretrainJob
from lbt.recipe import Recipe
from lbt.train.batches import Examples
from lbt.train.evaluation import accuracy, predict


@dataclass(frozen=True)
class Score:
    """Effect of personalisation on one user.

    Attributes:
        user: name.
        labels: labels a class that the user gave unasked.
        asked: number of images whose label the device asked for.
        answered: number of these that got one.
        before: accuracy of the backbone on the user's later images, in percent; None without a label.
        adapted: the same of the personal network, whether or not it is used.
        after: the same of the network that serves: the backbone again where the guard refused the other.
        rolled_back: 1 if it did.
        operations: multiply–accumulates of the personal network as a share of the backbone's.
        step_operations: the same of a training step, against a step that trains the whole backbone.
        package_bytes: size of the package's file.
        share_of_backbone: that, as a share of the backbone in the recipe's codes.
        peak_bytes: dearest training step, by the account of :mod:`lbt.hardware`.
        trained: number of parameters that moved.
    """

    user: str
    labels: int
    asked: int
    answered: int
    before: float | None
    adapted: float | None
    after: float | None
    rolled_back: int
    operations: float
    step_operations: float
    package_bytes: int
    share_of_backbone: float
    peak_bytes: int
    trained: int

    def row(self) -> dict[str, str | int | float | None]:
        """The fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class Base:
    """A backbone in memory.

    Attributes:
        resident: in the recipe's numbers.
        features: mean feature of the images that it learnt from.
        architecture: of the network.
    """

    resident: Resident
    features: Tensor | None
    architecture: Architecture


def folds(names: list[str], count: int | None) -> Iterator[list[str]]:
    """Users that are left out together; ``count`` folds, None for one user each.

    Raises:
        LbtError: fewer than two users, or more folds than users.
    """
    number = len(names) if count is None else count
    if len(names) < 2 or not 2 <= number <= len(names):
        raise LbtError(f"folds: found {number} for {len(names)} users; accepted: 2 to the number of users")
    return (names[n::number] for n in range(number))


def learnt(people: People, users: list[str], job: PretrainJob) -> tuple[Network, Architecture, Examples]:
    """A float network that never saw ``users``, and the images that it learnt from."""
    images = people.others(users)
    model, architecture = pretrained(images, job)
    source = Examples(to_input(images.pixels), torch.from_numpy(images.labels), images.classes, "others")
    return model, architecture, source.labelled()


def base(
    model: Network,
    architecture: Architecture,
    recipe: str,
    source: Examples,
    *,
    steps: int,
    augmentation: str,
    seed: int,
) -> Base:
    """The backbone of ``model`` in the numbers of ``recipe``; see :func:`lbt.edge.users.backbone.deployed`."""
    shape = (architecture.channels, architecture.size, architecture.size)
    network = deployed(model, shape, Recipe.load(recipe), source, steps=steps, augmentation=augmentation, seed=seed)
    return Base(Resident(network, shape), mean_feature(network, source.whole), architecture)


def score(
    backbone: Base, user: Person, labels: int, options: Options, asking: Asking | None = None
) -> tuple[Score, Package]:
    """Make a user's package, put it on and off again, and measure.

    Args:
        backbone: of all users.
        user: with ``labels`` labels a class.
        labels: see ``user``; is noted in the package.
        options: masks, training, budgets.
        asking: questions that are asked before; None: none.
    """
    resident = backbone.resident
    stream = ask(resident, user.early, user.answers, asking or Asking(), options)
    result = personalise(resident, stream.early, options, backbone.features, labels=labels, asked=len(stream.images))
    before = accuracy(predict(resident.backbone, user.later), user.later.labels)
    adapted = accuracy(predict(resident.apply(result.package), user.later), user.later.labels)
    resident.remove()
    refused, size = options.guard and result.verdict.refused, result.package.size()
    found = Score(
        user=user.name, labels=labels, asked=len(stream.images), answered=stream.answered,
        before=before, adapted=adapted, after=before if refused else adapted,
        rolled_back=int(refused), operations=result.operations, step_operations=result.step_operations,
        package_bytes=size, share_of_backbone=size / resident.bytes(), peak_bytes=result.peak, trained=result.values,
    )  # fmt: skip
    return found, result.package
