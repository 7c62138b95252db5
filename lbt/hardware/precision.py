"""Bit widths as the hardware sees them: what a recipe says about W, A, E, G and U, reduced to what costs gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lbt.errors import LbtError, unknown

ROLES = ("W", "A", "E", "G", "U")
"""Weight, activation, error, weight gradient, update."""


@dataclass(frozen=True)
class Number:
    """How one number is stored and computed with.

    Attributes:
        bits: storage bits per element, shared exponents included (so it may be fractional).
        exponent: exponent bits; 0 for a fixed-point number.
        mantissa: stored mantissa bits of a float; ignored for fixed point.
        rounding: how a result is brought to this format: ``nearest``, ``stochastic`` or ``floor``.
        scale: ``pow2`` (a shift) or ``float`` (a multiplication) when a result is brought to this format.
    """

    bits: float = 32
    exponent: int = 8
    mantissa: int = 23
    rounding: str = "nearest"
    scale: Literal["float", "pow2"] = "float"

    @property
    def is_float(self) -> bool:
        """Whether arithmetic on it needs a floating-point unit."""
        return self.exponent > 0

    @property
    def width(self) -> int:
        """Bits of a multiplier's operand: the whole number if fixed point, sign and significand if a float."""
        return self.mantissa + 2 if self.is_float else max(1, round(self.bits))

    @classmethod
    def integer(
        cls, bits: float, rounding: str = "nearest", scale: Literal["float", "pow2"] = "float"
    ) -> Number:
        """A fixed-point number of ``bits`` bits, 1 to 32."""
        if not 1 <= bits <= 32:
            raise LbtError(f"hardware: found a width of {bits} bits; accepted: 1 to 32")
        return cls(bits, 0, 0, rounding, scale)

    @classmethod
    def floating(cls, exponent: int, mantissa: int, rounding: str = "nearest") -> Number:
        """A minifloat with a sign bit, ``exponent`` (2 to 8) and ``mantissa`` (1 to 23) stored bits."""
        if not (2 <= exponent <= 8 and 1 <= mantissa <= 23):
            raise LbtError(
                f"hardware: found a float of {exponent} exponent and {mantissa} mantissa bits; "
                "accepted: 2 to 8 and 1 to 23"
            )
        return cls(1 + exponent + mantissa, exponent, mantissa, rounding)


FLOAT32 = Number()


@dataclass(frozen=True)
class Precision:
    """The five roles' numbers, the norm and the optimizer: all that the cost model asks of a recipe.

    Attributes:
        name: what tables call it.
        roles: one :class:`Number` for each of W, A, E, G and U.
        norm: batch-norm variant, the name of a file in ``lbt/nn/norms``.
        optimizer: ``sgd`` (with momentum: one state per weight) or ``adam`` (two).
        layers: exceptions, from a layer's name to its own roles.
    """

    name: str
    roles: Mapping[str, Number]
    norm: str = "float_bn"
    optimizer: Literal["sgd", "adam"] = "sgd"
    layers: Mapping[str, Mapping[str, Number]] = field(default_factory=dict)

    def __getitem__(self, role: str) -> Number:
        return self.roles[role]

    def of(self, layer: str) -> Mapping[str, Number]:
        """The roles of one layer, exceptions applied."""
        return self.layers.get(layer, self.roles)

    @classmethod
    def uniform(cls, name: str) -> Precision:
        """``fp32``, ``fp16``, ``bf16``, ``fp8`` or ``int<bits>`` (1 to 16) in all five roles; integers keep U in 32 bits.

        These are the yardsticks of the comparison table, not training recipes.
        """
        floats = {"fp32": (8, 23), "fp16": (5, 10), "bf16": (8, 7), "fp8": (4, 3)}
        if name in floats:
            return cls(name, dict.fromkeys(ROLES, Number.floating(*floats[name])))
        if not (name.startswith("int") and name[3:].isdigit()):
            raise unknown("precision", name, [*floats, "int8", "int4"], where="hardware")
        number = Number.integer(int(name[3:]), scale="pow2")
        stochastic = replace(number, rounding="stochastic")
        roles = {"W": number, "A": number, "E": stochastic, "G": stochastic, "U": Number.integer(32)}
        return cls(name, roles, norm="range_bn")


def of_recipe(recipe: Any) -> Precision:
    """The :class:`Precision` of a recipe given by name, by path, or as an object.

    Args:
        recipe: a :class:`Precision` (returned as it is), a ``lbt.numerics.recipe.Recipe``, or what ``Recipe.load`` reads.
    """
    if isinstance(recipe, Precision):
        return recipe
    if isinstance(recipe, str):
        from lbt.numerics.recipe import Recipe

        recipe = Recipe.load(recipe)
    return Precision(str(getattr(recipe, "name", "recipe")), {role: _number(recipe, role) for role in ROLES})


def _number(recipe: Any, role: str) -> Number:
    raise NotImplementedError
