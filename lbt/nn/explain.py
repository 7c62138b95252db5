"""Where low precision hurts: one row for each layer and role of a training step, measured beside predicted."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lbt.errors import LbtError
from lbt.nn.context import context_of
from lbt.nn.convert import quantize
from lbt.nn.layer import QuantizedLayer
from lbt.numerics import analysis
from lbt.numerics.formats import Int
from lbt.numerics.recipe import Recipe
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure

Loss = Callable[[Tensor, Tensor], Tensor]
ROLES = ("W", "A", "E", "EG", "G")


def explain(
    model: nn.Module,
    batch: Tensor | tuple[Tensor, Tensor],
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
        batch: inputs, or (inputs, labels). Without labels the model's own predictions serve.
        loss_fn: loss from (output, labels); cross-entropy by default.
        recipe: what a float model is converted with; a converted model has its own.
        budget: SQNR in dB for which ``bits_needed`` is asked.

    Returns:
        A table with the columns

        - ``step``, ``layer``, ``role`` (W, A, E, EG, G), ``format``, ``bits``, ``elements``;
        - ``scale`` (median over groups), ``limit_sigma`` (the range in standard deviations, median);
        - ``sqnr`` (dB), ``cosine_distance``, ``clipped_share``, ``rounding_share`` (of the mean squared error);
        - ``levels`` (distinct codes used);
        - ``predicted_gaussian``, ``predicted_laplace``: SQNR (dB) expected for this range and width (integers with a
          single scale only, else null);
        - ``bits_needed``: fewest integer bits that reach ``budget`` with this range (single scale), null if none;
          ``bits_needed_gaussian``: the same expected for a Gaussian tensor at its best clip.

    Raises:
        LbtError: a float model without a recipe, a recipe for a converted model, or nothing is quantized.
    """
    import pyarrow as pa

    model = _converted(model, recipe)
    context = context_of(model)
    context.calls.clear()
    layers = {m.lbt_name: m for m in model.modules() if isinstance(m, QuantizedLayer)}
    if not layers:
        raise LbtError(f"explain: the recipe {context.recipe.name!r} quantizes no layer of {type(model).__name__}")
    inputs, labels = batch if isinstance(batch, tuple) else (batch, None)
    found = _record(model, layers, inputs, labels, loss_fn or functional.cross_entropy)
    rows = []
    for name, layer in layers.items():
        for role in ROLES:
            spec, x = getattr(layer.roles, role), found[name].get("E" if role == "EG" else role)
            if spec is not None and x is not None and x.numel():
                key = context.key(name, role)
                rows.append({"step": context.step, **describe(x, spec, key, budget, layer.limits().get(role))})
    return pa.Table.from_pylist(rows)


def describe(
    x: Tensor, spec: RoleSpec, key: Key, budget: float = 20.0, running: Tensor | None = None
) -> dict[str, Any]:
    """One row of :func:`explain` for the tensor ``x``; see there for the columns."""
    form, x = spec.format, x.detach().float()
    q = spec.quantize(x, key, running=None if running is None else running.clone())
    back = q.dequantize()
    # the range of each group, in the tensor's shape
    top = form.largest if isinstance(form, Int) and form.symmetric else None
    limit = _spread(q, top) if top is not None and form.scaled else x.abs().amax() * 2
    parts = analysis.decompose(x, back, limit * (1 + 1e-6))
    single = float(q.scale.flatten()[0]) * top if top is not None and q.scale.numel() == 1 else None
    rms = float(x.double().square().mean().sqrt())
    row: dict[str, Any] = {
        "layer": key.layer,
        "role": key.role,
        "format": str(spec),
        "bits": float(spec.bits),
        "elements": x.numel(),
        "scale": float(q.scale.median()),
        "limit_sigma": float(q.scale.median()) * top / rms if top is not None and rms else None,
        "sqnr": _finite(analysis.sqnr(x, back)),
        "cosine_distance": analysis.cosine_distance(x, back),
        "clipped_share": analysis.clipped_share(x, limit * (1 + 1e-6)),
        "rounding_share": parts.rounding_share,
        "levels": analysis.levels_used(q.codes),
        "predicted_gaussian": None,
        "predicted_laplace": None,
        "bits_needed": None,
        "bits_needed_gaussian": analysis.bits_needed("gaussian", budget, spec.rounding),
    }
    if single is not None and isinstance(form, Int) and rms:
        steps = analysis.half_steps(form.bits)
        for name in ("gaussian", "laplace"):
            row[f"predicted_{name}"] = analysis.predicted_sqnr(name, single / rms, steps, spec.rounding)  # type: ignore[arg-type]
        row["bits_needed"] = analysis.bits_needed_by(x, budget, single)
    return row


