"""The integer engine's kernels give the very numbers of the emulation where that is exact, on the same operands."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lbt.errors import LbtError
from lbt.kernels import choose, floats
from lbt.kernels.geometry import Geometry
from lbt.kernels.kernel import Kernel
from lbt.kernels.quantize import quantize
from lbt.kernels.quantized import Quantized
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec
from lbt.recipe import Roles

INT8 = RoleSpec.model_validate("int8")


def quantized(*shape: int, role: str = "A", seed: int = 0) -> Quantized:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return quantize(x, INT8, Key(role=role), want="both")


def results(kernel: Kernel, a: Quantized, w: Quantized, e: Quantized) -> list[torch.Tensor]:
    return [kernel.forward(a, w), kernel.error(e, w), kernel.weight_gradient(e, a), kernel.bias_gradient(e)]


@pytest.mark.parametrize(
    ("x", "w", "arguments"),
    [
        ((4, 6, 9, 9), (8, 3, 3, 3), ((2, 2), (1, 1), (1, 1), 2)),
        ((4, 6, 9, 9), (6, 1, 3, 3), ((1, 1), (1, 1), (1, 1), 6)),
        ((4, 6, 9, 8), (5, 6, 3, 2), ((1, 2), (2, 0), (2, 1), 1)),
        ((4, 6, 9), (8, 6, 3), ((2,), (1,), (1,), 1)),
        ((9, 6, 5, 3), (16, 6, 1, 2), ((1, 2), (0, 0), (1, 1), 1)),  # one pixel wide: wrong sums of a kernel with AMX
    ],
)
def test_convolution(x: tuple[int, ...], w: tuple[int, ...], arguments: tuple) -> None:
    a, b, geometry = quantized(*x), quantized(*w, role="W", seed=1), Geometry(*arguments)
    emulate = floats.convolution(geometry, torch.Size(x), torch.Size(w))
    integer = choose.integer_convolution(geometry, torch.empty(x), torch.Size(w))
    e = quantized(*emulate.forward(a, b).shape, role="E", seed=2)
    for p, q in zip(results(emulate, a, b, e), results(integer, a, b, e), strict=True):
        assert torch.equal(p, q)


def test_linear() -> None:
    a, b, e = quantized(7, 20), quantized(5, 20, role="W", seed=1), quantized(7, 5, role="E", seed=2)
    kernels = choose.linear("emulate"), choose.linear("integer")
    for p, q in zip(*(results(kernel, a, b, e) for kernel in kernels), strict=True):
        assert torch.equal(p, q)


def test_where_float32_is_not_exact_the_integers_are() -> None:
    one = quantize(torch.ones(1, 4096), INT8, Key(role="A"))
    other = torch.ones(1, 4096)
    other[0, ::2] = -126 / 127
    b = quantize(other, INT8, Key(role="W"))
    total = choose.linear("integer").forward(one, b) / (one.factor * b.factor)
    assert round(float(total)) == 2048 * 127 * (127 - 126)


def test_formats_that_the_engine_lacks_are_named() -> None:
    choose.check(
        "conv", nn.Conv2d(1, 1, 1), Roles.model_validate({"W": "int4", "A": "int8", "E": "int8-pow2", "G": "bf16"})
    )
    for wrong in ({"W": "int8", "A": "int8"}, {"W": "int8", "A": "uint8", "E": "int8"},
                  {"W": {"format": "int8", "granularity": "channel"}, "A": "int8", "E": "int8"},
                  {"W": "int8", "A": "int8", "E": "int8", "EG": "int16"}):  # fmt: skip
        with pytest.raises(LbtError, match=r"layer 'conv' \(Conv2d\), role \w+: found .*; the integer engine accepts"):
            choose.check("conv", nn.Conv2d(1, 1, 1), Roles.model_validate(wrong))
    with pytest.raises(LbtError, match="no int8 codes"):
        choose.linear("integer").forward(quantize(torch.ones(2, 2), None, Key()), quantized(2, 2))
