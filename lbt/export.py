"""A trained, quantized network as ONNX in QDQ form: QuantizeLinear/DequantizeLinear pairs around float operators.

Weights ride as int8 codes with their scale. ONNX's activation scales are constants, so they are taken from one batch of
data; a network whose recipe finds ranges per batch gives exactly its own output on that batch, and close to it on
others.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import getitem as operator_getitem
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from lbt.artifacts import atomic
from lbt.errors import LbtError
from lbt.nn.context import context_of
from lbt.nn.conversion.tracing import site_of
from lbt.nn.copies import copied
from lbt.nn.inputs import Inputs, call, tensors
from lbt.nn.layers.functions import site_roles
from lbt.qdq import functions, modules
from lbt.qdq.graph import Graph, Unknown, Value
from lbt.qdq.trace import Evaluation, evaluated, sides

OPSET = 17
TOLERANCE = 0.1
"""Largest relative difference (of norms) between the file's output and the model's. Codes at a rounding boundary may
part by one; another function is far beyond."""


def export_onnx(model: nn.Module, path: str | Path, batch: Inputs) -> None:
    """Write ``model`` as ONNX QDQ.

    One input is called ``input``, several as the forward's arguments; outputs are ``output``, ``output_1``, … The first
    dimension N is free. Norms get their running statistics; one that is folded into a convolution is in its weight.
    Stochastic rounding has no ONNX form: an activation rounded so in training is rounded to nearest. Where onnxruntime
    is installed, the file is run on ``batch`` before it gets its name, and must compute what the model does.

    Args:
        model: a converted model (float layers in it stay float).
        path: the file to write.
        batch: arguments that fix the activations' scales: a tensor, a tuple, or a mapping by name.

    Raises:
        LbtError: the model cannot be traced; a layer or operation that has no ONNX form here, or a format other than
            symmetric integers of up to 8 bits with one scale (weights: one scale, or one per output channel), names the
            layer; or the file would compute something else.
    """
    import onnx

    context_of(model, "export_onnx")
    model = copied(model, "export_onnx").eval()
    traced, run, given = evaluated(copied(model, "export_onnx"), batch)
    names = {name: "input" if len(given) == 1 else name for name in given}
    graph = Graph(run.scales, run.pairs)
    results = _write(graph, traced, run, names)
    info, kinds = onnx.helper.make_tensor_value_info, {True: onnx.TensorProto.FLOAT, False: onnx.TensorProto.INT64}

    def entry(name: str, x: Tensor) -> Any:
        return info(name, kinds[x.is_floating_point()], ["N", *x.shape[1:]])

    whole = onnx.helper.make_graph(
        graph.nodes,
        "lbt",
        [entry(names[name], x) for name, x in given.items()],
        [entry(name, x.example) for name, x in results.items()],
        graph.initializers,
    )
    made = onnx.helper.make_model(
        whole, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=8, producer_name="lbt"
    )
    onnx.checker.check_model(made)
    content = made.SerializeToString(deterministic=True)
    _check(content, {names[name]: x for name, x in given.items()}, *expected_of(model, batch))
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def _write(graph: Graph, traced: fx.GraphModule, run: Evaluation, names: dict[str, str]) -> dict[str, Value]:
    """Write every node that depends on an input; returns the outputs."""
    env: dict[fx.Node, Any] = {}
    varies, sized = set[fx.Node](), set[fx.Node]()
    for node in traced.graph.nodes:
        example = run.values[node.name]
        env[node] = example  # numbers, and tensors that no input changes, are constants
        graph.node = node.name
        if node.op == "placeholder":
            if str(node.target) in names:
                varies.add(node)
                env[node] = Value(names[str(node.target)], example)
        elif node.op == "output":
            return _outputs(graph, fx.node.map_arg(node.args[0], lambda n: env[n]))
        elif any(before in varies for before in node.all_input_nodes):
            if next(tensors(example), None) is None:
                sized.add(node)  # a size of an input
                continue
            varies.add(node)
            arguments = fx.node.map_arg((node.args, node.kwargs), lambda n: env[n])
            env[node] = _valued(_node(graph, node, run, *arguments), example)
        elif any(before in sized for before in node.all_input_nodes):
            sized.add(node)
            if isinstance(example, Tensor):
                varies.add(node)
                env[node] = _repeated(graph, node, example, next(iter(names.values())))
    raise AssertionError("a graph without output")


def _repeated(graph: Graph, node: fx.Node, example: Tensor, source: str) -> Value:
    """A tensor that is the same for every sample, as often as there are samples."""
    if not torch.equal(example, example[:1].expand(example.shape)):
        raise LbtError(f"node {node.name!r} depends on the size of the batch, which has no ONNX form in lbt")
    count = graph.add("Slice", [graph.add("Shape", [source]), graph.ints([0]), graph.ints([1])])
    shape = graph.add("Concat", [count, graph.ints([1] * (example.dim() - 1))], axis=0)
    return Value(graph.add("Expand", [graph.operand(example[:1]), shape]), example)


def _node(graph: Graph, node: fx.Node, run: Evaluation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if node.op == "call_module":
        name = str(node.target)
        module = run.model.get_submodule(name)
        inputs = [value for value in (*args, *kwargs.values()) if isinstance(value, Value)]
        entering, leaving = sides(module)
        if entering is not None and entering.a is not None:
            inputs[0] = Value(graph.quantized(inputs[0].name, entering.name, entering.a), inputs[0].example)
        result = modules.write(graph, name, module, inputs)
        return result if leaving is None or leaving.a is None else graph.quantized(result, leaving.name, leaving.a)
    if node.target is operator_getitem and not isinstance(args[0], Value):
        return args[0][args[1]].name
    if (node.op, *args[1:2]) == ("call_function", "T") and node.target is getattr:
        return functions.transpose(graph, args[0], 0, 1)
    site = site_of(node)
    if site is not None and (node.name, site) in graph.scales:
        return _product(graph, site, run, node, args, kwargs)
    write = functions.FUNCTIONS.get(node.target)
    try:
        if write is None:
            raise Unknown
        return write(graph, *args, **kwargs)
    except (Unknown, TypeError, AttributeError):
        word = getattr(node.target, "__name__", node.target)
        given = fx.node.map_arg((node.args, node.kwargs), lambda n: n.name)
        text = ", ".join([*map(str, given[0][1:]), *(f"{k}={v}" for k, v in given[1].items())])
        text = f"{word}({text[:80]}) in the model's forward has no ONNX form in lbt (node {node.name!r})"
        raise LbtError(text) from None


def _product(
    graph: Graph, site: str, run: Evaluation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> str:
    """A quantized product by a function."""
    roles, _ = site_roles(run.model.__dict__["lbt"], site)
    word = site.rpartition(".")[2]
    if roles is None or roles.A is None or word not in ("linear()", "matmul(weight)", "conv2d()"):
        raise LbtError(f"{site}: a quantized {word} has no ONNX form in lbt")
    x, weight, *rest = (*args, *kwargs.values())
    if not isinstance(weight, Tensor):
        raise LbtError(f"{site}: a weight that depends on the input has no ONNX form in lbt")
    quantized = graph.quantized(x.name, site, roles.A)
    if word == "matmul(weight)":
        return graph.linear(quantized, x.shape, graph.weight(site, roles.W, weight.t().contiguous()), None)
    bias = rest[0] if rest and isinstance(rest[0], Tensor) else None
    b = None if bias is None else graph.constant(f"{site}.bias", bias.float().numpy())
    if word == "linear()":
        return graph.linear(quantized, x.shape, graph.weight(site, roles.W, weight), b)
    named = dict(zip(("stride", "padding", "dilation", "groups"), rest[1:], strict=False)) | {
        k: v for k, v in kwargs.items() if k in ("stride", "padding", "dilation", "groups")}  # fmt: skip
    pair = {k: (v, v) if isinstance(v, int) else tuple(v) for k, v in named.items() if k != "groups"}
    padding = pair.get("padding", (0, 0))
    return graph.add(
        "Conv", [quantized, graph.weight(site, roles.W, weight), *([] if b is None else [b])],
        strides=pair.get("stride", (1, 1)), pads=[*padding, *padding], dilations=pair.get("dilation", (1, 1)),
        group=named.get("groups", 1),
    )  # fmt: skip


def _valued(result: Any, example: Any) -> Any:
    """The names that a node's result got, with the example's tensors."""
    if isinstance(result, str):
        return Value(result, example) if isinstance(example, Tensor) else (Value(result, example[0]), *example[1:])
    return tuple(Value(name, x) for name, x in zip(result, example, strict=True))


def _outputs(graph: Graph, result: Any) -> dict[str, Value]:
    """Name every floating-point tensor that the model returns."""
    found: list[Value] = []

    def collect(part: Any) -> None:
        if isinstance(part, Value):
            found.append(part)
        elif isinstance(part, dict):
            for one in part.values():
                collect(one)
        elif isinstance(part, (tuple, list)):
            for one in part:
                collect(one)

    collect(result)
    if not found:
        raise LbtError("export_onnx: the model returns no tensor that depends on its input")
    named = {}
    for index, value in enumerate(found):
        name = "output" if index == 0 else f"output_{index}"
        graph.add("Identity", [value.name], output=name)
        named[name] = value
    return named


def expected_of(model: nn.Module, batch: Inputs) -> tuple[list[Tensor], float]:
    """The model's results, and how far they move when the inputs change by a rounding error."""

    def run(inputs: Any) -> list[Tensor]:
        return [x for x in tensors(call(model, inputs)) if x.is_floating_point()]

    def moved(x: Any) -> Any:
        return x * (1 + 2.0**-20) if isinstance(x, Tensor) and x.is_floating_point() else x

    with torch.no_grad():
        expected = run(batch)
        near: Any = moved(batch)
        if isinstance(batch, Mapping):
            near = {name: moved(x) for name, x in batch.items()}
        elif isinstance(batch, (tuple, list)):
            near = [moved(x) for x in batch]
        return expected, max((apart(a, b) for a, b in zip(run(near), expected, strict=True)), default=0.0)


