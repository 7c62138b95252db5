"""Converting a float model with a recipe."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn
from torch.fx import Graph

from lbt.errors import LbtError, unknown
from lbt.nn.context import Context, Converted, unwrapped
from lbt.nn.conversion.tracing import foldable, functions, graph_of
from lbt.nn.layers.base import QuantizedLayer, adopt
from lbt.nn.layers.conv import QConv1d, QConv2d
from lbt.nn.layers.flow import Add, Flow
from lbt.nn.layers.linear import QLinear
from lbt.nn.layers.relu import MaskReLU, MaskReLU6
from lbt.recipe import Recipe, Roles

Engine = Literal["emulate", "integer", "float"]

_PRODUCTS: dict[type[nn.Module], type[QuantizedLayer]] = {
    nn.Conv1d: QConv1d,
    nn.Conv2d: QConv2d,
    nn.Linear: QLinear,
}
_MASKED: dict[type[nn.Module], type[nn.Module]] = {nn.ReLU: MaskReLU, nn.ReLU6: MaskReLU6}
_AVERAGES = (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
_EXACT: dict[type[nn.Module], str] = {
    nn.ReLU: "keeps codes as they are",
    nn.ReLU6: "keeps codes as they are up to its bound",
    nn.MaxPool1d: "selects codes",
    nn.MaxPool2d: "selects codes",
    nn.AdaptiveMaxPool2d: "selects codes",
    nn.Dropout: "the next layer quantizes its input",
    nn.Flatten: "moves codes",
    nn.Identity: "moves codes",
}


def quantize(
    model: nn.Module,
    recipe: str | Path | Recipe,
    *,
    seed: int = 0,
    inplace: bool = False,
    engine: Engine = "emulate",
) -> nn.Module:
    """``model`` with every product of its training step in the formats of ``recipe``; train it with any loop.

    Conv1d, Conv2d and Linear get quantized W, A, E, G; batch norms become the recipe's; average pooling and
    :class:`lbt.nn.Add` write A and pass E. Parameter and buffer names stay, so state dicts load both ways. Additions
    written as ``a + b`` are not modules and stay exact; the next layer quantizes their result.

    Args:
        model: any module.
        recipe: a recipe, its name, or the path of its YAML file.
        seed: keys stochastic rounding together with the step (:func:`lbt.nn.set_step`).
        inplace: convert ``model`` itself instead of a copy. Its parameters stay the same objects.
        engine: ``emulate`` (float kernels on quantized values), ``integer`` (int8×int8→int32 products), or
            ``float`` (convert nothing; for comparisons).

    Returns:
        The converted model, with ``model.lbt`` (:class:`lbt.nn.context.Context`); ``print(lbt.nn.summary(model))``.

    Raises:
        LbtError: unknown recipe or engine, a model that was converted before, or formats that the integer engine lacks.
    """
    if engine not in ("emulate", "integer", "float"):
        raise unknown("engine", engine, ["emulate", "integer", "float"])
    chosen = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    if any(isinstance(module, QuantizedLayer) for module in model.modules()):
        raise LbtError("the model was converted before; convert the float model instead")
    if not inplace:
        model = copy.deepcopy(model)
    context = Context(chosen, seed, engine)
    names = [name for name, module in model.named_modules() if type(module) in _PRODUCTS]
    ends = (names[0], names[-1]) if names else ("", "")
    graph = "engine is float" if engine == "float" else graph_of(model)
    pairs: dict[str, str] = {}
    if isinstance(graph, Graph) and chosen.norm.name == "folded_bn":
        pairs = {norm: conv for norm, conv in foldable(model, graph).items() if _roles(conv, ends, chosen)}
    replaced: dict[int, nn.Module] = {}
    by_name: dict[str, nn.Module] = {}
    for name, module in list(model.named_modules()):
        new = by_name[name] = _convert(name, module, ends, pairs, context)
        if new is not module:
            replaced[id(module)] = new
    for norm, conv in pairs.items():
        by_name[conv].folded, by_name[norm].inside = (by_name[norm],), True  # type: ignore[assignment]
    model = _put(model, replaced)
    if isinstance(graph, Graph):
        context.table += functions(graph)
    elif engine != "float":
        why = f"could not be traced, so functions in it are not listed ({graph})"
        context.table.append(Converted("forward()", type(model).__name__, "float", why))
    for name, module in model.named_modules():  # a part of the model, given alone, knows where it belongs
        module.__dict__.update(lbt=context, lbt_name=name)
    return model


def float_state(model: nn.Module) -> dict[str, Tensor]:
    """The state dict of a converted model with the float model's names only.

    What it leaves out is what conversion added: running limits of range rules with memory, statistics per domain.
    """
    state: dict[str, Tensor] = unwrapped(model).state_dict()
    return {n: t for n, t in state.items() if "@" not in n and not n.rpartition(".")[2].startswith("running_limit_")}


def _convert(name: str, module: nn.Module, ends: tuple[str, str], pairs: dict[str, str], context: Context) -> nn.Module:
    """The converted form of one module (itself where nothing changes), and its row in the table."""
    kind = type(module)
    recipe = context.recipe

    def row(now: str, why: str) -> None:
        context.table.append(Converted(name, kind.__name__, now, why))

    if kind in _PRODUCTS:
        roles = _roles(name, ends, recipe)
        if context.engine == "float" or roles is None:
            row("float", "engine is float" if context.engine == "float" else "the recipe leaves it in float")
            return module
        if context.engine == "integer":
            from lbt.kernels.int8.products import check

            check(name, module, roles)
        row("quantized", "; ".join(f"{r} {getattr(roles, r)}" for r in ("W", "A", "E", "EG", "G") if getattr(roles, r)))
        return _PRODUCTS[kind].from_float(module, name, roles, context)  # type: ignore[no-any-return]
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return _norm(name, module, pairs.get(name), context, row)
    if (isinstance(module, _AVERAGES) or kind is Add) and context.engine != "float":
        roles = recipe.for_layer(name)
        if roles is not None and (roles.A or roles.E):
            module.register_forward_hook(Flow(name, roles.A, roles.E, context))
            row("quantized", f"output {roles.A or 'float32'}; error {roles.E or 'float32'}")
            return module
    if not list(module.children()):
        why = _EXACT.get(kind, f"{kind.__name__} has no quantized form")
        if isinstance(module, tuple(_PRODUCTS)):
            why = f"{kind.__name__} is a subclass with a forward of its own"
        row("float", why)
    if kind in _MASKED and context.engine != "float":
        return adopt(module, _MASKED[kind])
    return module


def _roles(name: str, ends: tuple[str, str], recipe: Recipe) -> Roles | None:
    """The formats of one layer; None where it stays float."""
    roles = recipe.for_layer(name, first=name == ends[0], last=name == ends[1])
    return None if roles == Roles() else roles


def _norm(name: str, module: nn.Module, before: str | None, context: Context, row: Any) -> nn.Module:
    norm = context.recipe.norm
    if context.engine == "float":
        row("float", "engine is float")
        return module
    if norm.name == "float_bn" and not norm.options:
        new = module  # float statistics are what nn.BatchNorm does, and its kernel is the fastest
        row("float_bn", "float statistics and arithmetic")
    else:
        from lbt.nn.norms import build

        new = build(norm.name, module, **norm.options)
        why = ", ".join(f"{k} {v}" for k, v in norm.options.items()) or "the recipe's norm"
        if norm.name == "folded_bn":
            why = f"in the weight of {before}" if before else "a layer by itself: no convolution of its own before it"
        row(norm.name, why)
    if norm.input is not None:
        new.register_forward_pre_hook(Flow(f"{name}.input", norm.input, None, context).enter)
    if norm.output is not None or norm.error is not None:
        new.register_forward_hook(Flow(name, norm.output, norm.error, context))
    return new


def _put(model: nn.Module, replaced: dict[int, nn.Module]) -> nn.Module:
    """Put the new modules where the old ones were, also where one is used in several places."""
    for parent in list(model.modules()):
        for child_name, child in list(parent._modules.items()):
            if child is not None and id(child) in replaced:
                parent._modules[child_name] = replaced[id(child)]
    return replaced.get(id(model), model)
