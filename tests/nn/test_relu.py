"""ReLUs that keep a byte an element, against PyTorch's."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from lbt.kernels import loops
from lbt.kernels import quantize as quantizing
from lbt.kernels.magnitude import recall
from lbt.nn import quantize
from lbt.nn.layers.relu import MaskReLU, MaskReLU6

PAIRS = [(nn.ReLU, MaskReLU), (nn.ReLU6, MaskReLU6)]
SPECIAL = torch.tensor([0.0, -0.0, 6.0, 7.5, -1.0, 3.0, float("inf"), -float("inf"), float("nan"), 1e-45])


def run(layer: nn.Module, x: Tensor, dy: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = layer(x * 1.0)  # a leaf may not be changed in place
    y.backward(dy)
    assert x.grad is not None
    return y.detach(), x.grad


@pytest.mark.parametrize(("theirs", "mine"), PAIRS)
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("form", ["contiguous", "channels_last", "strided", "special"])
def test_values_and_gradients(theirs, mine, inplace, fast, form, monkeypatch) -> None:
    if not fast:
        monkeypatch.setattr(loops, "loops", lambda: None)
    x = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0)) * 5
    if form == "channels_last":
        x = x.to(memory_format=torch.channels_last)
    elif form == "strided":
        x = x[:, :, ::2]
    elif form == "special":
        x = SPECIAL
    dy = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    dy[..., 0] = -1.0
    for expected, found in zip(run(theirs(inplace), x, dy), run(mine(inplace), x, dy), strict=True):
        assert torch.equal(expected.nan_to_num(9.0), found.nan_to_num(9.0))
        assert torch.equal(expected.isnan(), found.isnan())
        assert torch.equal(torch.signbit(expected.nan_to_num(9.0)), torch.signbit(found.nan_to_num(9.0)))
        assert expected.stride() == found.stride()


@given(st.integers(0, 2**32 - 1), st.integers(1, 70))
def test_any_length(seed: int, count: int) -> None:
    x, dy = torch.randn(2, count, generator=torch.Generator().manual_seed(seed))
    for expected, found in zip(run(nn.ReLU(), x, dy), run(MaskReLU(), x, dy), strict=True):
        assert torch.equal(expected, found)


def kept(model: nn.Module, x: Tensor) -> int:
    """Bytes of the distinct memory that autograd keeps."""
    seen: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        model(x).sum()
    return sum(seen.values())


@pytest.mark.parametrize("engine", ["emulate", "integer"])
@pytest.mark.parametrize("inplace", [False, True])
def test_a_quantized_network_keeps_less_than_a_float_one(engine, inplace) -> None:
    layers = []
    for _ in range(3):
        layers += [nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace)]
    model = nn.Sequential(*layers).to(memory_format=torch.channels_last)
    x = torch.randn(4, 8, 16, 16).to(memory_format=torch.channels_last)
    low = quantize(model, "int8", engine=engine)
    assert sum(isinstance(module, MaskReLU) for module in low.modules()) == 3
    assert kept(low, x) < 0.8 * kept(model, x)


def test_an_inplace_relu_may_follow_anything() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.relu = nn.Conv2d(3, 3, 1), nn.ReLU(True)

        def forward(self, x: Tensor) -> Tensor:
            y = self.relu(self.first(x))
            return self.relu(y[:, :2]) + self.relu(y.flatten(1)[:, :1, None, None] + 1)

    for recipe in ("fp32", "int8", "int8-pow2", "fp8", "mx8"):
        model = quantize(Block(), recipe)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            copy.deepcopy(model)(torch.randn(2, 3, 4, 4)).sum().backward()


@pytest.mark.parametrize("inplace", [False, True])
def test_the_largest_magnitude_is_known_until_something_changes(inplace: bool) -> None:
    def bits(x: Tensor) -> int:
        return int(x.abs().max().view(torch.int32))

    x = torch.randn(3, 4, 5, 6, requires_grad=True)
    before = x * -2.0
    errors: list[Tensor] = []
    before.register_hook(errors.append)
    y = MaskReLU(inplace)(before)
    assert recall(y) == bits(y.detach())
    assert recall(y.detach()) is None
    y.backward(torch.randn(y.shape))
    assert recall(errors[0]) == bits(errors[0])
    with torch.no_grad():
        y.mul_(3.0)
        errors[0][0] = 9.0
    assert recall(y) is None
    assert recall(errors[0]) is None


def test_a_network_looks_only_where_nobody_has_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = loops.loops()
    if machine is None:
        pytest.skip("numba is not installed")
    conv = [nn.Conv2d(3, 3, 3, padding=1, bias=False) for _ in range(3)]
    model = nn.Sequential(conv[0], nn.ReLU(), conv[1], nn.ReLU(), conv[2])
    runs = {}
    for name in ("known", "looked for"):
        seen: list[int] = []
        monkeypatch.setattr(loops, "loops", lambda seen=seen: _Counting(machine, seen))
        if name == "looked for":
            monkeypatch.setattr(quantizing, "recall", lambda x: None)
        low = quantize(model, "int8")
        low(torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))).square().sum().backward()
        runs[name] = (len(seen), [p.grad for p in low.parameters()])
    assert runs["looked for"][0] - runs["known"][0] == 4  # two ReLUs, forward and backward
    for a, b in zip(runs["known"][1], runs["looked for"][1], strict=True):
        assert torch.equal(a, b)


class _Counting:
    """The loops; notes each search for the largest magnitude."""

    def __init__(self, loops: object, seen: list[int]) -> None:
        self.loops, self.seen = loops, seen

    def __getattr__(self, name: str) -> object:
        if name == "max_bits":
            self.seen.append(1)
        return getattr(self.loops, name)
