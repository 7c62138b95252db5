"""Functions that run as they are written under ``torch.compile``.

``torch.compiler.disable`` does that too, but applying it imports the compiler: over a second of every process, and most
of them compile nothing.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")


def eager(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` as a graph break of ``torch.compile``; where no compiler was imported, ``function`` itself.

    A frame that the compiler gives up on (its limit of recompilations, say) runs as it is written, and the compiler
    tries what it calls: there ``is_compiling`` is false, and ``function`` must be kept from it all the same.
    """

    disabled: Callable[P, R] | None = None  # kept: a new one at each call would be compiled around again

    @functools.wraps(function)
    def run(*arguments: P.args, **named: P.kwargs) -> R:
        nonlocal disabled
        if not torch.compiler.is_compiling() and "torch._dynamo" not in sys.modules:
            return function(*arguments, **named)
        if disabled is None:
            disabled = torch.compiler.disable(function)
        return disabled(*arguments, **named)

    return run
