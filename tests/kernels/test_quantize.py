"""The fast loops equal the plain definition; granularities group what they say; parts of a batch equal the whole."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lbt.errors import LbtError
from lbt.kernels import loops, plain
from lbt.kernels.quantize import choose, fake_quantize, quantize
from lbt.numerics.granularity import to_matrix
from lbt.numerics.ranges import RANGES
from lbt.numerics.ranges.cosine import learning_rate_factor
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec

KEY = Key(3, 5, "layer", "E")
numba = pytest.importorskip("numba")


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.sampled_from(["int2", "int4", "int8", "int11", "int8-pow2", "int16"]),
    st.sampled_from(["nearest", "stochastic"]),
    st.sampled_from(["max", "percentile", "sigma", "mse"]),
    st.integers(0, 2**33),
    st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_fast_loops_equal_the_definition(
    shape: list[int], word: str, rounding: str, rule: str, offset: int, channels_last: bool
) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))) * 7
    if channels_last and len(shape) == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    spec = RoleSpec(format=word, rounding=rounding, range=rule)
    fast = quantize(x, spec, KEY, want="both", offset=offset, backend=loops)
    slow = quantize(x, spec, KEY, offset=offset, backend=plain)
    assert fast.factor == float(slow.scale)
    assert torch.equal(fast.codes, slow.codes)
    assert torch.equal(fast.values, fast.in_shape(fast.codes).float())
    assert torch.equal(fake_quantize(x, spec, KEY, offset=offset), slow.dequantize())


def test_threads_do_not_change_the_numbers() -> None:
    x = torch.randn(3, 64, 64, 64, generator=torch.Generator().manual_seed(0))
    spec = RoleSpec(format="int8", rounding="stochastic", range={"rule": "sigma", "k": 3})
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(fake_quantize(x, spec, KEY))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_without_numba_the_numbers_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(5, 6, 7, 8)
    spec = RoleSpec(format="int8", rounding="stochastic")
    fast = fake_quantize(x, spec, KEY)
    monkeypatch.setattr(loops, "loops", lambda: None)
    assert choose(spec.format, x) is plain
    assert torch.equal(fake_quantize(x, spec, KEY), fast)


@pytest.mark.parametrize("granularity", ["tensor", "channel", "sample", "block(4)", "block(5)"])
@pytest.mark.parametrize("role", ["W", "A"])
def test_granularity_against_a_loop(granularity: str, role: str) -> None:
    """Scales of a NumPy loop over the groups as the table in lbt.numerics.granularity defines them."""
    x = np.random.default_rng(0).normal(size=(3, 10, 2, 2)) * np.arange(1, 11)[None, :, None, None]
    x = x.astype(np.float32)
    spec = RoleSpec(format="int8", granularity=granularity)
    found = quantize(torch.tensor(x), spec, Key(role=role)).dequantize().numpy()
    groups: list[tuple] = [(slice(None),)]
    if granularity == "channel":
        groups = [(i,) for i in range(3)] if role == "W" else [(slice(None), c) for c in range(10)]
    elif granularity == "sample":
        groups = [(i,) for i in range(3)]
    elif granularity.startswith("block"):
        size = int(granularity[6:-1])
        starts = range(0, 10, size)
        groups = [(n, slice(c, c + size), h, w) for n in range(3) for c in starts for h in range(2) for w in range(2)]
    seen = np.zeros_like(x)
    for group in groups:
        part = x[group]
        scale = np.float32(np.abs(part).max() / np.float32(127))
        expected = np.round(part * (np.float32(1) / scale)) * scale
        np.testing.assert_array_equal(found[group], expected)
        seen[group] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("granularity", ["sample", "block(4)"])
def test_a_part_of_a_batch_equals_the_whole(granularity: str) -> None:
    x = torch.randn(6, 8, 3, 3, generator=torch.Generator().manual_seed(0))
    spec = RoleSpec(format="int4", granularity=granularity, rounding="stochastic")
    whole = fake_quantize(x, spec, KEY)
    parts = [fake_quantize(x[n : n + 2], spec, KEY, offset=n * 72) for n in (0, 2, 4)]
    assert torch.equal(torch.cat(parts), whole)


def test_affine_represents_zero_exactly_and_uses_all_levels() -> None:
    x = torch.rand(1000) * 6
    y = fake_quantize(torch.cat([x, torch.zeros(1)]), RoleSpec(format="uint4"), KEY)
    assert y[-1] == 0
    assert y.unique().numel() == 16
    assert (y >= 0).all()


@pytest.mark.parametrize("rule", RANGES.names())
def test_every_rule_survives_odd_tensors(rule: str) -> None:
    for x in (torch.zeros(4, 4), torch.ones(1), torch.full((2, 3), -1e-20), torch.randn(2, 3, 4, 4), torch.ones(0, 3)):
        spec = RoleSpec(format="int8", range=rule)
        y = fake_quantize(x, spec, KEY, running=torch.full((1,), -1.0))
        assert y.shape == x.shape
        assert torch.isfinite(y).all()


def test_percentile_and_sigma_clip_the_outlier() -> None:
    x = torch.cat([torch.randn(10_000, generator=torch.Generator().manual_seed(0)), torch.tensor([1000.0])])
    exact = np.quantile(x.abs().numpy(), 0.99)
    scale = quantize(x, RoleSpec(format="int8", range={"rule": "percentile", "share": 0.99}), KEY).scale.item() * 127
    assert exact <= scale <= exact * 1.01
    rms = np.sqrt((x.double() ** 2).mean().item())
    limit = quantize(x, RoleSpec(format="int8", range={"rule": "sigma", "k": 2}), KEY).scale.item() * 127
    assert limit == pytest.approx(2 * rms, rel=1e-5)


@given(st.integers(0, 100), st.sampled_from(["tensor", "channel", "sample", "block(4)"]), st.sampled_from("AW"))
@settings(max_examples=30, deadline=None)
def test_sigma_of_the_elements_that_are_not_zero(seed: int, granularity: str, role: str) -> None:
    """An error behind a maximum pooling: of each group, the root mean square of what is there."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(4, 8, 3, 3, generator=g) * (torch.rand(4, 8, 3, 3, generator=g) < 0.2)
    granularity = "channel" if (role, granularity) == ("W", "sample") else granularity
    spec = RoleSpec(format="int8", granularity=granularity, range={"rule": "sigma", "k": 2, "of": "nonzero"})
    slow, fast = (quantize(x, spec, Key(role=role), backend=backend) for backend in (plain, loops))
    assert torch.equal(fast.codes, slow.codes)
    matrix, layout = to_matrix(x, granularity, role)
    for group, scale in zip(matrix.double().unbind(1 - layout.dim), slow.scale.flatten().tolist(), strict=True):
        there = group[group != 0]
        limit = min(2 * there.square().mean().sqrt().item(), group.abs().max().item()) if len(there) else 0.0
        assert scale == pytest.approx(limit / 127 if limit else 1.0, rel=1e-5)


