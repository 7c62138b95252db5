"""Deep copies of models that stand for them, or one line on why there is none.

``copy.deepcopy`` makes another network (a teacher), which draws random numbers of its own; a copy from here, to be
looked at in the place of the model, draws the model's.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from lbt.errors import LbtError
from lbt.nn.context import SAME_STREAM


def check_module(model: object, what: str) -> None:
    """Refuse what is no module, and one with parameters that a first batch has yet to shape.

    Raises:
        LbtError: ``what`` is impossible.
    """
    if not isinstance(model, nn.Module):
        raise LbtError(f"{what}: found {type(model).__name__}; accepted: a torch.nn.Module (lbt.models.build)")
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise LbtError(f"{what}: parameter {name!r} is not initialised yet: run one batch through the model first")


class Whole(nn.Module):
    """Mixin of an ``fx.GraphModule`` whose deep copies have all of it.

    PyTorch's own are built anew from the graph: they lose hooks, and what conversion gave to the module.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> nn.Module:
        twin: nn.Module = object.__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin


def copied(model: nn.Module, what: str) -> nn.Module:
    """A deep copy of ``model`` that draws the same random numbers.

    Raises:
        LbtError: it cannot be copied, so that ``what`` is impossible; names the weight that a hook computes, if any.
            See also :func:`check_module`.
    """
    check_module(model, what)
    try:
        return _trainable(model, copy.deepcopy(model, {SAME_STREAM: True}))
    except Exception as error:  # of the user's own classes too
        for name, module in model.named_modules():
            computed = [n for n, v in module.__dict__.items() if isinstance(v, Tensor) and not v.is_leaf]
            if computed:
                raise LbtError(
                    f"{what}: {f'{name}.{computed[0]}'.lstrip('.')} is computed by a hook (old-style weight_norm, "
                    "spectral_norm or pruning), so that the model cannot be copied: use nn.utils.parametrizations, "
                    "or convert with inplace=True"
                ) from None
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        raise LbtError(f"{what}: {type(model).__name__} cannot be copied ({reason})") from None


def _trainable(model: nn.Module, twin: nn.Module) -> nn.Module:
    """``twin``, with leaves as parameters where ``model`` has them: PyTorch copies a ScriptModule's by autograd."""
    for old, new in zip(model.parameters(), twin.parameters(), strict=True):
        if old.is_leaf and not new.is_leaf:
            new.detach_().requires_grad_(old.requires_grad)
    return twin
