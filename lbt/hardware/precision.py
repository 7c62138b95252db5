"""Bit widths as the hardware sees them: what a recipe says about W, A, E, G and U, reduced to what costs gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lbt.errors import LbtError, unknown
from lbt.numerics.rotation import block_of
from lbt.numerics.spec import RoleSpec
from lbt.recipe import COPIES, PRODUCTS

ROLES = ("W", "A", "E", "WE", "AG", "EG", "G", "U")
"""Weight, activation, error; the copies that the second product of each takes; weight gradient, update (optimizer
state).
"""


@dataclass(frozen=True)
class Number:
    """Storage and arithmetic of one number.

    Attributes:
        bits: storage bits per element, shared exponents included (so it may be fractional).
        exponent: exponent bits; 0 for a fixed-point number.
        mantissa: stored mantissa bits of a float; all bits of a fixed-point code, sign included.
        rounding: of a result to this format: ``nearest``, ``stochastic`` or ``floor``.
        scale: ``pow2`` (a shift) or ``float`` (a multiplication) when a result is brought to this format.
        draws: independent roundings, each of which makes the product once.
        turns: additions for each element before it is rounded (a rotation of 2^turns elements).
        learned: the scale is learnt, so that the backward pass reads the float32 that was rounded.
    """

    bits: float = 32
    exponent: int = 8
    mantissa: int = 23
    rounding: str = "nearest"
    scale: str = "float"
    draws: int = 1
    turns: int = 0
    learned: bool = False

    @property
    def is_float(self) -> bool:
        """True if arithmetic on it needs a floating-point unit."""
        return self.exponent > 0

    @property
    def is_power(self) -> bool:
        """True if every number is zero or a power of two, so that a product by it is a shift."""
        return self.is_float and self.mantissa == 0

    def holds(self, other: Number) -> bool:
        """True if numbers of the format ``other`` are numbers of this one: floats alike, or the same in everything."""
        own = (self.is_float, self.exponent, self.mantissa)
        return self == other or (self.is_float and own == (other.is_float, other.exponent, other.mantissa))

    @property
    def width(self) -> int:
        """Bits of a multiplier's operand: the code if fixed point, the significand with its sign if a float."""
        return self.mantissa + 2 if self.is_float else self.mantissa

    @classmethod
    def integer(
        cls, bits: int, rounding: str = "nearest", scale: str = "float", storage: float | None = None
    ) -> Number:
        """A fixed-point number of ``bits`` bits, 1 to 32."""
        if not 1 <= bits <= 32:
            raise LbtError(f"hardware: found a width of {bits} bits; accepted: 1 to 32")
        return cls(float(storage or bits), 0, bits, rounding, scale)

    @classmethod
    def floating(cls, exponent: int, mantissa: int, rounding: str = "nearest", storage: float | None = None) -> Number:
        """A minifloat with a sign bit, ``exponent`` (1 to 8) and ``mantissa`` (0 to 23) stored bits."""
        if not (1 <= exponent <= 8 and 0 <= mantissa <= 23):
            raise LbtError(
                f"hardware: found a float of {exponent} exponent and {mantissa} mantissa bits; "
                "accepted: 1 to 8 and 0 to 23"
            )
        return cls(float(storage or 1 + exponent + mantissa), exponent, mantissa, rounding)


FLOAT32 = Number()

WIDEST_SUM = 48
"""Bits of the widest fixed-point accumulator: that of a DSP block."""


def shifts(x: Number, y: Number, accumulator: int = 32) -> int:
    """Bits of a product x · y that is a shift into an ``accumulator``; 0 where it is none.

    One of them is a power of two, the other fixed point or a power of two as well.
    """
    powers, fixed = [n for n in (x, y) if n.is_power], [n for n in (x, y) if not n.is_float]
    if not powers or len(powers) + len(fixed) < 2:
        return 0
    bits = (fixed[0].width if fixed else 2) + sum(2**n.exponent - 2 for n in powers)
    return bits if bits <= accumulator else 0