def heat_map(table: pa.Table, column: str = "sqnr") -> Figure:
    """Layers × roles, coloured by a column of :func:`explain`'s table (its last step, if it holds several)."""
    from matplotlib.figure import Figure

    if column not in table.column_names:
        raise LbtError(f"heat map: unknown column {column!r}; accepted: {', '.join(table.column_names)}")
    rows = table.to_pylist()
    last = max(row["step"] for row in rows)
    rows = [row for row in rows if row["step"] == last]
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    roles = [role for role in ROLES if any(row["role"] == role for row in rows)]
    values = {(row["layer"], row["role"]): row[column] for row in rows}
    grid = [[_number(values.get((layer, role))) for role in roles] for layer in layers]
    figure = Figure(figsize=(1.6 + 0.9 * len(roles), 1.2 + 0.32 * len(layers)), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(grid, aspect="auto", cmap="viridis")
    axes.set_xticks(range(len(roles)), roles)
    axes.set_yticks(range(len(layers)), layers, fontsize=8)
    for i, line in enumerate(grid):
        for j, value in enumerate(line):
            if math.isfinite(value):
                axes.text(j, i, f"{value:.3g}", ha="center", va="center", fontsize=7, color="white").set_path_effects(
                    _outline()
                )
    figure.colorbar(image, ax=axes, label="SQNR (dB)" if column == "sqnr" else column.replace("_", " "))
    return figure


def _converted(model: nn.Module, recipe: str | Path | Recipe | None) -> nn.Module:
    """A converted copy of ``model``."""
    try:
        context_of(model)
    except LbtError:
        if recipe is None:
            raise LbtError(
                f"explain: {type(model).__name__} was not converted; give the recipe to look at, as in "
                "explain(model, batch, recipe='int8')"
            ) from None
        return quantize(model, recipe)
    if recipe is not None:
        raise LbtError("explain: the model was converted before, with its own recipe; leave recipe out")
    return copy.deepcopy(model)


def _record(
    model: nn.Module, layers: dict[str, QuantizedLayer], inputs: Tensor, labels: Tensor | None, loss_fn: Loss
) -> dict[str, dict[str, Tensor]]:
    """The float tensors that each layer is about to quantize in one training step, by layer and role."""
    found: dict[str, dict[str, Tensor]] = {name: {} for name in layers}
    original = {name: layer.roles for name, layer in layers.items()}
    for name, layer in layers.items():
        found[name]["W"] = layer.weight.detach().clone()
        # G is wanted as it is before its quantization; the layer gets its roles back below
        layer.roles = layer.roles.model_copy(update={"G": None})

        def enter(_: nn.Module, arguments: tuple[Tensor, ...], into: dict[str, Tensor] = found[name]) -> None:
            into["A"] = arguments[0].detach().clone()

        def leave(_: nn.Module, __: Any, output: Tensor, into: dict[str, Tensor] = found[name]) -> None:
            if output.requires_grad:
                output.register_hook(lambda dy: into.__setitem__("E", dy.detach().clone()))

        layer.register_forward_pre_hook(enter)
        layer.register_forward_hook(leave)
    model.zero_grad()
    with torch.enable_grad():
        output = model(inputs)
        loss_fn(output, output.detach().argmax(1) if labels is None else labels).backward()  # type: ignore[no-untyped-call]
    for name, layer in layers.items():
        layer.roles = original[name]
        if layer.weight.grad is not None:
            found[name]["G"] = layer.weight.grad.detach().clone()
    return found


def _spread(q: Any, top: float) -> Tensor:
    """The limit of each element: its group's scale times the largest code, in the tensor's shape."""
    return q.layout.restore((q.scale * top).expand(q.codes.shape).contiguous())


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _outline() -> list[Any]:
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=1.5, foreground="black")]
