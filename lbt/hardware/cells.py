"""Builds of the array's cells: DSP blocks as far as these reach, LUTs beyond.

Of integers of up to 8 bits an UltraScale+ DSP block holds two cells (``packed``): neighbours in a row, whose common
operand is the one that travels along the row (Y. Fu et al., "Deep Learning with INT8 Optimization on Xilinx Devices",
Xilinx WP486). Their sums are in LUTs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from lbt.errors import LbtError
from lbt.hardware.accelerator import cell, operands
from lbt.hardware.boards import Board
from lbt.hardware.delays import Path, Stage
from lbt.hardware.precision import Precision, shifts
from lbt.hardware.units import Area


@dataclass(frozen=True)
class Build:
    """How cells are made: up to ``most`` of the first kind, the rest of the second (if there is one)."""

    style: str
    first: Area
    most: float
    rest: Area | None

    def cells(self, count: int) -> Area:
        """All of ``count`` cells."""
        if self.rest is None:
            return self.first * count
        few = min(count, int(self.most))
        return self.first * few + self.rest * (count - few)


def builds(precision: Precision, board: Board, style: str, accumulator: int) -> list[Build]:
    """The ways to make cells of one style, or of any (``auto``).

    Raises:
        LbtError: no area is known in this style, or (``auto``) in none.
    """
    known: dict[str, Area] = {}
    reasons: list[LbtError] = []
    wanted = ("booth", "plain", "dsp", "packed") if style == "auto" else (style,)
    for name in wanted:
        try:
            known[name] = packed(precision, board.target, accumulator) if name == "packed" else (
                cell(precision, board.target, name, accumulator))  # fmt: skip
        except LbtError as error:  # a style that the library has no unit of for these numbers is no candidate
            reasons.append(error)
    if not known:
        raise reasons[0]
    fabric = min((name for name in known if not known[name].dsp), key=lambda n: known[n].lut, default=None)
    found = []
    for name, area in known.items():
        if not area.dsp:
            found += [Build(name, area, np.inf, None)] if name == fabric else []
        elif fabric is None:
            found.append(Build(name, area, np.inf, None))
        elif board.dsp:
            most = board.usable_dsp // area.dsp
            found.append(Build(f"{name}+{fabric}", area, most, known[fabric]))
    return found


def packed(precision: Precision, target: str, accumulator: int) -> Area:
    """One of two cells that share a DSP block, and an operand.

    The upper product is one too small where the lower one is negative, which a carry into its a + b bits mends.

    Raises:
        LbtError: the block has no room for two products of these numbers.
    """
    a, b = operands(precision)
    roles = [number for pair in precision.products for number in pair]
    if target != "xcup" or a > 8 or any(n.is_float for n in roles) or any(shifts(*p) for p in precision.products):
        raise LbtError(
            f"style: found packed for {precision.name} on {target}; accepted: integers of up to 8 bits on xcup"
        )
    whole = cell(precision, target, "dsp", accumulator)
    carries = ceil((a + b) / 4) + ceil(accumulator / 4) - 2
    path = Path(nets=2, luts=2, chains=2, carries=carries)  # one after another, between the product and its sum
    mend = Stage(f"mend-packed-{target}-{a}-{b}-{accumulator}", path)
    rest = Area((a + b) / 2, 0, (a + b) / 16, 0, path.depth, "fitted", (mend,))
    return replace(whole + rest, dsp=whole.dsp / 2)
