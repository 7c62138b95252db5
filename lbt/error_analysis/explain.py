"""Where low precision hurts: one row for each layer and role of a training step, measured beside predicted."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lbt.error_analysis.heat_map import heat_map as heat_map
from lbt.error_analysis.record import Loss, record
from lbt.errors import LbtError
from lbt.kernels.kernel import CHANNELS, Place
from lbt.kernels.quantize import quantize as quantize_tensor
from lbt.kernels.quantize import turned
from lbt.nn.context import context_of, contexts_in
from lbt.nn.conversion.convert import quantize
from lbt.nn.copies import copied
from lbt.nn.inputs import Inputs
from lbt.nn.layers.attention import QMultiheadAttention
from lbt.nn.layers.base import QuantizedLayer
from lbt.nn.layers.functions import Functional
from lbt.numerics import analysis
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec
from lbt.recipe import Recipe

if TYPE_CHECKING:
    import pyarrow as pa


def explain(
    model: nn.Module,
    batch: Inputs | tuple[Inputs, Tensor],
    loss_fn: Loss | None = None,
    *,
    recipe: str | Path | Recipe | None = None,
    budget: float = 20.0,
) -> pa.Table:
    """Run one training step on a copy of ``model`` and say what quantization does to each tensor of it.

    Each tensor is looked at where its layer receives it: it carries the errors of the layers before, and the row tells
    what its own quantization adds.

    Args:
        model: a converted model, or any float model together with ``recipe``. It is not changed.
        batch: inputs, or (inputs, labels). Inputs are a tensor, a list of arguments, or a mapping of them by name; a
            pair of tensors is both arguments of a model that needs two. Without labels the model's own predictions
            serve.
        loss_fn: loss from (output, labels); cross-entropy by default, of the output's ``logits`` or first tensor where
            it is no tensor itself.
        recipe: what a float model is converted with; a converted model has its own.
        budget: SQNR in dB for which ``bits_needed`` is asked.

    Returns:
        One row for each tensor that is quantized: W, A, E, their copies WE, AG, EG where a product has its own, and G
        of each layer (no G of a computed weight); W, A, E and copies of each product by a function, A2 in place of W
        where it multiplies two activations; A and E of what a converted norm, pool
        or addition writes and receives (a norm's quantized input is ``NAME.input``). A layer that runs several times
        in the step has one row a role, over the tensors of all its calls, each quantized by itself; a product by a
        function that runs again is a row ``NAME #2``. A rotated operand is described after its rotation. The columns:

        - ``step``, ``layer``, ``role``, ``format``, ``bits``, ``elements``;
        - ``scale`` (median over groups), ``limit_sigma`` (the range in standard deviations, median);
        - ``sqnr`` (dB), ``cosine_distance``, ``clipped_share``, ``rounding_share`` (of the mean squared error);
        - ``levels`` (distinct codes used);
        - ``predicted_gaussian``, ``predicted_laplace``: SQNR (dB) expected for this range and width (integers with a
          single scale only, else null);
        - ``bits_needed``: fewest integer bits that reach ``budget`` with this range (symmetric integers), null if none;
          ``bits_needed_gaussian``: the same expected for a Gaussian tensor at its best clip.

    Raises:
        LbtError: a float model without a recipe, a recipe for a converted model, or nothing is quantized.
    """
    import pyarrow as pa

    model = _converted(model, recipe)
    context = context_of(model, "explain")
    context.calls.clear()
    converted = (QuantizedLayer, QMultiheadAttention, Functional)
    if not any(isinstance(module, converted) for module in model.modules()):
        raise LbtError(f"explain: the recipe {context.recipe.name!r} quantizes no layer of {type(model).__name__}")
    inputs, labels = _split(model, batch)
    found = record(model, inputs, labels, loss_fn)
    rows = [
        {
            "step": context.step,
            **describe(tensors, one.spec, context.key(one.layer, one.role), budget, one.running, one.place),
        }
        for one in found
        if (tensors := [x for x in one.tensors if x.numel()])
    ]
    return pa.Table.from_pylist(rows)


class History:
    """:func:`explain` every now and then during training: ``history.see(model)`` after each step, ``history.table()``.

    Args:
        batch: what to look at, always the same; inputs, or (inputs, labels).
        every: steps between two looks (the step is that of :func:`lbt.nn.set_step`).
        loss_fn, budget: as for :func:`explain`.
    """

    def __init__(
        self,
        batch: Inputs | tuple[Inputs, Tensor],
        *,
        every: int = 50,
        loss_fn: Loss | None = None,
        budget: float = 20.0,
    ) -> None:
        if every < 1:
            raise LbtError(f"explain: every: found {every!r}; accepted: a whole number of steps from 1")
        self.batch, self.every, self.loss_fn, self.budget = batch, every, loss_fn, budget
        self.rows: list[dict[str, Any]] = []

    def see(self, model: nn.Module) -> None:
        """Look, if it is time."""
        if context_of(model, "explain").step % self.every == 0:
            self.rows += explain(model, self.batch, self.loss_fn, budget=self.budget).to_pylist()

    def table(self) -> pa.Table:
        """The rows of all looks; the column ``step`` tells them apart."""
        import pyarrow as pa

        return pa.Table.from_pylist(self.rows)


def describe(
    x: Tensor | Sequence[Tensor],
    spec: RoleSpec,
    key: Key,
    budget: float = 20.0,
    running: Tensor | None = None,
    place: Place = CHANNELS,
) -> dict[str, Any]:
    """One row of :func:`explain` for the tensor ``x``, or for several that are quantized one by one; see there."""
    form, calls = spec.format, [x] if isinstance(x, Tensor) else x
    top = None if form.steps is None else form.largest
    each = [_quantized(one, spec, replace(key, call=call), running, place) for call, one in enumerate(calls)]
    x, back, limit, codes, scale = (_together(parts) for parts in zip(*each, strict=True))
    parts = analysis.decompose(x, back, limit * (1 + 1e-6))
    single = float(scale.flatten()[0]) * top if top is not None and scale.numel() == 1 else None
    rms = math.sqrt(float(x.double().square().mean()))
    row: dict[str, Any] = {
        "layer": key.layer,
        "role": key.role,
        "format": str(spec),
        "bits": float(spec.bits),
        "elements": x.numel(),
        "scale": float(scale.median()),
        "limit_sigma": float(scale.median()) * top / rms if top is not None and rms else None,
        "sqnr": _finite(analysis.sqnr(x, back)),
        "cosine_distance": analysis.cosine_distance(x, back),
        "clipped_share": analysis.clipped_share(x, limit * (1 + 1e-6)),
        "rounding_share": parts.rounding_share,
        "levels": analysis.levels_used(codes),
        "predicted_gaussian": None,
        "predicted_laplace": None,
        "bits_needed": None,
        "bits_needed_gaussian": analysis.bits_needed("gaussian", budget, spec.rounding),
    }
    if top is not None and rms:
        row["bits_needed"] = analysis.bits_needed_by(x, budget, limit)
    if single is not None and form.steps is not None and rms:
        steps = form.steps
        for name in ("gaussian", "laplace"):
            row[f"predicted_{name}"] = analysis.predicted_sqnr(name, single / rms, steps, spec.rounding)  # type: ignore[arg-type]
    return row


def _split(model: nn.Module, batch: Any) -> tuple[Any, Tensor | None]:
    """Inputs and labels; a pair of tensors is the inputs of a model that needs two."""
    pair = isinstance(batch, tuple) and len(batch) == 2
    if pair and not (isinstance(batch[0], Tensor) and _needs_two(model)):
        return batch[0], batch[1]
    return batch, None


def _needs_two(model: nn.Module) -> bool:
    """True if the model's forward takes two arguments or more that have no default."""
    parameters = inspect.signature(model.forward).parameters.values()
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in places and p.default is inspect.Parameter.empty for p in parameters) > 1


