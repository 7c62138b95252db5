"""Converting a float model with a recipe."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule

from lbt.errors import LbtError, nearest, told, unknown, warn
from lbt.nn.context import FORWARD, Context, Converted, unwrapped
from lbt.nn.conversion.ends import ends_of
from lbt.nn.conversion.kinds import is_product, kind_of, own_forward, patched
from lbt.nn.conversion.modules import Conversion, inner_products, no_fast_path
from lbt.nn.conversion.scan import multiplies, own_forward_class
from lbt.nn.conversion.tracing import foldable, functions, graph_of, modules_with_products, weights_of
from lbt.nn.copies import Whole, check_module, copied
from lbt.nn.layers.base import QuantizedLayer, added
from lbt.nn.layers.functions import Functional, site_roles
from lbt.nn.layers.mixed import become
from lbt.recipe import Recipe

Engine = Literal["emulate", "integer", "float"]


def quantize(
    model: nn.Module,
    recipe: str | Path | Recipe,
    *,
    seed: int = 0,
    inplace: bool = False,
    engine: Engine = "emulate",
) -> nn.Module:
    """``model`` with every product of its training step in the formats of ``recipe``; train it with any loop.

    Conv1d, Conv2d, Linear (also subclasses and parametrized ones that keep the forward) and the projections of
    MultiheadAttention get quantized W, A, E, G; so do products by a weight that a forward makes by functions
    (``F.linear``, ``F.conv2d``, ``x @ W``). Batch norms become the recipe's; average pooling and :class:`lbt.nn.Add`
    write A and pass E. Parameter and buffer names stay, so state dicts load both ways. Additions written as ``a + b``
    are not modules and stay exact; the next layer quantizes their result. Whatever stays float has a row in
    :func:`lbt.nn.summary` with the reason.

    Args:
        model: any module; of a wrapper (``torch.compile``, DataParallel, DDP) the module inside is converted.
        recipe: a recipe, its name, or the path of its YAML file.
        seed: keys stochastic rounding together with the step (:func:`lbt.nn.set_step`).
        inplace: convert ``model`` itself instead of a copy. Modules and parameters stay the same objects.
        engine: ``emulate`` (float kernels on quantized values), ``integer`` (int8×int8→int32 products), or
            ``float`` (convert nothing; for comparisons).

    Returns:
        The converted model, with ``model.lbt`` (:class:`lbt.nn.context.Context`); ``print(lbt.nn.summary(model))``.

    Raises:
        LbtError: unknown recipe or engine, a model that was converted before, cannot be copied, or has parameters that
            are not initialised yet, or formats that the integer engine lacks.
    """
    if engine not in ("emulate", "integer", "float"):
        raise unknown("engine", engine, ["emulate", "integer", "float"])
    check_module(model, "quantize")
    chosen = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    _check(model)
    if not inplace:
        model = copied(model, "quantize")
    whole, model = model, unwrapped(model)  # layers have the names that they have without a wrapper
    context = Context(chosen, seed, engine)
    # a layer by itself has no graph
    graph = "engine is float" if engine == "float" else Graph() if is_product(model) else graph_of(model)
    traced = graph if isinstance(graph, Graph) else None
    context.ends = ends_of(model, traced)
    conversion = Conversion(context)
    if traced is not None and chosen.norm.name == "folded_bn":
        conversion.pairs = {norm: c for norm, c in foldable(model, traced).items() if conversion.roles(c)}
    modules = [(name, module) for name, module in model.named_modules() if ".parametrizations." not in f".{name}."]
    with_functions = _with_functions(modules, traced) if engine != "float" and not chosen.is_float else []
    for name, module in modules:
        conversion.convert(name, module)
    by_name = dict(modules)
    for norm, conv in conversion.pairs.items():
        by_name[conv].folded, by_name[norm].inside = (by_name[norm],), True  # type: ignore[assignment]
    for _, module in modules:
        if isinstance(module, GraphModule):
            become(module, Whole)
    for module in with_functions:
        become(module, Functional)
    if inner_products(model):
        for _, module in modules:
            no_fast_path(module)
    for name, module in model.named_modules():  # a part of the model, given alone, knows where it belongs
        module.__dict__.update(lbt=context, lbt_name=name)
    if traced is not None:
        context.table += functions(traced, lambda site: _formats(context, site))
        for row in [row for row in context.table if row.kind == "function" and row.now == "quantized"]:
            context.drop_float(row.name.rpartition(".")[0])
        found = weights_of(traced)
        known = dict(model.named_parameters(remove_duplicate=False))
        context.weights = {site: [known[n] for n in sorted(names) if n in known] for site, names in found.items()}
    elif engine != "float":
        why = f"could not be traced: functions get their rows when it runs; first and last by registration ({graph})"
        context.table.append(Converted(FORWARD, type(model).__name__, "float", why))
    if traced is not None:
        _tell_idle(chosen, [row.name for row in context.table])
    if whole is not model:
        whole.__dict__.update(lbt=context, lbt_name="")
    return whole


def _tell_idle(recipe: Recipe, names: list[str]) -> None:
    """Warn of exceptions of a recipe that no layer has; a recipe may have some for several networks."""
    for pattern in recipe.layers:
        if not fnmatch.filter(names, pattern):
            inside = [f"{pattern}.*"] if fnmatch.filter(names, f"{pattern}.*") else names
            hint = nearest(pattern, inside)
            warn(f"recipe {recipe.name}: layers: {told(pattern)} is the name of no layer here{hint}")


def float_state(model: nn.Module) -> dict[str, Tensor]:
    """The state dict of a converted model with the float model's names only.

    It leaves out what conversion added: running limits and learnt step sizes of range rules, statistics per domain.
    """
    state: dict[str, Tensor] = unwrapped(model).state_dict()
    return {n: t for n, t in state.items() if "@" not in n and not added(n.rpartition(".")[2])}


def _check(model: nn.Module) -> None:
    if inner_products(model) or any(isinstance(module, Functional) for module in model.modules()):
        raise LbtError("the model was converted before; convert the float model instead")


def _with_functions(modules: list[tuple[str, nn.Module]], graph: Graph | None) -> list[nn.Module]:
    """Modules whose own forward may multiply by functions; all with a forward of their own if there is no graph."""
    seen = modules_with_products(graph) if graph is not None else set()
    return [
        module
        for name, module in modules
        if not isinstance(module, (QuantizedLayer, torch.jit.ScriptModule))
        and own_forward_class(type(module))
        and kind_of(module) is None
        and not patched(module)
        and (name in seen or multiplies(type(module)) or (graph is None and own_forward(module) is None))
    ]


def _formats(context: Context, site: str) -> tuple[bool, str]:
    roles, why = site_roles(context, site)
    return roles is not None, why
