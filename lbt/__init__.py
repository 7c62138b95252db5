"""lbt: low-bit training for small accelerators.

The library's front door; everything is imported on first use, so that ``import lbt`` costs nothing.
"""

from __future__ import annotations

from lbt.lazy import exports

__version__ = "0.1.0"

__getattr__, __dir__ = exports(
    __name__,
    {
        "Recipe": "lbt.recipe",
        "quantize": "lbt.nn",
        "explain": "lbt.nn",
        "cost": "lbt.hardware",
        "keep_freed_memory": "lbt.memory",
    },
)
