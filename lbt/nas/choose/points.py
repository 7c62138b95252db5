"""Points of the answer: a trained network with the formats that the limits leave it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
import yaml

from lbt.artifacts import atomic
from lbt.models import read_model
from lbt.models._chain import load
from lbt.nas.choose.bits import choose_bits
from lbt.nas.choose.limits import Limits, kilobytes, millijoules
from lbt.nas.choose.price import Price
from lbt.nas.choose.search import Found
from lbt.nas.choose.setting import SEARCHED, Setting
from lbt.nas.choose.state import Result
from lbt.nas.choose.trial import Trial, model_file
from lbt.nas.spaces.chain import HAND_MADE
from lbt.recipe import Recipe
from lbt.recipe_file import to_yaml

NETWORK, RECIPE = "network.yaml", "recipe.yaml"


@dataclass(frozen=True)
class Contender:
    """A network that is adapted.

    Attributes:
        name: of its point.
        text: the network's line.
        formats: name or path of a recipe.
    """

    name: str
    text: str
    formats: str


@dataclass(frozen=True)
class Point:
    """A network in its formats.

    Attributes:
        name: ``found1``, ``found2``, … by the search's worth, and ``digit_cnn``.
        trial: its full training.
        worth: what the search expects of it, see :func:`lbt.nas.choose.trial.values`.
        recipe: formats.
        price: in these formats.
        folder: holds ``network.yaml`` and ``recipe.yaml``.
    """

    name: str
    trial: Trial
    worth: float
    recipe: Recipe
    price: Price
    folder: Path

    @property
    def contender(self) -> Contender:
        """The network and its formats alone."""
        return Contender(self.name, self.trial.text, SEARCHED if self.trial.text == HAND_MADE else str(self.files[1]))

    @property
    def files(self) -> tuple[Path, Path]:
        """``network.yaml`` and ``recipe.yaml``."""
        return self.folder / NETWORK, self.folder / RECIPE


def points(setting: Setting, found: Found) -> list[Point]:
    """The candidates whose formats meet the limits, the best first, and then the hand-made network in int8."""
    made: list[Point] = []
    order = np.argsort(-found.full_values[:-1], kind="stable")
    for index in order.tolist():
        one, worth = found.candidates[index], float(found.full_values[index])
        if one.source <= 0:
            continue
        if (point := _with_bits(setting, one, worth, f"found{len(made) + 1}")) is None:
            setting.say(f"  no mixture of formats meets {setting.limits}: {one.text}")
            continue
        made.append(point)
        setting.say(
            f"  {point.name}: {millijoules(point.price.energy)}, {kilobytes(point.price.memory)} in its formats (int8 "
            f"alone {millijoules(setting.price(one.text).energy)})"
        )
    return [*made, reference(setting, found)]


def reference(setting: Setting, found: Found) -> Point:
    """The hand-made network in int8, whatever the limits."""
    price, recipe = setting.price(found.full[-1].text), Recipe.load(SEARCHED)
    return _written(setting, "digit_cnn", found.full[-1], float(found.full_values[-1]), recipe, price)


def _with_bits(setting: Setting, one: Trial, worth: float, name: str) -> Point | None:
    training = setting.pretraining(one.text, setting.options.steps, setting.options.seed)
    of = {"training": training.model_dump(), **setting.asked}
    found = setting.state.kept("bits", of, lambda: _mixture(setting, one))
    if found["recipe"] is None:
        return None
    recipe = Recipe.model_validate(yaml.safe_load(found["recipe"]) | {"name": RECIPE.removesuffix(".yaml")})
    price = Price(**{field.name: found[field.name] for field in fields(Price)})
    return _written(setting, name, one, worth, recipe, price)


def _mixture(setting: Setting, one: Trial) -> Result:
    """The formats of a trained network and their price; recipe null if there are none."""
    network, _ = read_model(model_file(setting, one.text, setting.options.steps, setting.options.seed))
    train = setting.task.examples("source", "train").labelled()
    batch = train.take(torch.arange(min(len(train), setting.options.batch)))
    mixture = choose_bits(network.train(), (batch.whole, batch.labels), setting.shop, setting.limits)
    return {"recipe": None} if mixture is None else {"recipe": to_yaml(mixture.recipe), **asdict(mixture.price)}


def _written(setting: Setting, name: str, one: Trial, worth: float, recipe: Recipe, price: Price) -> Point:
    point = Point(name, one, worth, recipe, price, setting.out / "points" / name)
    network, formats = point.files
    write_network(network, one.text)
    write_recipe(formats, recipe, setting.limits, setting.shop.name)
    return point


def write_network(path: Path, text: str) -> None:
    """The file network.yaml of a network's line."""
    dumped = load(text).model_dump(mode="json", exclude_defaults=True)
    with atomic(path) as temporary:
        words = "# Made by `lbt choose`; see docs/choose.md. In one line:\n"
        temporary.write_text(f"{words}# {text}\n" + yaml.safe_dump(dumped, sort_keys=False, default_flow_style=None))


def write_recipe(path: Path, recipe: Recipe, limits: Limits, board: str) -> None:
    """The file recipe.yaml."""
    asked = str(limits) if math.isfinite(min(limits.energy, limits.memory)) else "without a limit"
    words = f"Formats by layer, chosen by `lbt choose` on {board}, {asked}."
    with atomic(path) as temporary:
        text = to_yaml(recipe.model_copy(update={"source": recipe.source or words}))
        temporary.write_text(text, encoding="utf-8")


def write_files(point: Point, out: Path) -> None:
    """Write the point's ``network.yaml`` and ``recipe.yaml`` into the folder ``out``."""
    for file in point.files:
        with atomic(out / file.name) as temporary:
            temporary.write_bytes(file.read_bytes())