@pytest.mark.parametrize("bits", ["int3", "int4", "int8"])
def test_sweeps_are_never_worse_than_the_maximum(bits: str) -> None:
    x = torch.distributions.Laplace(0.0, 1.0).sample((20_000,))

    def loss(rule: str) -> tuple[float, float]:
        q = fake_quantize(x, RoleSpec(format=bits, range=rule), KEY)
        return (x - q).square().sum().item(), 1 - torch.cosine_similarity(x, q, dim=0).item()

    assert loss("mse")[0] <= loss("max")[0]
    assert loss("cosine")[1] <= loss("max")[1] + 1e-6


def test_moving_average_remembers() -> None:
    running = torch.full((1,), -1.0)
    spec = RoleSpec(format="int8", range={"rule": "moving_average", "momentum": 0.5, "delayed": True})
    fake_quantize(torch.tensor([4.0]), spec, KEY, running=running)
    assert running.item() == 4
    y = fake_quantize(torch.tensor([8.0]), spec, KEY, running=running)
    assert y.item() == 4  # saturates at the limit of the step before
    assert running.item() == 6


def test_learning_rate_factor() -> None:
    assert learning_rate_factor(0.0) == 1
    assert learning_rate_factor(1.0) == 0.1
    assert learning_rate_factor(0.05) == pytest.approx(np.exp(-1))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"format": "int33"}, "int1"),
        ({"format": "int8", "granularity": "blok(3)"}, "block"),
        ({"format": "mxe4m3", "granularity": "tensor"}, "leave granularity out"),
        ({"format": "int8", "range": "percentil"}, "did you mean 'percentile'"),
        ({"format": "int8", "range": "moving_average", "granularity": "channel"}, "must be tensor"),
        ({"format": {"kind": "integer"}}, "unknown format kind"),
    ],
)
def test_impossible_specs_say_why(spec: dict, words: str) -> None:
    from lbt.config import parse

    with pytest.raises(LbtError) as caught:
        parse(RoleSpec, spec, "file.yaml")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_output_buffer_must_hold_the_result() -> None:
    spec = RoleSpec.model_validate("int8")
    for bad in (torch.empty(3), torch.empty(4, dtype=torch.float64), torch.empty(4, 2)[:, 0]):
        with pytest.raises(LbtError, match=r"out: found .*; accepted: contiguous float32, at least 4 elements"):
            fake_quantize(torch.ones(4), spec, KEY, out=bad)
