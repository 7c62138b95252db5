"""Deep copies of models that stand for them, or one line on why there is none.

``copy.deepcopy`` makes another network (a teacher), which draws random numbers of its own; a copy from here, to be
looked at in the place of the model, draws the model's.
"""

from __future__ import annotations

import copy

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


def copied(model: nn.Module, what: str) -> nn.Module:
    """A deep copy of ``model`` that draws the same random numbers.

    Raises:
        LbtError: it cannot be copied, so that ``what`` is impossible; names the weight that a hook computes, if any.
            See also :func:`check_module`.
    """
    check_module(model, what)
    try:
        return copy.deepcopy(model, {SAME_STREAM: True})
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
