"""A trained, quantized network as ONNX in QDQ form: QuantizeLinear/DequantizeLinear pairs around float operators.

Weights ride as int8 codes with their scale. ONNX's activation scales are constants, so they are taken from one batch of
data; a network whose recipe finds ranges per batch gives exactly its own output on that batch, and close to it on
others.
"""

from __future__ import annotations

import copy
import operator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from lbt.artifacts import atomic
from lbt.errors import LbtError
from lbt.kernels.quantize import quantize
from lbt.kernels.quantized import Quantized
from lbt.nn.context import context_of
from lbt.nn.conversion.tracing import Tracer
from lbt.nn.layers.base import QuantizedLayer
from lbt.nn.layers.flow import Add, Flow, flows
from lbt.nn.norms.folded_bn import FoldedBN
from lbt.nn.norms.integer_bn import IntegerBN
from lbt.numerics.formats import FormatBase
from lbt.numerics.formats.int import Int
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec

OPSET = 17


def export_onnx(model: nn.Module, path: str | Path, batch: Tensor) -> None:
    """Write ``model`` as ONNX QDQ.

    Input ``input`` (N, …) and output ``output`` are float32, N is free. Norms get their running statistics; one that is
    folded into a convolution is in its int8 weight.
    Stochastic rounding has no ONNX form: an activation rounded so in training is rounded to nearest.

    Args:
        model: a converted model (float layers in it stay float).
        path: the file to write.
        batch: float32 inputs that fix the activations' scales.

    Raises:
        LbtError: a layer or operation that has no ONNX form here, or a format other than symmetric integers of up to 8
            bits with one scale (weights: one scale, or one per output channel); names the layer.
    """
    import onnx

    context_of(model, "export_onnx")
    model = copy.deepcopy(model).eval()
    scales, output = _scales(model, batch)
    graph = _Graph(scales)
    values: dict[str, str] = {}
    traced = Tracer().trace(model)
    modules = dict(model.named_modules())
    for node in traced.nodes:
        if node.op == "placeholder":
            values[node.name] = "input"
        elif node.op == "output":
            graph.add("Identity", [values[node.args[0].name]], output="output")
        elif node.op == "call_module":
            name = str(node.target)
            inputs = [values[a.name] for a in node.args if isinstance(a, fx.Node)]
            entering, leaving = _flows(modules[name])
            inputs = [graph.flow(entering, inputs[0]), *inputs[1:]]
            values[node.name] = graph.flow(leaving, graph.module(name, modules[name], inputs))
        else:
            values[node.name] = graph.function(node, values)
    info = onnx.helper.make_tensor_value_info
    shape: list[Any] = ["N", *batch.shape[1:]]
    whole = onnx.helper.make_graph(
        graph.nodes,
        "lbt",
        [info("input", onnx.TensorProto.FLOAT, shape)],
        [info("output", onnx.TensorProto.FLOAT, ["N", *output[1:]])],
        graph.initializers,
    )
    made = onnx.helper.make_model(
        whole, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=8, producer_name="lbt"
    )
    onnx.checker.check_model(made)
    with atomic(path) as temporary:
        temporary.write_bytes(made.SerializeToString(deterministic=True))


def _scales(model: nn.Module, batch: Tensor) -> tuple[dict[str, float], torch.Size]:
    """Each activation's scale in an evaluation pass (a layer's input, or what a Flow writes); the output's shape."""
    found: dict[str, float] = {}

    def note(name: str, spec: RoleSpec, x: Tensor, limit: Tensor | None = None) -> None:
        nearest = spec.model_copy(update={"rounding": "nearest"})
        q = quantize(x, nearest, Key(layer=name, role="A"), running=None if limit is None else limit.clone())
        found[name] = float(single(q, spec, name, "A"))

    for name, module in model.named_modules():
        if isinstance(module, QuantizedLayer) and module.roles.A is not None:
            a, limit = module.roles.A, module.limits().get("A")
            module.register_forward_pre_hook(lambda m, x, n=name, a=a, lim=limit: note(n, a, x[0], lim))
        entering, leaving = _flows(module)
        if entering is not None:
            module.register_forward_pre_hook(lambda m, x, f=entering: note(f.name, f.a, x[0]), prepend=True)
        if leaving is not None:
            module.register_forward_hook(lambda m, x, y, f=leaving: note(f.name, f.a, y), prepend=True)
    with torch.no_grad():
        output = model(batch)
    return found, output.shape


