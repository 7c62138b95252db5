"""A part of a batch draws what it draws in the whole, padded blocks included, in all backends."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import lbt
from lbt.kernels import gpu, loops, plain
from lbt.kernels.quantize import fake_quantize, quantize
from lbt.nn import set_step
from lbt.nn.context import set_first_sample
from lbt.numerics.rounding import Index, Key, arguments, uniform
from lbt.numerics.spec import RoleSpec

KEY = Key(3, 5, "layer", "E")


def test_the_case_of_the_issue() -> None:
    """48 channels in blocks of 32: 288 of 864 elements differed."""
    x = torch.randn(4, 48, 3, 3, generator=torch.Generator().manual_seed(0))
    spec = RoleSpec(format="mxe2m1", rounding="stochastic")
    whole = fake_quantize(x, spec, KEY)
    assert torch.equal(fake_quantize(x[2:], spec, KEY, offset=2 * 48 * 9), whole[2:])


@given(
    st.integers(1, 40),
    st.integers(1, 9),
    st.integers(1, 3),
    st.sampled_from(["int4", "e2m1", "uint4", "bf16", "e8m0", "int8-pow2"]),
    st.sampled_from(["E", "W"]),
    st.integers(0, 2**33),
)
@settings(max_examples=25, deadline=None)
def test_the_index_is_that_of_the_tensor_without_padding(
    channels: int, block: int, pixels: int, word: str, role: str, offset: int
) -> None:
    """Against draws of the channel-last tensor, compared with the value's share of a step, element by element."""
    x = torch.randn(3, channels, pixels, generator=torch.Generator().manual_seed(channels)) + 0.01
    spec = RoleSpec(format=word, granularity=f"block({block})", rounding="stochastic")
    key = Key(3, 5, "layer", role)
    found = {backend.__name__: quantize(x, spec, key, offset=offset, backend=backend) for backend in (plain, loops)}
    first, second = found.values()
    assert torch.equal(first.dequantize(), second.dequantize())
    assert torch.equal(first.codes, second.codes)
    draws = uniform(torch.empty(3 * pixels * channels), *arguments(key, Index(offset)))
    floor = quantize(x, RoleSpec(format=word, granularity=f"block({block})", rounding="floor"), key).dequantize()
    rows = (x.movedim(1, -1).reshape(-1, channels), draws.view(-1, channels))
    for position, (values, drawn) in enumerate(zip(*rows, strict=True)):
        # a position alone, whose draws begin where the whole tensor's do at this position
        spot = quantize(values.view(1, channels), spec, key, offset=offset + position * channels, backend=plain)
        mine = first.dequantize().movedim(1, -1).reshape(-1, channels)[position]
        assert torch.equal(spot.dequantize()[0], mine)
        low = floor.movedim(1, -1).reshape(-1, channels)[position]
        # a draw of nearly 1 never rounds up
        assert torch.equal(mine[drawn > 1 - 1e-5], low[drawn > 1 - 1e-5])


@pytest.mark.parametrize("backend", [plain, loops, gpu])
def test_parts_of_padded_blocks_in_every_backend(backend: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda graph, **_: graph)  # the traced definition, as it is
    x = torch.randn(6, 21, 2, 2, generator=torch.Generator().manual_seed(1))
    for form in ("mxe3m2", "int4", "e2m1"):
        blocks = {} if form.startswith("mx") else {"granularity": "block(8)"}
        spec = RoleSpec.model_validate({"format": form, "rounding": "stochastic", **blocks})
        whole = fake_quantize(x, spec, KEY, backend=backend)
        assert torch.equal(whole, fake_quantize(x, spec, KEY, backend=plain))
        parts = [fake_quantize(x[n : n + 2], spec, KEY, offset=n * 84, backend=backend) for n in (0, 2, 4)]
        assert torch.equal(torch.cat(parts), whole)
    for function in (gpu._encoder, gpu._decoder, gpu._limiter):
        function.cache_clear()


def test_threads_do_not_change_padded_blocks() -> None:
    x = torch.randn(40, 48, 16, 17, generator=torch.Generator().manual_seed(0))
    spec = RoleSpec(format="mxe2m1", rounding="stochastic")
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(fake_quantize(x, spec, KEY))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])


def test_a_model_on_parts_of_a_batch_equals_the_whole() -> None:
    recipe = lbt.Recipe.model_validate(
        {role: {"format": "mxe2m1", "rounding": "stochastic"} for role in ("W", "A", "E")}
    )
    x = torch.randn(6, 48, 4, 4, generator=torch.Generator().manual_seed(0))
    model = lbt.quantize(nn.Sequential(nn.Conv2d(48, 40, 3), nn.Conv2d(40, 7, 1)), recipe, seed=1)

    def run(part: torch.Tensor, first: int) -> tuple[torch.Tensor, torch.Tensor]:
        set_step(model, 4)
        set_first_sample(model, first)
        part = part.clone().requires_grad_()
        y = model(part)
        y.sin().sum().backward()
        assert part.grad is not None
        return y.detach(), part.grad

    whole, error = run(x, 0)
    for n in (0, 2, 4):
        y, dx = run(x[n : n + 2], n)
        torch.testing.assert_close(y, whole[n : n + 2], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(dx, error[n : n + 2], rtol=1e-5, atol=1e-6)


class Functions(nn.Module):
    """A product by a function, behind one by a module."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.weight = nn.Linear(7, 9), nn.Parameter(torch.randn(9, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.first(x) @ self.weight


@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (nn.Linear(7, 5), (4, 7)),
        (nn.Sequential(nn.Linear(7, 5), nn.Linear(5, 3)), (4, 6, 7)),
        (Functions(), (4, 3, 2, 7)),
        (nn.MultiheadAttention(8, 2, batch_first=True), (4, 5, 8)),
        (nn.Sequential(nn.Conv1d(7, 5, 3)), (4, 7, 6)),
    ],
    ids=["rows", "tokens", "functions", "attention", "conv1d"],
)
def test_samples_of_several_rows_draw_what_they_draw_in_the_whole(
    net: nn.Module, shape: tuple[int, ...], rounding: str
) -> None:
    """The tokens of a sequence: a sample begins so many rows further on."""
    spec = {"format": "int3", "granularity": "block(4)", "rounding": rounding}
    model = lbt.quantize(net, lbt.Recipe.model_validate({"W": "int8", "A": spec, "E": spec}))
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))

    def run(part: torch.Tensor, first: int) -> tuple[torch.Tensor, torch.Tensor]:
        set_step(model, 1, first_sample=first)
        part = part.clone().requires_grad_()
        y = model(part, part, part)[0] if isinstance(net, nn.MultiheadAttention) else model(part)
        y.sin().sum().backward()
        assert part.grad is not None
        return y.detach(), part.grad

    whole, error = run(x, 0)
    y, dx = run(x[2:], 2)
    torch.testing.assert_close(y, whole[2:])
    torch.testing.assert_close(dx, error[2:])
