"""The conversion table with shares: how much of the weights and of the multiply-accumulates is in low precision."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import nn

from lbt.nn.context import FORWARD, Context, Converted, contexts_of
from lbt.nn.conversion.macs import macs_of
from lbt.nn.copies import copied
from lbt.nn.inputs import Inputs, call


@dataclass
class Share:
    """One converted model's table.

    Attributes:
        context: of the model.
        rows: the table, with rows for parameters and products that no other row covers.
        weights: by row, the number of elements of its parameters of two or more dimensions; one that several rows
            multiply by (tied weights) is the first quantized row's, so that the numbers add up to ``named``.
        tied: by row, the rows that its other parameters are counted in.
        total: of all such parameters, each counted once.
        quantized: of those that a product in low precision multiplies by.
        named: of those that have a row.
        macs: multiply-accumulates of a forward pass by row; empty without a batch.
    """

    context: Context
    rows: list[Converted]
    weights: dict[str, int]
    total: int
    quantized: int
    named: int
    macs: dict[str, int] = field(default_factory=dict)
    tied: dict[str, list[str]] = field(default_factory=dict)

    @property
    def weight_share(self) -> float:
        """Quantized weights among all, 0 … 1 (1 where there are none)."""
        return self.quantized / self.total if self.total else 1.0

    @property
    def mac_share(self) -> float | None:
        """Multiply-accumulates in low precision among all, 0 … 1; None without a batch."""
        if not self.macs:
            return None
        low = {row.name for row in self.rows if row.now == "quantized"}
        total = sum(self.macs.values())
        return sum(count for name, count in self.macs.items() if name in low) / total if total else 1.0


def summary(model: nn.Module, batch: Inputs | None = None) -> str:
    """Text table: what was converted, what was left in float with its share, and why.

    The head line says which share of the weights (elements of parameters of two or more dimensions) and, with a batch,
    of the multiply-accumulates of a forward pass is in low precision. Tied weights count once, in the first row of
    those that is quantized; the other rows name it.

    Args:
        model: a converted model, or a model with converted ones inside.
        batch: the model's arguments (a tensor, a tuple, a dictionary), which a copy of it is run on.

    Raises:
        LbtError: nothing in ``model`` was converted.
    """
    return "\n\n".join(_text(share) for share in shares(model, batch))


def shares(model: nn.Module, batch: Inputs | None = None) -> list[Share]:
    """The numbers of :func:`summary`, for each converted model in ``model``."""
    contexts_of(model, "summary")
    macs: dict[int, dict[str, int]] = {}
    if batch is not None:
        model = copied(model, "summary").eval()
        with torch.no_grad():
            call(model, batch)  # gives functions that tracing did not see their rows
        macs = macs_of(copied(model, "summary"), batch)
    found = []
    for index, context in enumerate(contexts_of(model, "summary")):
        found.append(_share(model, context, macs.get(index, {})))
    return found


def _share(model: nn.Module, context: Context, macs: dict[str, int]) -> Share:
    own = [module for module in model.modules() if module.__dict__.get("lbt") is context]
    names: dict[nn.Parameter, str] = {}
    by_layer: dict[str, set[nn.Parameter]] = {}
    for module in own:
        name = module.__dict__["lbt_name"]
        for leaf, tensor in module.named_parameters(recurse=False):
            if tensor.dim() > 1:
                names.setdefault(tensor, f"{name}.{leaf}".lstrip("."))
                layer = f".{name}".partition(".parametrizations.")[0].lstrip(".")
                by_layer.setdefault(layer, set()).add(tensor)
    of_row = {
        row.name: {p for p in context.weights.get(row.name, ()) if p.dim() > 1} or by_layer.get(row.name, set())
        for row in context.table
    }
    quantized = _union(of_row[row.name] for row in context.table if row.now == "quantized")
    uncovered = [p for p in names if p not in _union(of_row.values())]
    rows = list(context.table)
    for parameter in uncovered:
        why = "no product that lbt quantizes multiplies by it"
        rows.append(Converted(names[parameter], f"parameter {tuple(parameter.shape)}", "float", why))
        of_row[names[parameter]] = {parameter}
    counted = _merged(macs, rows)
    for name in counted.keys() - {row.name for row in rows}:
        rows.append(Converted(name, "function", "float", "a product in float"))
    size, tied = _owned(rows, of_row)
    total, low = (sum(p.numel() for p in held) for held in (_union(of_row.values()), quantized))
    return Share(context, rows, size, total, low, sum(size.values()), counted, tied)


def _owned(rows: list[Converted], of_row: dict[str, set[nn.Parameter]]) -> tuple[dict[str, int], dict[str, list[str]]]:
    """By row, the elements that it counts, and the rows that count its other parameters."""
    owner: dict[nn.Parameter, str] = {}
    for row in sorted(rows, key=lambda row: row.now != "quantized"):
        for parameter in of_row.get(row.name, ()):
            owner.setdefault(parameter, row.name)
    size = {name: sum(p.numel() for p in held if owner[p] == name) for name, held in of_row.items()}
    tied = {name: sorted({owner[p] for p in held} - {name}) for name, held in of_row.items()}
    return size, {name: owners for name, owners in tied.items() if owners}


def _union(sets: Iterable[set[nn.Parameter]]) -> set[nn.Parameter]:
    return set[nn.Parameter]().union(*sets)


def _merged(macs: dict[str, int], rows: list[Converted]) -> dict[str, int]:
    """Counts by row. A function of a layer with a row belongs to it, unless only the layer is quantized."""
    known = {row.name: row for row in rows}
    merged: dict[str, int] = {}
    for site, count in macs.items():
        module, _, word = site.rpartition(".")
        owner = known.get(module) if word.endswith(")") and site not in known else None
        mine = owner is not None and (owner.now != "quantized" or word == "linear()")
        name = (module if mine else site) or FORWARD
        merged[name] = merged.get(name, 0) + count
    return merged


def _text(share: Share) -> str:
    context, macs = share.context, share.mac_share
    head = f"recipe {context.recipe.name or '(unnamed)'}, engine {context.engine}, seed {context.seed}: "
    head += f"{_percent(share.weight_share)} of {share.total:,} weights"
    if macs is not None:
        head += f" and {_percent(macs)} of {sum(share.macs.values()):,} multiply-accumulates"
    rows = [("layer", "was", "now", "weights", *(["MACs"] if macs is not None else []), "formats, or why not")]
    all_macs = sum(share.macs.values()) or 1
    for row in share.rows:
        part = share.weights.get(row.name, 0)
        cells = [row.name, row.kind, row.now, _percent(part / share.total) if part else ""]
        if macs is not None:
            cells.append(_percent(share.macs[row.name] / all_macs) if share.macs.get(row.name) else "")
        tied = [f"its weight is counted at {owner}" for owner in share.tied.get(row.name, ())]
        rows.append((*cells, "; ".join([row.why, *tied])))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]]) for row in rows]
    return "\n".join([f"{head} quantized", *lines])


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %" if share < 1 else "100 %"
