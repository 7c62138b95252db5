"""Hardware cost of low-bit training: operations, memory, area from synthesis, schedule, energy, boards.

Importing this package imports neither torch nor Amaranth.
"""

from __future__ import annotations

from lbt.lazy import exports

__getattr__, __dir__ = exports(
    __name__,
    {
        "Board": "lbt.hardware.boards",
        "Cost": "lbt.hardware.estimate",
        "Precision": "lbt.hardware.precision",
        "compare": "lbt.hardware.explore",
        "cost": "lbt.hardware.estimate",
    },
)
