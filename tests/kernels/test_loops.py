"""Every fast loop gives the bits of the plain tensor definition, on random shapes, formats, groups and parts."""

from __future__ import annotations

import sys
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lbt.errors import LbtError
from lbt.kernels import loops, plain
from lbt.kernels.quantize import choose, fake_quantize, quantize
from lbt.numerics.formats import parse_format, words
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec

numba = pytest.importorskip("numba")

FORMATS = [word for word in words() if parse_format(word).element_format.grid != "other"]


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.sampled_from(FORMATS),
    st.sampled_from(["tensor", "channel", "sample", "block(4)", "block(7)"]),
    st.sampled_from(["nearest", "stochastic", "floor"]),
    st.sampled_from(["max", "max", "sigma", "percentile"]),
    st.sampled_from("WAE"),
    st.integers(0, 2**33),
    st.integers(-40, 40),
    st.booleans(),
)
@settings(max_examples=250, deadline=None)
def test_equal_to_the_definition(
    shape: list[int], word: str, granularity: str, rounding: str, rule: str, role: str, offset: int, power: int,
    zeros: bool,
) -> None:  # fmt: skip
    shape = shape if torch.Size(shape).numel() < 30_000 else shape[:2]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))) * 2.0**power
    if zeros:
        x = x * (torch.arange(x.numel()).view(shape) % 3 == 0)
    form = parse_format(word)
    granularity = form.granularity or granularity
    if role == "W" and granularity == "sample":
        granularity = "channel"
    spec = RoleSpec.model_validate(
        {"format": word, "granularity": granularity, "rounding": rounding, "range": rule if form.scaled else "max"}
    )
    key = Key(3, 5, "layer", role)
    slow = quantize(x, spec, key, offset=offset, backend=plain)
    for want in ("codes", "both"):
        fast = quantize(x, spec, key, want=want, offset=offset, slot="test", backend=loops)
        assert fast.codes.dtype == slow.codes.dtype
        assert torch.equal(fast.codes, slow.codes)
        assert torch.equal(fast.scale, slow.scale)
        assert (fast.zero_point is None) == (slow.zero_point is None)
        if slow.zero_point is not None:
            assert torch.equal(fast.zero_point, slow.zero_point)
        assert torch.equal(fast.values, slow.values)
        assert torch.equal(fast.dequantize(), slow.dequantize())
    alone = quantize(x, spec, key, want="values", offset=offset, backend=loops)
    assert torch.equal(alone.values, slow.values)
    assert torch.equal(fake_quantize(x, spec, key, offset=offset), slow.dequantize())
    room = torch.empty(x.numel())
    assert torch.equal(fake_quantize(x, spec, key, offset=offset, out=room), slow.dequantize())


def test_the_format_without_a_loop_uses_the_definition() -> None:
    x, spec, key = torch.randn(5, 6), RoleSpec.model_validate("int1"), Key()
    assert choose(spec.format, x) is plain
    assert torch.equal(fake_quantize(x, spec, key), quantize(x, spec, key).dequantize())


@pytest.mark.parametrize(
    "spec",
    [{"format": "mxe4m3"}, {"format": "e4m3"}, {"format": "uint4"}, {"format": "int8", "granularity": "channel"},
     {"format": "int4", "granularity": "sample"}],
)  # fmt: skip
def test_threads_do_not_change_the_numbers(spec: dict) -> None:
    x = torch.randn(5, 64, 40, 41, generator=torch.Generator().manual_seed(0))
    role = RoleSpec.model_validate({**spec, "rounding": "stochastic"})
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(fake_quantize(x, role, Key()))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("word", ["int8", "mxe4m3", "e4m3", "uint8", "fp16"])
def test_what_is_not_finite_is_refused(bad: float, word: str) -> None:
    x = torch.randn(4, 70)
    x[2, 3] = bad
    with pytest.raises(LbtError, match="layer 'conv', role E: found NaN or infinity"):
        fake_quantize(x, RoleSpec.model_validate(word), Key(layer="conv", role="E"))


def test_a_machine_without_numba_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lbt.kernels._loops", None)
    loops.loops.cache_clear()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = [choose(RoleSpec.model_validate("int8").format, torch.ones(3)) for _ in range(3)]
        assert found == [plain] * 3
        assert [str(w.message)[:22] for w in caught] == ["numba is not installed"]
    finally:
        loops.loops.cache_clear()
