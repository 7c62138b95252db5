"""The operators of one module."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lbt.errors import LbtError
from lbt.nn.conversion.kinds import is_batch_norm, own_forward
from lbt.nn.layers.attention import QMultiheadAttention
from lbt.nn.layers.base import QuantizedLayer
from lbt.nn.layers.flow import Add
from lbt.nn.layers.functions import site_roles
from lbt.nn.norms.folded_bn import FoldedBN
from lbt.nn.norms.integer_bn import IntegerBN
from lbt.qdq import functions
from lbt.qdq.graph import Graph, Unknown, Value


def write(g: Graph, name: str, m: nn.Module, inputs: list[Value]) -> str:
    """Write ``m``, called ``name``, on ``inputs``.

    Raises:
        LbtError: it has no ONNX form here.
    """
    x = inputs[0].name
    if isinstance(m, IntegerBN):
        raise LbtError(
            f"layer {name!r}: integer_bn computes in fixed point with a unit found from the data, which has no "
            "ONNX form; export a model with another norm (its state dict loads there)"
        )
    if isinstance(m, FoldedBN) and m.inside:
        return x  # the weight of the convolution before it has it
    if not isinstance(m, (QuantizedLayer, QMultiheadAttention)) and (why := own_forward(m)):
        raise LbtError(f"layer {name!r}: {why}, which has no ONNX form in lbt")
    if isinstance(m, QMultiheadAttention):
        return _attention(g, name, m, inputs)
    if isinstance(m, (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.Linear)):
        return _product(g, name, m, inputs[0])
    if is_batch_norm(m):
        if m.running_mean is None or m.running_var is None:
            raise LbtError(f"layer {name!r}: a norm without running statistics has no ONNX form")
        return functions.batch_norm(g, inputs[0], m.running_mean, m.running_var, m.weight, m.bias, eps=m.eps)  # type: ignore[arg-type]
    try:
        return _other(g, m, inputs)
    except Unknown:
        shown = type(m).__name__ if list(m.children()) else m
        raise LbtError(f"layer {name!r}: {shown} has no ONNX form in lbt") from None


def _product(g: Graph, name: str, m: Any, value: Value) -> str:
    x = value.name
    w, b = m.weight.detach(), None if m.bias is None else m.bias.detach()
    if isinstance(m, QuantizedLayer):
        if m.folded:
            w, b = (tensor.detach() for tensor in m.folded[0].fold(w, b))
        x = x if m.roles.A is None else g.quantized(x, name, m.roles.A)
        weight = g.weight(name, m.roles.W, w, m.limits().get("W"))
    else:
        weight = g.constant(f"{name}.weight", w.float().numpy())
    bias = None if b is None else g.constant(f"{name}.bias", b.float().numpy())
    if isinstance(m, nn.Linear):
        return g.linear(x, value.shape, weight, bias)
    if m.padding_mode != "zeros":
        raise LbtError(f"layer {name!r}: padding {m.padding!r}, {m.padding_mode}; ONNX export accepts zeros")
    if value.example.dim() != len(m.kernel_size) + 2:
        raise LbtError(f"layer {name!r}: an input without a batch dimension has no ONNX form in lbt")
    how = {"strides": m.stride, "dilations": m.dilation, "group": m.groups}
    both = [x, weight, *([] if bias is None else [bias])]
    if m.transposed:
        return g.add("ConvTranspose", both, pads=[*m.padding, *m.padding], output_padding=m.output_padding, **how)
    sides = m._reversed_padding_repeated_twice  # last dimension first, (before, after)
    return g.add("Conv", both, pads=[*sides[::2][::-1], *sides[1::2][::-1]], **how)


def _attention(g: Graph, name: str, m: QMultiheadAttention, inputs: list[Value]) -> str:
    """Self-attention, batch first, without a mask."""
    x = inputs[0]
    if len(inputs) != 3 or {value.name for value in inputs} != {x.name} or not m.batch_first or x.example.dim() != 3:
        raise LbtError(f"layer {name!r}: ONNX export accepts self-attention, batch first, without masks")
    site = f"{name}.in_proj"
    roles, _ = site_roles(m.__dict__["lbt"], site)
    length, shape = x.shape[1], (m.num_heads, m.head_dim)
    codes = x.name if roles is None or roles.A is None else g.quantized(x.name, site, roles.A)
    weight = g.weight(site, None if roles is None else roles.W, m.in_proj_weight.detach())
    bias = None if m.in_proj_bias is None else g.operand(m.in_proj_bias)
    y = g.add("Reshape", [g.linear(codes, x.shape, weight, bias), g.ints([0, length, 3, *shape])])
    y = g.add("Transpose", [y], perm=[2, 0, 3, 1, 4])
    example = x.example.new_zeros(len(x.example), m.num_heads, length, m.head_dim)
    packed = Value(y, x.example.new_zeros(3, *example.shape))
    q, k, v = (Value(part, example) for part in functions.unbind(g, packed, 0))
    y = g.add("Transpose", [functions.attention(g, q, k, v)], perm=[0, 2, 1, 3])
    y = g.add("Reshape", [y, g.ints([0, length, m.embed_dim])])
    return _product(g, f"{name}.out_proj", m.out_proj, Value(y, x.example))


def _other(g: Graph, m: nn.Module, inputs: list[Value]) -> str:
    x = inputs[0]
    match m:
        case nn.MaxPool1d(dilation=1) | nn.MaxPool2d(dilation=1) if _whole(m, x):
            return g.add("MaxPool", [x.name], **_window(m, x))
        case nn.AvgPool1d() | nn.AvgPool2d(divisor_override=None) if _whole(m, x):
            return g.add("AveragePool", [x.name], count_include_pad=int(m.count_include_pad), **_window(m, x))
        case nn.AdaptiveAvgPool1d() | nn.AdaptiveAvgPool2d():
            return functions.adaptive_avg_pool(g, x, m.output_size)
        case nn.Flatten():
            return functions.flatten(g, x, m.start_dim, m.end_dim)
        case nn.Identity() | nn.Dropout() | nn.Dropout1d() | nn.Dropout2d():
            return x.name
        case Add():
            return functions.add(g, *inputs)
        case nn.Embedding(max_norm=None):
            return g.add("Gather", [g.constant("table", m.weight.detach().float().numpy()), x.name])
        case nn.LayerNorm():
            return functions.layer_norm(g, x, m.normalized_shape, m.weight, m.bias, m.eps)
        case nn.GroupNorm():
            return functions.group_norm(g, x, m.num_groups, m.weight, m.bias, m.eps)
        case nn.ReLU() | nn.ReLU6() | nn.Sigmoid() | nn.Tanh() | nn.SiLU() | nn.Hardswish() | nn.Hardsigmoid():
            return functions.activation(g, _plain(m), x)
        case nn.GELU():
            return functions.gelu(g, x, m.approximate)
        case nn.LeakyReLU():
            return g.add("LeakyRelu", [x.name], alpha=m.negative_slope)
        case nn.PReLU():
            slope: Tensor = m.weight.detach().float()
            shape = (-1, *(1,) * (x.example.dim() - 2))
            return g.add("PRelu", [x.name, g.constant("slope", slope.view(shape).numpy())])
        case nn.Softmax():
            return functions.softmax(g, x, m.dim)
        case nn.ZeroPad2d() | nn.ConstantPad2d():
            return functions.pad(g, x, m.padding, "constant", getattr(m, "value", 0.0))
    raise Unknown


def _plain(m: nn.Module) -> str:
    kinds = (nn.ReLU6, nn.ReLU, nn.Sigmoid, nn.Tanh, nn.SiLU, nn.Hardswish, nn.Hardsigmoid)
    return next(kind.__name__.lower() for kind in kinds if isinstance(m, kind))


def _whole(m: Any, x: Value) -> bool:
    """True if the windows of a pooling module end where its input does, or it leaves out the rest."""
    window = _window(m, x)
    each = zip(x.shape[2:], window["kernel_shape"], window["strides"], window["pads"], strict=False)
    return not m.ceil_mode or all((size + 2 * pad - kernel) % stride == 0 for size, kernel, stride, pad in each)


def _window(m: Any, x: Value) -> dict[str, Any]:
    """Kernel, strides and pads of a pooling module."""
    dims = x.example.dim() - 2
    three = ((v,) * dims if isinstance(v, int) else tuple(v) for v in (m.kernel_size, m.stride, m.padding))
    kernel, stride, padding = three
    return {"kernel_shape": kernel, "strides": stride or kernel, "pads": [*padding, *padding]}
