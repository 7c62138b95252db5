"""Loss scaling: errors are lifted into the range of their format, and a step that overflows is left out and counted.

Micikevicius et al., "Mixed Precision Training" (arXiv 1710.03740), section 3.2. In lbt the formats with a scale find
their range from the data and hardly need it; fp16 errors, whose range is fixed, do. With NaN or infinity in an error a
recipe without loss scaling stops with a message; with it, the layer passes zeros on, and the update is not made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lbt.distributed import smallest
from lbt.errors import LbtError
from lbt.nn.context import Context, find_context

START = 2.0**16
"""The first dynamic scale."""
PATIENCE = 2000
"""Good steps after which a dynamic scale is doubled."""
GIVE_UP = 25
"""Overflows in a row after which it is not the scale's fault."""


def scale_loss(model: nn.Module, loss: Tensor) -> Tensor:
    """``loss`` times the loss scale of the model's recipe; ``loss`` itself where the recipe scales nothing.

    Call ``scale_loss(model, loss).backward()``; the optimizer of :func:`lbt.nn.optimizer` divides the gradients again.

    Raises:
        LbtError: the recipe scales its loss, but no optimizer has been made that would undo it.
    """
    context = find_context(model)
    if context is None or context.recipe.update.loss_scale is None:
        return loss
    if context.loss_scale is None:
        raise LbtError(f"recipe {context.recipe.name!r} scales its loss: call lbt.nn.optimizer(model, ...) first")
    context.scaled = True
    return loss * context.loss_scale


class LossScaling:
    """The optimizer's half: divides the gradients, leaves out a step that overflowed, and moves a dynamic scale.

    What it remembers (scale, good steps since the last change, steps left out, overflows in a row) lies in the
    optimizer's parameter group and so in its state dict.

    Args:
        setting: a fixed scale, or ``dynamic``.
        context: of the converted model.
    """

    def __init__(self, setting: float | str, context: Context) -> None:
        self.dynamic, self.context = setting == "dynamic", context
        self.state: dict[str, float] = {"scale": START if self.dynamic else float(setting)}
        self.state |= {"good": 0, "skipped": 0, "row": 0}

    def attach(self, group: dict[str, Any]) -> None:
        """Keep the state in ``group``, or take over what a loaded state dict put there."""
        self.state = group.setdefault("lbt_loss_scale", self.state)
        self.context.loss_scale = self.state["scale"]

    @property
    def skipped(self) -> int:
        """Steps left out so far."""
        return int(self.state["skipped"])

    def unscale(self, parameters: Sequence[Tensor]) -> bool:
        """Divide the gradients by the scale; whether the step may be made.

        Raises:
            LbtError: the loss was not scaled, or it keeps overflowing.
        """
        context, state = self.context, self.state
        if not context.scaled:
            raise LbtError(
                f"recipe {context.recipe.name!r} scales its loss: call lbt.nn.scale_loss(model, loss).backward()"
            )
        gradients = [p.grad for p in parameters if p.grad is not None]
        good = not context.overflow and all(bool(torch.isfinite(g).all()) for g in gradients)
        good = bool(smallest([torch.tensor(good, dtype=torch.uint8)])[0])
        context.scaled = context.overflow = False
        if good:
            torch._foreach_mul_(gradients, 1 / state["scale"])
            state["good"], state["row"] = state["good"] + 1, 0
            if self.dynamic and state["good"] % PATIENCE == 0:
                state["scale"] *= 2
        else:
            state["good"], state["skipped"], state["row"] = 0, state["skipped"] + 1, state["row"] + 1
            if state["row"] >= GIVE_UP:
                raise LbtError(
                    f"loss scale {state['scale']:g}: {GIVE_UP} steps in a row overflowed; lower the learning rate"
                    + ("" if self.dynamic else ", or set update.loss_scale to dynamic")
                )
            if self.dynamic:
                state["scale"] /= 2
        context.loss_scale = state["scale"]
        return good
