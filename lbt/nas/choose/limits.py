"""Limits of a choice: joules of a trained image, and bytes of a training step."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from lbt.errors import LbtError, nearest, told
from lbt.nas.choose.price import Price

ENERGY = {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "µJ": 1e-6, "nJ": 1e-9}
MEMORY = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
_QUANTITY = re.compile(r"(\d{1,12}(?:\.\d{1,12})?(?:e[+-]?\d{1,2})?)\s*([^\W\d_]*)", re.ASCII | re.IGNORECASE)


def quantity(text: str, units: dict[str, float], option: str = "") -> float:
    """The number of a text such as ``0.05mJ`` in the base unit.

    Args:
        text: number and unit.
        units: factor of each unit.
        option: name of the option, with which an error begins.

    Raises:
        LbtError: no number, no unit or an unknown one, or zero.
    """
    found = _QUANTITY.fullmatch(text.strip().replace("µ", "u"))
    accepted, where = f"a number above 0 with a unit, one of {', '.join(units)}", f"{option}: " if option else ""
    if found is None or found[2] not in units:
        hint = nearest(found[2], units) if found and found[2] else ""
        raise LbtError(f"{where}found {told(text)}; accepted: {accepted}{hint}")
    value = float(found[1]) * units[found[2]]
    if not 0 < value < math.inf:
        raise LbtError(f"{where}found {told(text)}; accepted: {accepted}")
    return value


@dataclass(frozen=True)
class Limits:
    """Upper limits; infinity for none.

    Attributes:
        energy: joules of a trained image.
        memory: bytes of a training step, without stored images.
    """

    energy: float = math.inf
    memory: float = math.inf

    @classmethod
    def read(cls, energy: str | None, memory: str | None) -> Limits:
        """From the options ``--energy`` and ``--memory``."""
        return cls(
            math.inf if energy is None else quantity(energy, ENERGY, "--energy"),
            math.inf if memory is None else quantity(memory, MEMORY, "--memory"),
        )

    def excess(self, price: Price) -> float:
        """The largest ratio of a price to its limit, less one; 0 or below if all are met, infinite if nothing fits."""
        if not price.fits:
            return math.inf
        return max(price.energy / self.energy, price.memory / self.memory) - 1

    def __str__(self) -> str:
        parts = [] if math.isinf(self.energy) else [f"at most {millijoules(self.energy)} a trained image"]
        parts += [] if math.isinf(self.memory) else [f"at most {kilobytes(self.memory)} for a training step"]
        return ", ".join(parts) or "no limit"


def millijoules(joules: float) -> str:
    """Joules for a person."""
    return f"{1e3 * joules:.3g} mJ"


def kilobytes(count: float) -> str:
    """Bytes for a person."""
    return f"{count / 1e3:,.0f} kB"