def _quantized(
    x: Tensor, spec: RoleSpec, key: Key, running: Tensor | None, place: Place
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """``x`` after its rotation, what quantization makes of it, the limit of each element, codes and scales."""
    form, x = spec.format, x.detach().float()
    if spec.rotate is not None:
        x = turned(x, spec.rotate, place, key)
    still = spec.model_copy(update={"rotate": None})
    q = quantize_tensor(x, still, key, running=None if running is None else running.clone(), place=place)
    top = None if form.steps is None else form.largest
    limit = _spread(q, top) if top is not None and form.scaled else x.abs().amax() * 2
    return x, q.dequantize(), limit.expand(x.shape), q.codes, q.scale


def _together(tensors: Sequence[Tensor]) -> Tensor:
    """The elements of all tensors; one alone keeps its shape, and so the order of its sums."""
    return tensors[0] if len(tensors) == 1 else torch.cat([tensor.flatten() for tensor in tensors])


def _converted(model: nn.Module, recipe: str | Path | Recipe | None) -> nn.Module:
    """A converted copy of ``model``."""
    if not contexts_in(model):
        if recipe is None:
            raise LbtError(
                f"explain: {type(model).__name__} was not converted; give the recipe to look at, as in "
                "explain(model, batch, recipe='int8')"
            )
        return quantize(model, recipe)
    if recipe is not None:
        raise LbtError("explain: the model was converted before, with its own recipe; leave recipe out")
    return copied(model, "explain")


def _spread(q: Any, top: float) -> Tensor:
    """The limit of each element: its group's scale times the largest code, in the tensor's shape."""
    return q.in_shape((q.scale * top).expand(q.codes.shape).contiguous())


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
