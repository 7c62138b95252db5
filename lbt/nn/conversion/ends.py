"""The first and the last layers of a network, in the order in which a forward runs them."""

from __future__ import annotations

from torch import fx, nn

from lbt.nn.conversion.kinds import is_product
from lbt.nn.conversion.tracing import graph_of, site_of

Ends = tuple[frozenset[str], frozenset[str]]


def ends(model: nn.Module) -> Ends:
    """Names of the first and of the last products of ``model``, a float model.

    First are those whose input no other product has touched, last those whose output reaches no other: every head of
    several is last. A model that cannot be traced has its products in the order of registration.
    """
    graph = graph_of(model)
    return ends_of(model, graph if isinstance(graph, fx.Graph) else None)


def ends_of(model: nn.Module, graph: fx.Graph | None) -> Ends:
    """:func:`ends` from the model's graph, or without one."""
    if is_product(model):
        return frozenset({""}), frozenset({""})
    modules = dict(model.named_modules())
    first, last = set[str](), set[str]()
    if graph is not None:
        names = {node: name for node in graph.nodes if (name := _product(node, modules)) is not None}
        after = set[fx.Node]()  # nodes that a product has touched
        for node in graph.nodes:
            touched = any(before in after for before in node.all_input_nodes)
            if node in names and not touched:
                first.add(names[node])
            if touched or node in names:
                after.add(node)
        before = set[fx.Node]()  # nodes that reach a product
        for node in reversed(graph.nodes):
            reaches = any(user in before or user in names for user in node.users)
            if node in names and not reaches:
                last.add(names[node])
            if reaches:
                before.add(node)
    if not first:
        registered = [name for name, module in modules.items() if is_product(module)]
        first, last = set(registered[:1]), set(registered[-1:])
    return frozenset(first), frozenset(last)


def _product(node: fx.Node, modules: dict[str, nn.Module]) -> str | None:
    if node.op == "call_module":
        module = modules[str(node.target)]
        return str(node.target) if is_product(module) or isinstance(module, nn.MultiheadAttention) else None
    return site_of(node)
