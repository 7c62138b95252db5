"""One evaluation of the model along its graph: every value, and the scale of every activation in every call."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from lbt.errors import LbtError
from lbt.kernels.kernel import Kernel
from lbt.kernels.quantize import quantize
from lbt.nn.conversion.kinds import own_forward
from lbt.nn.conversion.tracing import Tracer, pair_site_of, site_of
from lbt.nn.inputs import Inputs
from lbt.nn.layers.base import QuantizedLayer
from lbt.nn.layers.flow import Flow, flows
from lbt.nn.layers.functions import Functional, inside
from lbt.nn.layers.pairs import SECOND
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec
from lbt.qdq.graph import single
from lbt.recipe import Roles


class ExportTracer(Tracer):
    """Looks into batch norms with a forward of their own."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        norm = isinstance(m, nn.modules.batchnorm._BatchNorm)
        return not (norm and own_forward(m)) and super().is_leaf_module(m, module_qualified_name)


def traced(model: nn.Module, batch: Inputs) -> tuple[fx.GraphModule, dict[str, Tensor]]:
    """The graph of ``model`` for the arguments ``batch``, and its inputs by name.

    Raises:
        LbtError: it cannot be traced, or an argument is no tensor.
    """
    parameters = inspect.signature(model.forward).parameters
    if isinstance(batch, Mapping):
        given = dict(batch)
    else:
        values = batch if isinstance(batch, (tuple, list)) else (batch,)
        given = dict(zip(parameters, values, strict=False))
    wrong = [name for name, value in given.items() if not isinstance(value, Tensor)]
    if wrong:
        raise LbtError(f"export_onnx: argument {wrong[0]!r}: found {type(given[wrong[0]]).__name__}; accepted: tensors")
    fixed = {name: p.default for name, p in parameters.items()
             if name not in given and p.default is not inspect.Parameter.empty}  # fmt: skip
    try:
        graph = ExportTracer().trace(model, concrete_args=fixed)
    except Exception as error:  # whatever the user's own forward raises on symbolic values
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise LbtError(f"export_onnx: {type(model).__name__} cannot be traced ({reason})") from None
    for node in list(graph.nodes):  # what tracing asserts of fixed arguments, and what the model asserts of sizes
        if node.op == "call_function" and node.target in (torch._assert, fx._symbolic_trace._assert_is_none):
            condition = node.args[0]
            graph.erase_node(node)
            if isinstance(condition, fx.Node) and condition.op == "call_function" and not condition.users:
                graph.erase_node(condition)
    known = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    for node in graph.nodes:
        node.meta["parameter"] = node.op == "get_attr" and str(node.target) in known
    return fx.GraphModule(model, graph), given


class Evaluation(fx.Interpreter):
    """Runs a graph once.

    Attributes:
        values: of every node.
        scales: by node and layer, the scale of an activation that is quantized in that call.
        pairs: by node and part of the function, name and format of a product of two activations.
    """

    def __init__(self, module: fx.GraphModule, model: nn.Module) -> None:
        super().__init__(module, garbage_collect_values=False)
        self.model, self.values = model, dict[str, Any]()
        self.scales: dict[tuple[str, str], float] = {}
        self.pairs: dict[tuple[str, str], tuple[str, RoleSpec]] = {}
        self.node = ""
        for name, layer in model.named_modules():
            self._watch(name, layer)
        context = model.__dict__.get("lbt")
        if context is not None:
            context.watch = self._see_function

    def run_node(self, n: fx.Node) -> Any:
        """The value of one node; functions are run as those of the module that they are in."""
        self.node = n.name
        site = site_of(n) or pair_site_of(n)
        owner = None if site is None else self.model.get_submodule(site.rpartition(".")[0])
        if isinstance(owner, Functional):
            with inside(owner):
                value = super().run_node(n)
        else:
            value = super().run_node(n)
        # a copy: what follows may change it in place
        self.values[n.name] = value.detach().clone() if isinstance(value, Tensor) else value
        return value

    def _see_function(self, name: str, roles: Roles, x: Tensor, w: Tensor, _: Tensor, kernel: Kernel) -> None:
        if roles.A is None:
            return
        self._note(name, roles.A, x)
        if kernel.right != "W":
            self._note(name + SECOND, roles.A, w)
            self.pairs[self.node, name.rpartition(")")[2].lstrip(".")] = name, roles.A

    def _note(self, name: str, spec: RoleSpec, x: Tensor, limit: Tensor | None = None) -> None:
        if spec.rotate is not None:
            raise LbtError(f"layer {name!r}, role A: found {spec}; ONNX export accepts no rotation")
        nearest = spec.model_copy(update={"rounding": "nearest"})
        q = quantize(x, nearest, Key(layer=name, role="A"), running=None if limit is None else limit.clone())
        self.scales[self.node, name] = float(single(q, spec, name, "A"))

    def _watch(self, name: str, module: nn.Module) -> None:
        if isinstance(module, QuantizedLayer) and module.roles.A is not None:
            a, limit = module.roles.A, module.limits().get("A")
            module.register_forward_pre_hook(
                lambda m, x, k: self._note(name, a, next(iter((*x, *k.values()))), limit), with_kwargs=True
            )
        entering, leaving = sides(module)
        if entering is not None and entering.a is not None:
            before, spec = entering, entering.a
            module.register_forward_pre_hook(lambda m, x: self._note(before.name, spec, x[0]), prepend=True)
        if leaving is not None and leaving.a is not None:
            after, a = leaving, leaving.a
            module.register_forward_hook(lambda m, x, y: self._note(after.name, a, y), prepend=True)


def sides(module: nn.Module) -> tuple[Flow | None, Flow | None]:
    """The hooks that quantize the module's input, and its output, on the way forward."""
    found = [flow for flow in flows(module) if flow.a is not None]
    leaving = next((flow for flow in found if flow in module._forward_hooks.values()), None)
    return next((flow for flow in found if flow is not leaving), None), leaving


def evaluated(model: nn.Module, batch: Inputs) -> tuple[fx.GraphModule, Evaluation, dict[str, Tensor]]:
    """The graph, its values on ``batch``, and its inputs by name.

    Raises:
        LbtError: an activation's format has no ONNX form, or see :func:`traced`.
    """
    graph, given = traced(model, batch)
    run = Evaluation(graph, model)
    placeholders = [str(node.target) for node in graph.graph.nodes if node.op == "placeholder"]
    with torch.no_grad():
        run.run(*(given.get(name) for name in placeholders))
    return graph, run, {name: given[name] for name in placeholders if name in given}