@dataclass(frozen=True)
class Precision:
    """The five roles' numbers, the norm and the optimizer: all that the cost model asks of a recipe.

    Attributes:
        name: its name in tables.
        roles: one :class:`Number` for each of :data:`ROLES`.
        master: the master weights that the update changes.
        norm: batch-norm variant, the name of a file in ``lbt/nn/norms``.
        optimizer: ``sgd`` (with momentum: one state per weight) or ``adam`` (two).
        layers: exceptions, from a layer's name to its own roles.
    """

    name: str
    roles: Mapping[str, Number]
    master: Number = FLOAT32
    norm: str = "float_bn"
    optimizer: Literal["sgd", "adam"] = "sgd"
    layers: Mapping[str, Mapping[str, Number]] = field(default_factory=dict)

    def __getitem__(self, role: str) -> Number:
        return self.roles[role]

    @property
    def products(self) -> list[tuple[Number, Number]]:
        """The operands of the three products."""
        return [(self[left], self[right]) for left, right in PRODUCTS.values()]

    def of(self, layer: str) -> Mapping[str, Number]:
        """The roles of one layer, exceptions applied."""
        return self.layers.get(layer, self.roles)

    @classmethod
    def uniform(cls, name: str) -> Precision:
        """``fp32``, ``fp16``, ``bf16``, ``fp8`` or ``int<bits>`` (1 to 16) for all of W, A, E and G.

        The yardsticks of the comparison table, not training recipes. Floats keep master weights and optimizer in
        float32 (P. Micikevicius et al., arXiv 1710.03740); integers keep master weights in 16 bits and momentum in 16.
        """
        floats = {"fp32": (8, 23), "fp16": (5, 10), "bf16": (8, 7), "fp8": (4, 3)}
        if name in floats:
            roles = dict.fromkeys(ROLES, Number.floating(*floats[name]))
            return cls(name, roles | {"U": FLOAT32})
        if not (name.startswith("int") and name[3:].isdigit()):
            raise unknown("precision", name, [*floats, "int8", "int4"], where="hardware")
        number = Number.integer(int(name[3:]), scale="pow2")
        stochastic = replace(number, rounding="stochastic")
        wide = Number.integer(16, "stochastic", "pow2")
        roles = (
            dict.fromkeys(("W", "A", "WE", "AG"), number) | dict.fromkeys(("E", "EG", "G"), stochastic) | {"U": wide}
        )
        return cls(name, roles, wide, norm="range_bn")


def of_recipe(recipe: Any, products: Sequence[str] = ()) -> Precision:
    """The :class:`Precision` of a recipe.

    Args:
        recipe: a :class:`Precision` (returned as it is), a :class:`lbt.recipe.Recipe`, or what
            ``Recipe.load`` reads.
        products: names of the convolutions and linear layers in order, for exceptions of the first, the last and by
            name.

    Raises:
        LbtError: no such recipe.
    """
    if isinstance(recipe, Precision):
        return recipe
    from lbt.recipe import Recipe

    known = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    base = _roles(known, known.U)
    layers = {}
    for index, name in enumerate(products):
        own = known.for_layer(name, first=index == 0, last=index == len(products) - 1)
        roles = _roles(own, known.U) if own is not None else dict.fromkeys(ROLES, FLOAT32)
        if roles != base:
            layers[name] = roles
    master = {
        "float": lambda: FLOAT32,
        "integer": lambda: Number.integer(known.update.bits, "stochastic", "pow2"),
        "bf16": lambda: Number.floating(8, 7, "stochastic"),
    }[known.update.master]()
    return Precision(known.name or "recipe", base, master, known.norm.name, layers=layers)


def _roles(source: Any, update: Any) -> dict[str, Number]:
    roles = {role: _number(getattr(source, role)) for role in ("W", "A", "E", "G")}
    for copy, role in COPIES.items():
        own = getattr(source, copy)
        roles[copy] = roles[role] if own is None else _number(own)
    return roles | {"U": _number(update)}


def _number(spec: RoleSpec | None) -> Number:
    """The cost of a role's specification (None: float32): code width or float fields, rounding, scale."""
    if spec is None:
        return FLOAT32
    exponent, mantissa, scale = spec.format.multiplier
    turns = 0 if spec.rotate is None else block_of(spec.rotate).bit_length() - 1
    return Number(spec.bits, exponent, mantissa, spec.rounding, scale, spec.samples, turns, spec.range.learned)
