"""Classes whose methods make products by functions, found in their bytecode (a trace sees one branch only)."""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Iterator
from types import CodeType
from typing import Any, cast

from torch import nn

from lbt.nn.layers.functions import WORDS


def own_forward_class(cls: type[nn.Module]) -> bool:
    """True if the forward of ``cls`` was written outside of PyTorch and lbt."""
    home = getattr(cls.forward, "__module__", None) or ""  # one that torch.fx has generated has none
    return not home.startswith(("torch.", "lbt."))


def multiplies(cls: type[nn.Module]) -> bool:
    """True if a method of ``cls`` itself (not of PyTorch's classes below it) may call one of the functions."""
    return _class_multiplies(cast(Any, cls))


@functools.cache
def _class_multiplies(cls: Any) -> bool:
    own = [base for base in cls.__mro__ if not base.__module__.startswith("torch.") and base is not object]
    methods = (inspect.unwrap(m) for base in own for m in vars(base).values() if inspect.isfunction(m))
    return any(_multiplies(code) for method in methods for code in _nested(method.__code__))


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _multiplies(code: CodeType) -> bool:
    before = None
    for step in dis.get_instructions(code):
        if step.opname == "BINARY_OP" and step.argrepr in ("@", "@="):
            return True
        mine = before is not None and before.argval == "self"  # an attribute called so, such as a layer
        if step.opname.startswith("LOAD_") and step.argval in WORDS and not mine:
            return True
        before = step
    return False
