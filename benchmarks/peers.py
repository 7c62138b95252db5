"""Other libraries' low-bit training of the same network, for benchmarks/train_step.py; none is needed by lbt.

``pip install -e '.[peers]'`` installs them, except microxcaling, which is not on the package index.

Each function converts the convolutions of a model and returns it; an ``ImportError`` says that the library is absent.
Each is set up as its own documentation shows for 8 bits, as near to W, A, E in 8 bits as it goes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def _replace(model: nn.Module, make: Callable[[nn.Conv2d], nn.Module]) -> nn.Module:
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Conv2d:
                setattr(parent, name, make(child))
    return model


def qtorch(model: nn.Module) -> nn.Module:
    """QPyTorch: fixed point of 8 bits for weights and activations (nearest) and errors (stochastic)."""
    from qtorch import FixedPoint
    from qtorch.quant import Quantizer, fixed_point_quantize

    class Conv(nn.Module):
        def __init__(self, conv: nn.Conv2d) -> None:
            super().__init__()
            self.conv = conv
            self.flow = Quantizer(FixedPoint(8, 4), FixedPoint(8, 6), "nearest", "stochastic")

        def forward(self, x: Tensor) -> Tensor:
            w = self.conv.weight
            low = w + (fixed_point_quantize(w, 8, 6, rounding="nearest") - w).detach()
            c = self.conv
            y = nn.functional.conv2d(self.flow(x), low, c.bias, c.stride, c.padding, c.dilation, c.groups)
            return self.flow(y)

    return _replace(model, Conv)


def brevitas(model: nn.Module) -> nn.Module:
    """Brevitas: int8 weights and input activations, a float scale each; it quantizes no errors."""
    from brevitas.nn import QuantConv2d
    from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerTensorFloat

    def make(c: nn.Conv2d) -> nn.Module:
        new: nn.Module = QuantConv2d(
            c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding, c.dilation, c.groups, bias=False,
            weight_quant=Int8WeightPerTensorFloat, input_quant=Int8ActPerTensorFloat,
        )  # fmt: skip
        new.weight.data.copy_(c.weight.data)
        return new

    return _replace(model, make)


def microxcaling(model: nn.Module) -> nn.Module:
    """microxcaling (the ``mx`` package of its repository): MXFP8 E4M3 for W, A and E, blocks of 32."""
    import mx

    specs: Any = mx.finalize_mx_specs(
        {"w_elem_format": "fp8_e4m3", "a_elem_format": "fp8_e4m3", "block_size": 32, "scale_bits": 8, "bfloat": 0,
         "custom_cuda": torch.cuda.is_available()}
    )  # fmt: skip

    def make(c: nn.Conv2d) -> nn.Module:
        new: nn.Module = mx.Conv2d(
            c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding, c.dilation, c.groups, bias=False,
            mx_specs=specs,
        )  # fmt: skip
        new.weight.data.copy_(c.weight.data)
        return new

    return _replace(model, make)


def torchao(model: nn.Module) -> nn.Module:
    """torchao has low-bit training for linear layers only."""
    import torchao  # noqa: F401

    raise ImportError("torchao trains linear layers only, and these networks are convolutions")


PEERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "qtorch": qtorch, "brevitas": brevitas, "microxcaling": microxcaling, "torchao": torchao,
}  # fmt: skip
