"""What the layers of one converted model share: the recipe, and what keys stochastic rounding."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lbt.errors import LbtError
from lbt.kernels import finite
from lbt.numerics.rounding import Key
from lbt.recipe import Recipe


@dataclass(frozen=True)
class Converted:
    """One row of the conversion table.

    Attributes:
        name: the module's name in the model.
        kind: its type before conversion.
        now: what it is now (``quantized``, a norm's name, ``float``).
        why: formats, or the reason why it was left in float.
    """

    name: str
    kind: str
    now: str
    why: str


@dataclass
class Context:
    """Reached as ``model.lbt``.

    Attributes:
        recipe: the recipe that the model was converted with.
        seed: keys stochastic rounding.
        engine: ``emulate``, ``integer`` or ``float``.
        step: training step, see :func:`set_step`.
        first_sample: index of this process's first sample in the whole batch, see :func:`set_step`.
        shared: whether processes that share the batch quantize alike, see :func:`lbt.nn.share_ranges`.
        table: what was converted and what was left in float.
        loss_scale: what :func:`lbt.nn.scale_loss` multiplies by; set by the optimizer of a recipe that scales its loss.
        scaled: whether a loss was scaled since the last update.
        overflow: whether an error of this step was not finite (and replaced by zeros).
        deviations: by layer, the cosine distance of its quantized error (recipes with ``update.counteract``).
    """

    recipe: Recipe
    seed: int = 0
    engine: str = "emulate"
    step: int = 0
    first_sample: int = 0
    shared: bool = False
    table: list[Converted] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    loss_scale: float | None = None
    scaled: bool = False
    overflow: bool = False
    deviations: dict[str, float] = field(default_factory=dict)

    def next_call(self, layer: str) -> int:
        """How many forward passes ``layer`` made in this step before this one."""
        count = self.calls.get(layer, 0)
        self.calls[layer] = count + 1
        return count

    def offset(self, x: Tensor) -> int:
        """Index of the first element of ``x``, (N, *), in the whole batch."""
        return self.first_sample * (x[0].numel() if x.dim() and len(x) else 0)

    def finite(self, error: Tensor) -> Tensor:
        """``error``; zeros in its place when it is not finite and the loss is scaled: that step is left out."""
        if self.loss_scale is None or bool(torch.isfinite(error.sum())) or bool(torch.isfinite(error).all()):
            return error
        self.overflow = True
        return torch.zeros_like(error)

    def key(self, layer: str, role: str, call: int = 0) -> Key:
        """The rounding key of one tensor of this step."""
        return Key(self.seed, self.step, layer, role, call)


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside of DDP's and ``torch.compile``'s wrappers."""
    while True:
        inner = model._modules.get("_orig_mod")
        if isinstance(model, (nn.parallel.DistributedDataParallel, nn.DataParallel)):
            inner = model.module
        if inner is None:
            return model
        model = inner


def find_context(model: nn.Module) -> Context | None:
    """The context of a converted model (also one that is wrapped, as DDP does); None of a float model."""
    found = getattr(unwrapped(model), "lbt", None)
    return found if isinstance(found, Context) else None


def context_of(model: nn.Module) -> Context:
    """:func:`find_context` of a model that must have been converted.

    Raises:
        LbtError: it was not.
    """
    found = find_context(model)
    if found is None:
        raise LbtError(f"{type(model).__name__} was not converted: call lbt.quantize(model, recipe) first")
    return found


def set_step(model: nn.Module, step: int, *, first_sample: int = 0) -> None:
    """Tell a converted model the training step; resets the count of forward passes. A float model is left alone.

    Args:
        model: model, converted or not.
        step: step number; the same (seed, step) draws the same random numbers.
        first_sample: where this process's part of the batch begins, when a batch is split.

    Raises:
        LbtError: on a GPU, a tensor quantized so far was not finite (:mod:`lbt.kernels.finite`).
    """
    finite.settle()
    context = find_context(model)
    if context is not None:
        context.step, context.first_sample = step, first_sample
        context.calls.clear()


def set_first_sample(model: nn.Module, first_sample: int) -> None:
    """Tell a converted model where this process's part of the next batch begins. A float model is left alone."""
    context = find_context(model)
    if context is not None:
        context.first_sample = first_sample


def summary(model: nn.Module) -> str:
    """What was converted and what was left in float and why, as a text table."""
    context = context_of(model)
    rows = [("layer", "was", "now", "formats, or why not")]
    rows += [(row.name, row.kind, row.now, row.why) for row in context.table]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]]) for row in rows]
    head = f"recipe {context.recipe.name or '(unnamed)'}, engine {context.engine}, seed {context.seed}"
    return "\n".join([head, *lines])
