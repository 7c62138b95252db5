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
from lbt.nn.context import Context, contexts_of

START = 2.0**16
"""The first dynamic scale."""
PATIENCE = 2000
"""Good steps after which a dynamic scale is doubled."""
GIVE_UP = 25
"""Overflows in a row after which it is not the scale's fault."""


def scale_loss(model: nn.Module, loss: Tensor) -> Tensor:
    """``loss`` times the loss scale of the converted models in ``model``; ``loss`` itself if no recipe scales it.

    Call ``scale_loss(model, loss).backward()``; the optimizer of :func:`lbt.nn.optimizer` divides the gradients again.
    Of several converted models with scales of their own the smallest scale counts.

    Raises:
        LbtError: nothing in ``model`` was converted, or a recipe scales its loss, but no optimizer has been made that
            would undo it.
    """
    contexts = contexts_of(model, "scale_loss")
    contexts = [c for c in contexts if c.scaling or c.recipe.update.loss_scale is not None]
    if not contexts:
        return loss
    for context in contexts:
        if not context.scaling:
            raise LbtError(f"recipe {context.recipe.name!r} scales its loss: call lbt.nn.optimizer(model, ...) first")
    factor = min(context.scaling["scale"] for context in contexts)
    for context in contexts:
        context.scaled, context.used_scale = context.scaled + 1, factor
    return loss * factor


class LossScaling:
    """The optimizer's half: divides the gradients, leaves out a step that overflowed, and moves a dynamic scale.

    Its state (scale, good steps since the last change, steps left out, overflows in a row) is shared by the optimizers
    of one converted model, and lies in their first parameter groups and so in their state dicts.

    Args:
        setting: a fixed scale, or ``dynamic``.
        contexts: of the converted models whose parameters the optimizer updates.
    """

    def __init__(self, setting: float | str, contexts: Sequence[Context]) -> None:
        self.dynamic, self.contexts = setting == "dynamic", list(contexts)
        start = {"scale": START if self.dynamic else float(setting), "good": 0, "skipped": 0, "row": 0}
        self.state = next((context.scaling for context in contexts if context.scaling), start)
        for context in contexts:
            context.scaling = self.state
        self._seen = [(context.scaled, context.overflows) for context in contexts]

    def attach(self, group: dict[str, Any]) -> None:
        """Keep the state in ``group``, or take over what a loaded state dict put there."""
        self.state.update(group.get("lbt_loss_scale", {}))
        group["lbt_loss_scale"] = self.state

    @property
    def skipped(self) -> int:
        """Steps left out so far."""
        return int(self.state["skipped"])

    def unscale(self, parameters: Sequence[Tensor]) -> bool:
        """Divide the gradients by the scale; True if the step may be made.

        Raises:
            LbtError: the loss was not scaled, or it keeps overflowing.
        """
        fresh = [c for c, (scaled, _) in zip(self.contexts, self._seen, strict=True) if c.scaled > scaled]
        if not fresh:
            name = self.contexts[0].recipe.name
            raise LbtError(f"recipe {name!r} scales its loss: call lbt.nn.scale_loss(model, loss).backward()")
        overflow = any(c.overflows > seen for c, (_, seen) in zip(self.contexts, self._seen, strict=True))
        self._seen = [(context.scaled, context.overflows) for context in self.contexts]
        gradients = [p.grad for p in parameters if p.grad is not None]
        good = not overflow and all(bool(torch.isfinite(g).all()) for g in gradients)
        good = bool(smallest([torch.tensor(good, dtype=torch.uint8)])[0])
        if good:
            torch._foreach_mul_(gradients, 1 / fresh[0].used_scale)
        loss, was_good = fresh[0].judged
        if loss != fresh[0].scaled or (was_good and not good):  # several optimizers may follow one loss
            fresh[0].judged = fresh[0].scaled, good
            self._move(good)
        return good

    def _move(self, good: bool) -> None:
        state = self.state
        if good:
            state["good"], state["row"] = state["good"] + 1, 0
            if self.dynamic and state["good"] % PATIENCE == 0:
                state["scale"] *= 2
            return
        state["good"], state["skipped"], state["row"] = 0, state["skipped"] + 1, state["row"] + 1
        if state["row"] >= GIVE_UP:
            raise LbtError(
                f"loss scale {state['scale']:g}: {GIVE_UP} steps in a row overflowed; lower the learning rate"
                + ("" if self.dynamic else ", or set update.loss_scale to dynamic")
            )
        if self.dynamic:
            state["scale"] /= 2
