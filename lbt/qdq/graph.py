"""The ONNX graph under construction: nodes, constants, and quantized tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lbt.errors import LbtError
from lbt.kernels.quantize import quantize
from lbt.kernels.quantized import Quantized
from lbt.nn.layers.pairs import SECOND
from lbt.numerics.formats import FormatBase
from lbt.numerics.formats.int import Int
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec


@dataclass(frozen=True)
class Value:
    """A tensor of the graph.

    Attributes:
        name: in the ONNX graph.
        example: what it is for the batch that export was given.
    """

    name: str
    example: Tensor

    @property
    def shape(self) -> torch.Size:
        """The example's shape; its first number is the batch's wherever the batch comes first."""
        return self.example.shape


class Unknown(Exception):
    """A combination of arguments that has no ONNX form here."""


def _writable(form: FormatBase) -> bool:
    return isinstance(form, Int) and form.symmetric and 2 <= form.bits <= 8


def single(q: Quantized, spec: RoleSpec, name: str, role: str) -> Tensor:
    """The one scale of a tensor in a format that QDQ can write."""
    form = spec.format
    if not (_writable(form) and q.scale.numel() == 1):
        raise LbtError(
            f"layer {name!r}, role {role}: found {spec}; ONNX export accepts symmetric integers of 2 to 8 bits with "
            "one scale per tensor (weights: also per channel)"
        )
    return q.scale.flatten()[0]


class Graph:
    """Nodes and constants so far.

    Attributes:
        scales: by FX node and layer, the scale of an activation in that call.
        pairs: by FX node and part of the function, name and format of a product of two activations.
        node: name of the FX node that is being written.
    """

    def __init__(
        self, scales: dict[tuple[str, str], float], pairs: dict[tuple[str, str], tuple[str, RoleSpec]]
    ) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.scales, self.pairs, self.node = scales, pairs, ""

    def add(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """A node; returns the name of its result."""
        import onnx

        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, inputs, [output], name=f"node_{len(self.nodes)}", **attributes))
        return output

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        """An initializer; returns its name."""
        import onnx

        name = f"{name}_{len(self.initializers)}"
        self.initializers.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value, dtype=dtype), name))
        return name

    def operand(self, value: Any) -> str:
        """The name of a tensor of the graph, or of a constant for a number or a tensor that does not depend on it."""
        if isinstance(value, Value):
            return value.name
        if isinstance(value, Tensor):
            own = value.detach()
            return self.constant("constant", own.numpy(), np.float32 if own.is_floating_point() else np.int64)
        return self.constant("number", value)

    def ints(self, values: Sequence[int]) -> str:
        """A constant of whole numbers."""
        return self.constant("sizes", list(values), np.int64)

    def reshaped(self, x: str, before: Sequence[int], after: Sequence[int]) -> str:
        """``x`` in another shape; a first dimension that stays is copied, so that the batch stays free."""
        sizes = list(after)
        if before and sizes and before[0] == sizes[0]:
            sizes[0] = 0
        elif sizes:
            # the batch is in the dimension that is not known
            unknown = next((i for i, size in enumerate(sizes) if before and size % before[0] == 0), 0)
            sizes[unknown] = -1
        return self.add("Reshape", [x, self.ints(sizes)])

    def quantized(self, x: str, name: str, spec: RoleSpec) -> str:
        """QuantizeLinear and DequantizeLinear; codes reach the format's limit and no further."""
        scale, top = self.scales[self.node, name], spec.format.largest
        step, zero = self.constant(f"{name}.scale", scale), self.constant("zero", 0, np.int8)
        ends = [self.constant("limit", np.float32(end) * np.float32(scale)) for end in (-top, top)]
        codes = self.add("QuantizeLinear", [self.add("Clip", [x, *ends]), step, zero])
        return self.add("DequantizeLinear", [codes, step, zero])

    def matmul(self, left: str, right: str, part: str = "") -> str:
        """A product of two activations, quantized where the model quantizes them."""
        if (self.node, part) in self.pairs:
            name, spec = self.pairs[self.node, part]
            left, right = self.quantized(left, name, spec), self.quantized(right, name + SECOND, spec)
        return self.add("MatMul", [left, right])

    def weight(self, name: str, spec: RoleSpec | None, weight: Tensor, running: Tensor | None = None) -> str:
        """The weight's codes, dequantized; float32 where the recipe leaves it so.

        ``running`` is the state of a range rule with memory.
        """
        if spec is None:
            return self.constant(f"{name}.weight", weight.float().numpy())
        if spec.rotate is not None:
            raise LbtError(f"layer {name!r}, role W: found {spec}; ONNX export accepts no rotation")
        state = None if running is None else running.clone()
        q = quantize(weight, spec, Key(layer=name, role="W"), running=state)
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

    def linear(self, x: str, shape: Sequence[int], weight: str, bias: str | None) -> str:
        """x (*, I) by weight (O, I)."""
        if len(shape) == 2:
            return self.add("Gemm", [x, weight, *([] if bias is None else [bias])], transB=1)
        y = self.add("MatMul", [x, self.add("Transpose", [weight], perm=[1, 0])])
        return y if bias is None else self.add("Add", [y, bias])