def apart(found: Tensor, wanted: Tensor) -> float:
    """The relative difference of two tensors, by their norms."""
    return float((found - wanted).norm() / wanted.norm().clamp_min(1e-20))


def room(own: float) -> float:
    """Largest relative difference that is accepted: :data:`TOLERANCE`, or more where codes that part by one spread.

    Args:
        own: how far the model's own output moves when its inputs change by a rounding error.
    """
    return min(max(TOLERANCE, 4 * own), 0.5)


def _check(content: bytes, given: dict[str, Tensor], expected: list[Tensor], own: float) -> None:
    """Run the file once: the model's output, and the first sample's own when it comes alone."""
    most = room(own)
    try:
        import onnxruntime
    except ImportError:
        import warnings

        warnings.warn("onnxruntime is not installed: the exported file was not run", stacklevel=3)
        return
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        whole = session.run(None, {name: x.numpy() for name, x in given.items()})
        alone = session.run(None, {name: x[:1].numpy() for name, x in given.items()})
    except Exception as error:  # onnxruntime's own classes
        reason = " ".join(str(error).split())[:200]
        raise LbtError(f"export_onnx: onnxruntime refuses the file ({reason})") from None
    for found, first, wanted in zip(whole, alone, expected, strict=False):
        difference = apart(torch.from_numpy(found), wanted)
        if not difference < most:
            raise LbtError(
                f"export_onnx: the file computes something else than the model on the batch: relative difference "
                f"{difference:.2g}; accepted: below {most:.2g}"
            )
        if len(found) == len(next(iter(given.values()))):
            alike = apart(torch.from_numpy(first), torch.from_numpy(found[:1]))
            if not alike < most:
                raise LbtError(f"export_onnx: a sample alone gives another output (relative difference {alike:.2g})")
