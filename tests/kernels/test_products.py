"""The integer engine's kernels give the very numbers of the emulation where that is exact, on the same operands."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lbt.errors import LbtError
from lbt.kernels.int8.products import IntegerConv, IntegerLinear, check
from lbt.kernels.operand import Operand, operand
from lbt.nn.layers.conv import ConvKernel
from lbt.nn.layers.linear import LinearKernel
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec
from lbt.recipe import Roles

INT8 = RoleSpec.model_validate("int8")


def quantized(*shape: int, role: str = "A", seed: int = 0) -> Operand:
    return operand(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), INT8, Key(role=role))


@pytest.mark.parametrize(
    ("x", "w", "arguments"),
    [
        ((4, 6, 9, 9), (8, 3, 3, 3), ((2, 2), (1, 1), (1, 1), 2)),
        ((4, 6, 9, 9), (6, 1, 3, 3), ((1, 1), (1, 1), (1, 1), 6)),
        ((4, 6, 9, 8), (5, 6, 3, 2), ((1, 2), (2, 0), (2, 1), 1)),
        ((4, 6, 9), (8, 6, 3), ((2,), (1,), (1,), 1)),
    ],
)
def test_convolution(x: tuple[int, ...], w: tuple[int, ...], arguments: tuple) -> None:
    a, b = quantized(*x), quantized(*w, role="W", seed=1)
    emulate, integer = ConvKernel(*arguments), IntegerConv(*arguments)
    y = emulate.forward(a, b)
    assert torch.equal(integer.forward(a, b), y)
    e, shapes = quantized(*y.shape, role="E", seed=2), (torch.Size(x), torch.Size(w))
    for p, q in zip(emulate.gradients(e, a, b, *shapes), integer.gradients(e, a, b, *shapes), strict=True):
        assert torch.equal(p, q)
    assert torch.equal(emulate.grad_bias(e), integer.grad_bias(e))
    assert integer.gradients(e, None, b, *shapes)[1] is None
    assert integer.gradients(e, a, None, *shapes)[0] is None


def test_linear() -> None:
    a, b, e = quantized(7, 20), quantized(5, 20, role="W", seed=1), quantized(7, 5, role="E", seed=2)
    emulate, integer, shapes = LinearKernel(), IntegerLinear(), (torch.Size((7, 20)), torch.Size((5, 20)))
    assert torch.equal(emulate.forward(a, b), integer.forward(a, b))
    for p, q in zip(emulate.gradients(e, a, b, *shapes), integer.gradients(e, a, b, *shapes), strict=True):
        assert torch.equal(p, q)
    assert torch.equal(emulate.grad_bias(e), integer.grad_bias(e))


def test_where_float32_is_not_exact_the_integers_are() -> None:
    one = operand(torch.ones(1, 4096), INT8, Key(role="A"))
    other = torch.ones(1, 4096)
    other[0, ::2] = -126 / 127
    b = operand(other, INT8, Key(role="W"))
    total = IntegerLinear().forward(one, b) / (one.scale * b.scale)
    assert round(float(total)) == 2048 * 127 * (127 - 126)


def test_formats_that_the_engine_lacks_are_named() -> None:
    check("conv", nn.Conv2d(1, 1, 1), Roles.model_validate({"W": "int4", "A": "int8", "E": "int8-pow2", "G": "bf16"}))
    for wrong in ({"W": "int8", "A": "int8"}, {"W": "int8", "A": "uint8", "E": "int8"},
                  {"W": {"format": "int8", "granularity": "channel"}, "A": "int8", "E": "int8"},
                  {"W": "int8", "A": "int8", "E": "int8", "EG": "int16"}):  # fmt: skip
        with pytest.raises(LbtError, match=r"layer 'conv' \(Conv2d\), role \w+: found .*; the integer engine accepts"):
            check("conv", nn.Conv2d(1, 1, 1), Roles.model_validate(wrong))
    with pytest.raises(LbtError, match="no int8 codes"):
        IntegerLinear().forward(operand(torch.ones(2, 2), None, Key()), quantized(2, 2))
