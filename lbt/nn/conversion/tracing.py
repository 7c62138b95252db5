"""The model's graph, as far as PyTorch's symbolic tracing sees it: which layer feeds which, and what is no module."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from lbt.nn.context import SAME_STREAM, Converted
from lbt.nn.conversion.kinds import is_batch_norm, kind_of
from lbt.nn.layers import pairs
from lbt.nn.layers.functions import Functional, why_float, word_of
from lbt.nn.layers.weights import FORMS, SITES

_KEEP = {
    functional.relu, torch.relu, "relu", "relu_", functional.relu6, functional.max_pool1d, functional.max_pool2d,
    torch.flatten, "flatten", "view", "reshape", "permute", "transpose", "contiguous", "squeeze", "unsqueeze", "size",
    "dim", "clone", "detach", torch.reshape, torch.permute, torch.transpose, torch.squeeze, torch.unsqueeze, torch.cat,
    torch.stack, "chunk", "split", torch.chunk, torch.split, operator.getitem, getattr, functional.dropout,
    functional.adaptive_max_pool2d, functional.pad,
}  # fmt: skip
"""Functions that only move or select codes, or leave the next layer's quantization what it was."""
_SUMS = {operator.add, operator.iadd, torch.add, "add", "add_"}


class Tracer(fx.Tracer):
    """Every module of PyTorch's or lbt's own is a node of the graph; a model's own modules are looked into."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        ours = type(m).__module__.startswith("lbt.nn.") and not isinstance(m, Functional)
        known = isinstance(m, nn.modules.batchnorm._BatchNorm) or kind_of(m) is not None
        return ours or known or super().is_leaf_module(m, module_qualified_name)


def graph_of(model: nn.Module) -> fx.Graph | str:
    """The graph of ``model``, or in a few words why there is none (control flow that depends on the data, say).

    A copy is traced (with the same parameters), so that whatever a forward leaves behind is not left in ``model``.
    """
    try:
        twin = copy.deepcopy(model, {**_kept(model), SAME_STREAM: True})
        graph = Tracer().trace(twin)
    except Exception as error:  # whatever the user's own forward raises on symbolic values
        return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    for node in graph.nodes:
        node.meta["parameter"] = node.op == "get_attr" and str(node.target) in parameters
    return graph


def _kept(model: nn.Module) -> dict[int, Any]:
    """The memo of a deep copy that keeps parameters, and what was computed from them, as they are."""
    kept: list[Tensor] = list(model.parameters())
    for module in model.modules():
        kept += [value for value in module.__dict__.values() if isinstance(value, Tensor)]
    return {id(tensor): tensor for tensor in kept}


def foldable(model: nn.Module, graph: fx.Graph) -> dict[str, str]:
    """Name of each batch norm that could be folded → name of the convolution before it, whose only reader it is."""
    modules, found = dict(model.named_modules()), {}
    calls = [str(node.target) for node in graph.nodes if node.op == "call_module"]
    for node in graph.nodes:
        if node.op != "call_module" or not is_batch_norm(modules[str(node.target)]):
            continue
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) != 1:
            continue
        norm, conv = str(node.target), str(before.target)
        once = calls.count(norm) == 1 and calls.count(conv) == 1
        if once and kind_of(modules[conv]) in (nn.Conv1d, nn.Conv2d):
            found[norm] = conv
    return found


def functions(graph: fx.Graph, in_formats: Callable[[str], tuple[bool, str]]) -> list[Converted]:
    """Rows of the conversion table for what the forward does without a module and low precision would change.

    Args:
        graph: of the float model.
        in_formats: for the name of a product by a function: True if it is quantized, and the formats or why not.
    """
    rows: dict[str, Converted] = {}
    for node in graph.nodes:
        if node.op not in ("call_function", "call_method") or node.target in _KEEP:
            continue
        site = site_of(node) or pair_site_of(node)
        quantized, why = in_formats(site) if site is not None else (False, _why(node))
        name = site or f"{_inside(node)}.{_word(node.target)}()".lstrip(".")
        if name not in rows or (rows[name].now == "quantized" and not quantized):  # float if one of its calls is
            rows[name] = Converted(name, "function", "quantized" if quantized else "float", why)
    return list(rows.values())


def site_of(node: fx.Node) -> str | None:
    """The name of a product of an activation by a weight that is made by a function; None of any other node."""
    weight = _weight(node)
    return None if weight is None else f"{_inside(node)}.{SITES[str(_word_of(node))]}".lstrip(".")


def pair_site_of(node: fx.Node) -> str | None:
    """The name of a product of two activations that is made by a function; None of any other node."""
    word = _word_of(node) if node.op in ("call_function", "call_method") else None
    if word not in pairs.FORMS or _weight(node) is not None:
        return None
    operands = [a for a in (*node.args, *node.kwargs.values()) if isinstance(a, fx.Node)]
    return None if any(map(_is_view_of_parameter, operands)) else f"{_inside(node)}.{word}()".lstrip(".")


def weights_of(graph: fx.Graph) -> dict[str, set[str]]:
    """By the name of a product by a function, the names of the parameters that its weight is made from."""
    found: dict[str, set[str]] = {}
    for node in graph.nodes:
        site, waiting = site_of(node), [_weight(node)]
        if site is None:
            continue
        names = found.setdefault(site, set())
        while waiting:
            part = waiting.pop()
            if part is not None:
                names.update([str(part.target)] if part.op == "get_attr" else [])
                waiting += part.all_input_nodes
    return found


def _weight(node: fx.Node) -> fx.Node | None:
    """The weight of a product that :class:`lbt.nn.layers.functions.Functional` quantizes."""
    if node.op not in ("call_function", "call_method"):
        return None
    word = _word_of(node)
    if word not in FORMS:
        return None
    place = 2 if word == "addmm" else 1
    weight = node.args[place] if len(node.args) > place else node.kwargs.get("weight")
    if not isinstance(weight, fx.Node):
        return None
    return weight if word not in ("matmul", "addmm") or _is_view_of_parameter(weight) else None


def _is_view_of_parameter(node: fx.Node) -> bool:
    while node.op == "call_method" and node.target in ("t", "transpose", "permute", "view", "reshape"):
        if not isinstance(node.args[0], fx.Node):
            return False
        node = node.args[0]
    if node.op == "call_function" and node.target is getattr and node.args[1:2] in (("T",), ("mT",)):
        return isinstance(node.args[0], fx.Node) and _is_view_of_parameter(node.args[0])
    return bool(node.meta.get("parameter"))


def modules_with_products(graph: fx.Graph) -> set[str]:
    """The names of modules whose own forward multiplies matrices by functions."""
    calls = (node for node in graph.nodes if node.op in ("call_function", "call_method"))
    return {_inside(node) for node in calls if _word_of(node) is not None}


def _word_of(node: fx.Node) -> str | None:
    return "matmul" if node.target is operator.matmul else word_of(node.target)


def _inside(node: fx.Node) -> str:
    return str(list((node.meta.get("nn_module_stack") or {"": None}).keys())[-1])


def _why(node: fx.Node) -> str:
    target = node.target
    if target in _SUMS:
        two = sum(isinstance(argument, fx.Node) for argument in node.args) > 1
        return "the sum stays exact; the next layer quantizes it (lbt.nn.Add would be quantized)" if two else _NEXT
    word = _word_of(node)
    return _NEXT if word is None else why_float(word)


_NEXT = "computed in float; the next layer quantizes its result"


def _word(target: Callable[..., Any] | str) -> str:
    return target if isinstance(target, str) else str(getattr(target, "__name__", target))
