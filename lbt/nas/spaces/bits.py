"""Number formats of each layer's W, A, E and G over a fixed network, a user's own ``nn.Module`` included.

A row holds, for each layer (or group of layers that a pattern names), which of ``recipes`` each role takes its format
from. A role that all of them write alike leaves no choice. A row's recipe has the widest of the chosen formats as its
base, to which an accelerator's multipliers are sized, and the others as exceptions in ``layers``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lbt.errors import LbtError, unknown
from lbt.nas.space.rows import Row, RowSpace
from lbt.numerics.spec import RoleSpec
from lbt.recipe import Recipe, Roles

if TYPE_CHECKING:
    from torch import nn

ROLES = {"W": ("W", "WE"), "A": ("A", "AG"), "E": ("E", "EG"), "G": ("G",)}
"""A role and the operand of a second product that goes with it."""
RECIPES = ("int8", "int6", "int4")

Formats = tuple[RoleSpec | None, ...]
"""The formats of a role and of its second operand."""


class BitsSpace(RowSpace):
    """See the module's docstring.

    Args:
        layers: names of layers, or patterns such as ``features.stage1.*``.
        recipes: names or objects of recipes, from which formats are taken.
    """

    name = "bits"

    def __init__(self, layers: Sequence[str], recipes: Sequence[str | Recipe] = RECIPES) -> None:
        self.layers = tuple(layers)
        self.recipes = [recipe if isinstance(recipe, Recipe) else Recipe.load(recipe) for recipe in recipes]
        self.formats = {
            role: list(dict.fromkeys(self.of_role(recipe, role) for recipe in self.recipes)) for role in ROLES
        }
        self.roles = [role for role, found in self.formats.items() if len(found) > 1]

    @classmethod
    def of(cls, model: nn.Module, image: Sequence[int], recipes: Sequence[str | Recipe] = RECIPES) -> BitsSpace:
        """The space of every convolution and linear layer of ``model``, for images of the shape ``image`` (C, H, W).

        Raises:
            LbtError: the model does not accept such images, or has no such layer.
        """
        from lbt.hardware.trace import PRODUCTS, trace

        layers = [node.name for node in trace(model, tuple(image)).nodes if node.kind in PRODUCTS]
        if not layers:
            raise LbtError(f"bits: {type(model).__name__} has no convolution and no linear layer")
        return cls(layers, recipes)

    @staticmethod
    def of_role(recipe: Recipe, role: str) -> Formats:
        """The formats that a recipe gives to a role and its second operand."""
        return tuple(getattr(recipe, one) for one in ROLES[role])

    @cached_property
    def choices(self) -> np.ndarray:
        return np.array([len(self.formats[role]) for _ in self.layers for role in self.roles], np.int64)

    def chosen(self, row: Row) -> list[dict[str, Formats]]:
        """The formats of each layer, by role."""
        table = np.reshape(np.asarray(row, np.int64), (len(self.layers), len(self.roles)))
        first = {role: found[0] for role, found in self.formats.items()}
        return [
            first | {r: self.formats[r][index] for r, index in zip(self.roles, line.tolist(), strict=True)}
            for line in table
        ]

    def uniform(self, recipe: str) -> np.ndarray:
        """The row in which every layer takes all formats from the recipe of that name."""
        known = {one.name: one for one in self.recipes}
        if recipe not in known:
            raise unknown("recipe", recipe, known, where=self.name)
        line = [self.formats[role].index(self.of_role(known[recipe], role)) for role in self.roles]
        return np.array(line * len(self.layers), np.int64)

    def recipe(self, row: Row, name: str = "bits") -> Recipe:
        """The recipe of a row; everything but the four roles is that of the first of ``recipes``."""
        chosen = self.chosen(row)
        base = {role: max((layer[role] for layer in chosen), key=_bits) for role in ROLES}
        common, layers = _spread(base), {}
        for pattern, formats in zip(self.layers, chosen, strict=True):
            if other := {one: spec for one, spec in _spread(formats).items() if spec != common[one]}:
                layers[pattern] = Roles(**other)
        values = {key: getattr(self.recipes[0], key) for key in ("U", "norm", "update")}
        return Recipe(name=name, layers=layers, **values, **common)

    def format(self, row: Row) -> str:
        """Recipe of each role by layer: ``int8/int4/int8 int4/int4/int8``, roles in the order of ``roles``."""
        names = {role: self._names(role) for role in self.roles}
        table = np.reshape(np.asarray(row, np.int64), (len(self.layers), len(self.roles))).tolist()
        return " ".join("/".join(names[r][n] for r, n in zip(self.roles, line, strict=True)) for line in table)

    def parse(self, text: str) -> np.ndarray:
        words = [word.split("/") for word in text.split()]
        if len(words) != len(self.layers) or any(len(word) != len(self.roles) for word in words):
            shape = f"{len(self.layers)} layers of {'/'.join(self.roles)}"
            raise LbtError(f"{text!r}: accepted: {shape}, such as {self.format(np.zeros(len(self.choices)))!r}")
        row = []
        for word in words:
            for role, name in zip(self.roles, word, strict=True):
                if name not in self._names(role):
                    raise unknown("recipe", name, self._names(role), where=repr(text))
                row.append(self._names(role).index(name))
        return np.array(row, np.int64)

    def vector(self, rows: np.ndarray) -> np.ndarray:
        """Encoding for predictors: storage bits of each layer's role over 8, float64 (N, layers · roles)."""
        return np.array([[_bits(layer[r]) / 8 for layer in self.chosen(row) for r in self.roles] for row in rows])

    def _names(self, role: str) -> list[str]:
        """Name of the first recipe that has each format of ``role``."""
        first: dict[Any, str] = {}
        for recipe in self.recipes:
            first.setdefault(self.of_role(recipe, role), recipe.name)
        return list(first.values())


def _bits(formats: Formats) -> float:
    """Storage bits of the first operand."""
    return 32.0 if formats[0] is None else float(formats[0].bits)


def _spread(formats: dict[str, Formats]) -> dict[str, RoleSpec | None]:
    """The formats by operand."""
    return {one: spec for role, found in formats.items() for one, spec in zip(ROLES[role], found, strict=True)}
