"""Changing the class of a module in place, so that every reference to it sees the new one."""

from __future__ import annotations

import copyreg
import functools
from typing import Any, TypeVar, cast

from torch import nn

M = TypeVar("M", bound=nn.Module)


def mixed(mixin: type[M], kind: type[nn.Module]) -> type[M]:
    """The class of a ``kind`` that behaves as ``mixin`` says; ``mixin`` itself where it derives from ``kind``.

    It has the name of ``kind`` and derives from it, so that ``isinstance``, further methods and properties (those of
    ``torch.nn.utils.parametrize``) go on working. Objects can be copied and pickled.
    """
    return mixin if issubclass(mixin, kind) else cast(type[M], _made(cast(Any, mixin), cast(Any, kind)))


@functools.cache
def _made(mixin: Any, kind: Any) -> Any:
    def reduce(self: Any, protocol: Any) -> Any:
        reduced = kind.__reduce_ex__(self, protocol)
        return (_new, (mixin, kind), *reduced[2:]) if reduced[0] is copyreg.__newobj__ else reduced  # type: ignore[attr-defined]

    names = {"__module__": mixin.__module__, "__doc__": kind.__doc__, "__reduce_ex__": reduce}
    return type(kind.__name__, (mixin, kind), names)


def become(module: nn.Module, mixin: type[M]) -> M:
    """``module`` itself, from now on of the class :func:`mixed`."""
    module.__class__ = mixed(mixin, type(module))
    return cast(M, module)


def _new(mixin: type[nn.Module], kind: type[nn.Module]) -> nn.Module:
    cls = mixed(mixin, kind)
    return cls.__new__(cls)
