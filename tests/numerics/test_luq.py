"""LUQ (arXiv 2112.10769): powers of two, unbiased everywhere, below the smallest level too."""

from __future__ import annotations

import pytest
import torch

from lbt.kernels import loops, plain
from lbt.kernels.quantize import fake_quantize, quantize
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec

SPEC = RoleSpec.model_validate("luq4")


def test_the_word_alone_is_the_published_scheme() -> None:
    assert SPEC.rounding == "stochastic"
    assert SPEC.bits == 4
    assert SPEC.format.multiplier == (3, 0, "float")
    assert RoleSpec.model_validate({"format": "luq4", "rounding": "nearest"}).rounding == "nearest"


def test_levels_are_zero_and_powers_of_two() -> None:
    x = torch.randn(100_000)
    q = quantize(x, SPEC, Key())
    levels = q.dequantize().abs().unique()
    assert len(levels) == 8
    assert levels[0] == 0
    torch.testing.assert_close(levels[2:] / levels[1:-1], torch.full((6,), 2.0))
    torch.testing.assert_close(levels[-1], x.abs().max())  # nothing is clipped


@pytest.mark.parametrize("value", [1 / 64 * 0.02, 1 / 64 * 0.7, 1 / 64, 0.05, 0.3, 0.74, -0.6])
def test_the_mean_of_a_million_draws_is_the_value(value: float) -> None:
    """Levels of a range of 1 are 2^-6 … 1: the first two values underflow."""
    count = 1_000_000
    x = torch.full((count + 1,), value)
    x[-1] = 1.0
    q = fake_quantize(x, SPEC, Key(7, 1, "layer", "E"))[:-1].double()
    around = [2.0**-6 * 2**k for k in range(7)]
    low = max([0.0, *(level for level in around if level <= abs(value))])
    high = min(level for level in around if level >= abs(value))
    assert set(q.abs().unique().tolist()) <= {low, high}
    chance = (abs(value) - low) / (high - low) if high > low else 0.0
    sigma = (high - low) * (chance * (1 - chance) / count) ** 0.5
    assert abs(float(q.mean()) - value) <= 4 * sigma + 2.0**-24


def test_it_has_the_bits_of_e3m0_in_the_loop_and_in_the_definition() -> None:
    x, key = torch.randn(40, 60), Key(1, 2, "a", "E")
    expected = quantize(x, RoleSpec.model_validate({"format": "e3m0", "rounding": "stochastic"}), key, backend=plain)
    for backend in (plain, loops):
        found = quantize(x, SPEC, key, backend=backend)
        assert torch.equal(found.codes, expected.codes)
        assert torch.equal(found.dequantize(), expected.dequantize())


@pytest.mark.parametrize("delayed", [True, False])
def test_hindsight_takes_the_range_of_the_steps_before(delayed: bool) -> None:
    spec = RoleSpec.model_validate({"format": "luq4", "range": {"rule": "moving_average", "delayed": delayed}})
    running = torch.full((1,), 4.0)
    q = quantize(torch.full((8,), 2.0), spec, Key(), running=running)
    torch.testing.assert_close(q.scale.flatten()[0] * 16, torch.tensor(4.0 if delayed else 3.8))
    torch.testing.assert_close(running, torch.tensor([3.8]))
