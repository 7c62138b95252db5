"""The model's graph, as far as PyTorch's symbolic tracing sees it: which layer feeds which, and what is no module."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from lbt.nn.context import Converted
from lbt.nn.layers.base import QuantizedLayer
from lbt.nn.layers.flow import Add

_PRODUCTS: dict[Any, str] = {
    functional.conv1d: "nn.Conv1d", functional.conv2d: "nn.Conv2d", functional.linear: "nn.Linear",
    torch.conv1d: "nn.Conv1d", torch.conv2d: "nn.Conv2d", functional.batch_norm: "nn.BatchNorm2d",
}  # fmt: skip
"""Functions whose module lbt would have quantized."""
_MATRIX = {torch.matmul, torch.bmm, torch.mm, torch.einsum, operator.matmul, "matmul", "bmm", "mm",
           functional.scaled_dot_product_attention}  # fmt: skip
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
        ours = (QuantizedLayer, Add, nn.modules.batchnorm._BatchNorm, nn.ReLU, nn.ReLU6)
        return isinstance(m, ours) or super().is_leaf_module(m, module_qualified_name)


def graph_of(model: nn.Module) -> fx.Graph | str:
    """The graph of ``model``, or in a few words why there is none (control flow that depends on the data, say)."""
    try:
        return Tracer().trace(model)
    except Exception as error:  # whatever the user's own forward raises on symbolic values
        return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"


def foldable(model: nn.Module, graph: fx.Graph) -> dict[str, str]:
    """Name of each batch norm that could be folded → name of the convolution before it, whose only reader it is."""
    modules, found = dict(model.named_modules()), {}
    calls = [str(node.target) for node in graph.nodes if node.op == "call_module"]
    for node in graph.nodes:
        if node.op != "call_module" or not isinstance(modules[str(node.target)], nn.modules.batchnorm._BatchNorm):
            continue
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) != 1:
            continue
        norm, conv = str(node.target), str(before.target)
        once = calls.count(norm) == 1 and calls.count(conv) == 1
        if once and type(modules[conv]) in (nn.Conv1d, nn.Conv2d):
            found[norm] = conv
    return found


def functions(graph: fx.Graph) -> list[Converted]:
    """Rows of the conversion table for what the forward does without a module and low precision would change."""
    rows: dict[tuple[str, str], Converted] = {}
    for node in graph.nodes:
        if node.op not in ("call_function", "call_method") or node.target in _KEEP:
            continue
        inside = list((node.meta.get("nn_module_stack") or {"": None}).keys())[-1]
        word = _word(node.target)
        rows.setdefault((inside, word), Converted(f"{inside}.{word}()".lstrip("."), "function", "float", _why(node)))
    return list(rows.values())


def _why(node: fx.Node) -> str:
    target = node.target
    if target in _SUMS:
        two = sum(isinstance(argument, fx.Node) for argument in node.args) > 1
        return "the sum stays exact; the next layer quantizes it (lbt.nn.Add would be quantized)" if two else _NEXT
    if target in _PRODUCTS:
        return f"a product in float: write it as {_PRODUCTS[target]} to have it quantized"
    return "a product in float: it has no quantized form" if target in _MATRIX else _NEXT


_NEXT = "computed in float; the next layer quantizes its result"


def _word(target: Callable[..., Any] | str) -> str:
    return target if isinstance(target, str) else str(getattr(target, "__name__", target))