def _flows(module: nn.Module) -> tuple[Flow | None, Flow | None]:
    """What quantizes the module's input, and its output, on the way forward."""
    found = [flow for flow in flows(module) if flow.a is not None]
    leaving = next((flow for flow in found if flow in module._forward_hooks.values()), None)
    return next((flow for flow in found if flow is not leaving), None), leaving


def single(q: Quantized, spec: RoleSpec, name: str, role: str) -> Tensor:
    """The one scale of a tensor in a format that QDQ can write."""
    form = spec.format
    if not (_writable(form) and q.scale.numel() == 1):
        raise LbtError(
            f"layer {name!r}, role {role}: found {spec}; ONNX export accepts symmetric integers of 2 to 8 bits with "
            "one scale per tensor (weights: also per channel)"
        )
    return q.scale.flatten()[0]


def _writable(form: FormatBase) -> bool:
    return isinstance(form, Int) and form.symmetric and 2 <= form.bits <= 8


class _Graph:
    """Nodes and constants so far; every method returns the name of what it computes."""

    def __init__(self, scales: dict[str, float]) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.scales = scales

    def add(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        import onnx

        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, inputs, [output], name=f"node_{len(self.nodes)}", **attributes))
        return output

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        import onnx

        name = f"{name}_{len(self.initializers)}"
        self.initializers.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value, dtype=dtype), name))
        return name

    def quantized(self, x: str, name: str, spec: RoleSpec) -> str:
        """QuantizeLinear and DequantizeLinear; codes reach the format's limit and no further."""
        scale, top = self.scales[name], spec.format.largest
        step, zero = self.constant(f"{name}.scale", scale), self.constant("zero", 0, np.int8)
        ends = [self.constant("limit", np.float32(end) * np.float32(scale)) for end in (-top, top)]
        codes = self.add("QuantizeLinear", [self.add("Clip", [x, *ends]), step, zero])
        return self.add("DequantizeLinear", [codes, step, zero])

    def flow(self, flow: Flow | None, x: str) -> str:
        """What a converted norm, pool or addition does to its input or output."""
        return x if flow is None or flow.a is None else self.quantized(x, flow.name, flow.a)

    def weight(self, name: str, module: QuantizedLayer, weight: Tensor) -> str:
        """The weight's codes, dequantized; float32 where the recipe leaves it so."""
        spec = module.roles.W
        if spec is None:
            return self.constant(f"{name}.weight", weight.float().numpy())
        q = quantize(weight, spec, Key(layer=name, role="W"))
        per_channel = spec.granularity == "channel" and q.scale.shape == (weight.shape[0], 1)
        if not per_channel:
            single(q, spec, name, "W")
        elif not _writable(spec.format):
            raise LbtError(f"layer {name!r}, role W: found {spec}; ONNX export accepts integers of up to 8 bits")
        scale = q.scale.flatten().numpy() if per_channel else q.scale.flatten()[0].numpy()
        codes = self.constant(f"{name}.weight", q.in_shape(q.codes).numpy(), np.int8)
        step = self.constant(f"{name}.weight_scale", scale)
        zero = self.constant("zero", np.zeros_like(scale), np.int8)
        if per_channel:
            return self.add("DequantizeLinear", [codes, step, zero], axis=0)
        return self.add("DequantizeLinear", [codes, step, zero])

    def module(self, name: str, m: nn.Module, inputs: list[str]) -> str:
        """The operators of one module."""
        x = inputs[0]
        if isinstance(m, IntegerBN):
            raise LbtError(
                f"layer {name!r}: integer_bn computes in fixed point with a unit found from the data, which has no "
                "ONNX form; export a model with another norm (its state dict loads there)"
            )
        if isinstance(m, FoldedBN) and m.inside:
            return x  # the weight of the convolution before it has it
        if isinstance(m, (nn.Conv1d, nn.Conv2d, nn.Linear)):
            w, b = m.weight.detach(), None if m.bias is None else m.bias.detach()
            if isinstance(m, QuantizedLayer):
                if m.folded:
                    w, b = (tensor.detach() for tensor in m.folded[0].fold(w, b))
                x = x if m.roles.A is None else self.quantized(x, name, m.roles.A)
                weight = self.weight(name, m, w)
            else:
                weight = self.constant(f"{name}.weight", w.float().numpy())
            bias = [] if b is None else [self.constant(f"{name}.bias", b.float().numpy())]
            if isinstance(m, nn.Linear):
                return self.add("Gemm", [x, weight, *bias], transB=1)
            if m.padding_mode != "zeros" or isinstance(m.padding, str):
                raise LbtError(f"layer {name!r}: padding {m.padding!r}, {m.padding_mode}; ONNX export accepts zeros")
            return self.add(
                "Conv",
                [x, weight, *bias],
                strides=m.stride,
                pads=[*m.padding, *m.padding],
                dilations=m.dilation,
                group=m.groups,
            )
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            if m.running_mean is None or m.running_var is None:
                raise LbtError(f"layer {name!r}: a norm without running statistics has no ONNX form")
            weight_, bias_ = (torch.full_like(m.running_mean, v) if p is None else p.detach()
                              for p, v in ((m.weight, 1.0), (m.bias, 0.0)))  # fmt: skip
            four = (weight_, bias_, m.running_mean, m.running_var)
            names = [self.constant(f"{name}.norm", v.float().numpy()) for v in four]
            return self.add("BatchNormalization", [x, *names], epsilon=m.eps)
        match m:
            case nn.ReLU():
                return self.add("Relu", [x])
            case nn.ReLU6():
                return self.add("Clip", [x, self.constant("low", 0), self.constant("high", 6)])
            case nn.MaxPool2d(dilation=1, ceil_mode=False):
                return self.add("MaxPool", [x], **_window(m))
            case nn.AvgPool2d(ceil_mode=False, divisor_override=None):
                return self.add("AveragePool", [x], count_include_pad=int(m.count_include_pad), **_window(m))
            case nn.AdaptiveAvgPool2d(output_size=(1 | (1, 1))):
                return self.add("GlobalAveragePool", [x])
            case nn.Flatten(start_dim=1, end_dim=-1):
                return self.add("Flatten", [x])
            case nn.Identity() | nn.Dropout():
                return x
            case Add():
                return self.add("Add", inputs)
        raise LbtError(f"layer {name!r}: {m} has no ONNX form in lbt")

    def function(self, node: fx.Node, values: dict[str, str]) -> str:
        """The operator of a function or method in the model's own forward."""
        inputs = [values[a.name] for a in node.args if isinstance(a, fx.Node)]
        rest = [a for a in node.args if not isinstance(a, fx.Node)]
        match node.target, rest:
            case ((operator.add | torch.add | operator.iadd), []):
                return self.add("Add", inputs)
            case ((torch.relu | functional.relu | "relu"), []):
                return self.add("Relu", inputs)
            case ((torch.flatten | "flatten"), [1]):
                return self.add("Flatten", inputs)
            case (("mean" | torch.mean), [[2, 3] | (2, 3) | [-2, -1] | (-2, -1)]):
                return self.add("Flatten", [self.add("GlobalAveragePool", inputs)])
            case functional.adaptive_avg_pool2d, [1 | (1, 1)]:
                return self.add("GlobalAveragePool", inputs)
        name = getattr(node.target, "__name__", node.target)
        raise LbtError(f"{name}{tuple(rest)} in the model's forward has no ONNX form in lbt (node {node.name!r})")


def _window(m: nn.MaxPool2d | nn.AvgPool2d) -> dict[str, Any]:
    """Kernel, strides and pads of a pooling module."""
    kernel, stride, padding = ((v, v) if isinstance(v, int) else v for v in (m.kernel_size, m.stride, m.padding))
    return {"kernel_shape": kernel, "strides": stride, "pads": [*padding, *padding]}
