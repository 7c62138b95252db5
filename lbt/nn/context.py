"""The state that the layers of one converted model share: the recipe, and what keys stochastic rounding."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from lbt.errors import LbtError
from lbt.kernels import finite
from lbt.numerics.rounding import Key
from lbt.recipe import Recipe

if TYPE_CHECKING:
    from lbt.recipe import Roles


FORWARD = "forward()"
"""The row of what the model's own forward does, as far as no other row names it."""
SAME_STREAM = -1
"""A key, no object's id, in the memo of a deep copy that stands for the original, instead of being another network."""


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
class Pass:
    """One forward pass of a layer in this step.

    Attributes:
        call: its number.
        sample: a few elements of its input.
        limits: the running limits of the roles that are quantized on the way forward, before it.
    """

    call: int
    sample: Tensor
    limits: dict[str, Tensor]


@dataclass
class Context:
    """Reached as ``model.lbt``.

    ``copy.deepcopy`` of the model (a teacher, ``AveragedModel``) makes a context with a stream of random numbers of its
    own, so that a teacher's rounding errors are not its student's. A stream is named by the order of copies: the first
    copy of a model always draws the same numbers, whatever came before it, so that a resumed run finds its own again.
    :func:`lbt.nn.copies.copied` copies the stream too.

    Attributes:
        recipe: the recipe that the model was converted with.
        seed: keys stochastic rounding.
        engine: ``emulate``, ``integer`` or ``float``.
        step: training step: the last that :func:`set_step` gave, and the optimizer's steps since then.
        drawn: the step that keys stochastic rounding, see :meth:`advance`.
        told: number of calls of :func:`set_step`.
        first_sample: index of this process's first sample in the whole batch, see :func:`set_step`.
        shared: whether processes that share the batch quantize alike, see :func:`lbt.nn.share_ranges`.
        table: what was converted and what was left in float.
        scaling: state of loss scaling, see :class:`lbt.nn.optim.scaling.LossScaling`; empty without it.
        scaled: number of losses that were scaled.
        used_scale: factor of the last of them.
        overflows: number of errors that were not finite (and replaced by zeros).
        judged: the last scaled loss whose overflow changed ``scaling``, and whether its step was good.
        deviations: by layer, the cosine distance of its quantized error (recipes with ``update.counteract``).
        ends: names of the first and of the last layers, in order of execution.
        left: weights of layers that were left in float on purpose.
        weights: by row of the table, the parameters that a product by a function multiplies by.
        passes: by layer, the passes of this step that may have to be made again (:mod:`lbt.nn.passes`).
        sites: by the name of a product by a function, its formats, or None and why it stays float.
        final: the recipe's final phase has begun, see :func:`set_progress`.
        final_sites: ``sites`` in that phase.
        watch: what sees each product by a function; see :mod:`lbt.error_analysis.record`.
        noted: by function that has its row because a forward ran it, True if all of its calls are quantized.
        stream: the model's place in the tree of copies: empty, ``1`` for its first copy, ``1.2`` for that one's second.
        copies: number of copies made with a stream of their own.
    """

    recipe: Recipe
    seed: int = 0
    engine: str = "emulate"
    step: int = 0
    drawn: int = 0
    told: int = 0
    first_sample: int = 0
    shared: bool = False
    table: list[Converted] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    scaling: dict[str, float] = field(default_factory=dict)
    scaled: int = 0
    used_scale: float = 1.0
    overflows: int = 0
    judged: tuple[int, bool] = (0, True)
    deviations: dict[str, float] = field(default_factory=dict)
    ends: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    left: list[Tensor] = field(default_factory=list)
    weights: dict[str, list[nn.Parameter]] = field(default_factory=dict)
    noted: dict[str, bool] = field(default_factory=dict)
    passes: dict[str, deque[Pass]] = field(default_factory=dict)
    sites: dict[str, tuple[Roles | None, str]] = field(default_factory=dict)
    final: bool = False
    final_sites: dict[str, tuple[Roles | None, str]] = field(default_factory=dict)
    watch: Callable[..., None] | None = None
    stream: str = ""
    copies: int = 0

    def __deepcopy__(self, memo: dict[Any, Any]) -> Self:
        new = memo[id(self)] = copy.copy(self)
        for one in fields(self):
            setattr(new, one.name, copy.deepcopy(getattr(self, one.name), memo))
        if SAME_STREAM not in memo:
            self.copies += 1
            new.stream, new.copies = f"{self.stream}.{self.copies}".lstrip("."), 0
        return new

    def put(self, row: Converted) -> None:
        """Put ``row`` in the table, in place of one of the same name."""
        names = [known.name for known in self.table]
        if row.name in names:
            self.table[names.index(row.name)] = row
        else:
            self.table.append(row)

    def drop_float(self, name: str) -> None:
        """Take out the row of a module that was said to stay float, now that a function in it is quantized."""
        self.table = [row for row in self.table if row.name != name or row.now != "float"]

    def tell(self, step: int, first_sample: int) -> None:
        """Take over a step from :func:`set_step`."""
        self.step = self.drawn = step
        self.first_sample = first_sample
        self.told += 1
        self.calls.clear()
        self.passes.clear()

    def advance(self, repeated: bool) -> None:
        """Count an optimizer's step.

        A step that :func:`set_step` gave goes on keying the draws until the next one (a step may have several updates),
        but from an optimizer's second update on it is counted as a new one.

        Args:
            repeated: the same optimizer made a step since the last :func:`set_step`.
        """
        self.step += not self.told or repeated
        if not self.told:
            self.drawn = self.step
            self.calls.clear()
            self.passes.clear()

    @property
    def loss_scale(self) -> float | None:
        """Factor that :func:`lbt.nn.scale_loss` multiplies by; None until the recipe's optimizer is made."""
        return self.scaling.get("scale")

    def next_call(self, layer: str) -> int:
        """Number of forward passes that ``layer`` made in this step; counts one more."""
        count = self.calls.get(layer, 0)
        self.calls[layer] = count + 1
        return count

    def offset(self, x: Tensor, rows: int = 1) -> int:
        """Index of the first element of ``x``, (N · rows, *), in the whole batch of samples of ``rows`` rows each."""
        return self.first_sample * rows * (x[0].numel() if x.dim() and len(x) else 0)

    def finite(self, error: Tensor) -> Tensor:
        """``error``; zeros in its place when it is not finite and the loss is scaled: that step is left out."""
        if self.loss_scale is None or bool(torch.isfinite(error.sum())) or bool(torch.isfinite(error).all()):
            return error
        self.overflows += 1
        return torch.zeros_like(error)

    def key(self, layer: str, role: str, call: int = 0) -> Key:
        """The rounding key of one tensor of this step."""
        return Key(self.seed, self.drawn, layer, role, call, self.stream)


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside of DDP's and ``torch.compile``'s wrappers."""
    while True:
        inner = model._modules.get("_orig_mod")
        if isinstance(model, (nn.parallel.DistributedDataParallel, nn.DataParallel)):
            inner = model.module
        if inner is None:
            return model
        model = inner


def contexts_in(model: nn.Module) -> list[Context]:
    """The contexts of all converted models inside ``model`` (itself, a part of one, or around one), in order."""
    found = (module.__dict__.get("lbt") for module in model.modules())
    return list({id(context): context for context in found if isinstance(context, Context)}.values())


def contexts_of(model: nn.Module, what: str) -> list[Context]:
    """:func:`contexts_in` where there must be one.

    Raises:
        LbtError: no module inside was converted, so that ``what`` would do nothing.
    """
    found = contexts_in(model)
    if not found:
        raise LbtError(
            f"{what}: {type(model).__name__} was not converted, nor any module in it: call lbt.quantize(model, recipe) "
            "first (with the recipe fp32 for a baseline)"
        )
    return found


def context_of(model: nn.Module, what: str) -> Context:
    """The only context in ``model``.

    Raises:
        LbtError: no module inside was converted, or several were.
    """
    found = contexts_of(model, what)
    if len(found) > 1:
        raise LbtError(
            f"{what}: {type(model).__name__} holds {len(found)} models that were converted one by one; give one of them"
        )
    return found[0]


def set_step(model: nn.Module, step: int, *, first_sample: int = 0) -> None:
    """Tell the converted models in ``model`` the training step; resets the count of forward passes.

    A loop that never calls it is counted by the optimizer of :func:`lbt.nn.optimizer`, one for each of its steps.

    Args:
        model: a converted model, a part of one, or a model with converted ones inside.
        step: step number; the same (seed, step) draws the same random numbers.
        first_sample: where this process's part of the batch begins, when a batch is split.

    Raises:
        LbtError: nothing in ``model`` was converted; or, on a GPU, a tensor quantized so far was not finite
            (:mod:`lbt.kernels.finite`).
    """
    finite.settle()
    for context in contexts_of(model, "set_step"):
        context.tell(step, first_sample)


def set_progress(model: nn.Module, step: int, steps: int) -> None:
    """Tell the converted models in ``model`` that ``step`` of ``steps`` comes: recipes may have a final phase.

    The phase follows from the two numbers, so that a resumed run that says them is in the right one. Evaluation is
    always in the recipe's own formats. Recipes without a final phase ignore the call. The learning rate is the loop's
    (:func:`lbt.train.schedule.phased`).

    Args:
        model: a converted model, a part of one, or a model with converted ones inside.
        step: from 0.
        steps: number of steps of the training.

    Raises:
        LbtError: nothing in ``model`` was converted.
    """
    for context in contexts_of(model, "set_progress"):
        phase = context.recipe.final
        context.final = phase is not None and step >= phase.begins(steps)


def set_first_sample(model: nn.Module, first_sample: int) -> None:
    """Tell the converted models in ``model`` where this process's part of the next batch begins."""
    for context in contexts_in(model):
        context.first_sample = first_sample
