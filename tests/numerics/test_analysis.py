"""Error analysis against Monte Carlo, numerical integration and published values."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from lbt.errors import LbtError
from lbt.numerics import analysis

DENSITY = {
    "gaussian": lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    "laplace": lambda x: math.exp(-abs(x) * math.sqrt(2)) / math.sqrt(2),
}


def sample(distribution: str, n: int = 2_000_000) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    if distribution == "gaussian":
        return torch.randn(n, generator=g, dtype=torch.float64)
    u = torch.rand(n, generator=g, dtype=torch.float64) - 0.5
    return -u.sign() * torch.log1p(-2 * u.abs()) / math.sqrt(2)


@pytest.mark.parametrize("distribution", ["gaussian", "laplace"])
@pytest.mark.parametrize("limit", [0.5, 2.0, 4.0, 7.0])
def test_clipping_by_integration(distribution: str, limit: float) -> None:
    density = DENSITY[distribution]
    expected = 2 * quad(lambda x: (x - limit) ** 2 * density(x), limit, 60, epsabs=1e-18, epsrel=1e-10, limit=200)[0]
    got = analysis.predicted(distribution, 3 * limit, 7, sigma=3).clipping
    assert got == pytest.approx(9 * expected, rel=1e-4)


@pytest.mark.parametrize("distribution", ["gaussian", "laplace"])
@pytest.mark.parametrize(("bits", "tolerance"), [(3, 0.06), (4, 0.02), (6, 0.01), (8, 0.01)])
def test_total_error_by_integration_over_the_cells(distribution: str, bits: int, tolerance: float) -> None:
    steps = analysis.half_steps(bits)
    limit = analysis.optimal_clip(distribution, steps)
    step, exact = limit / steps, 0.0
    for k in range(-steps, steps + 1):
        low = -60.0 if k == -steps else (k - 0.5) * step
        high = 60.0 if k == steps else (k + 0.5) * step
        points = [p for p in (-limit, 0.0, limit) if low < p < high]
        edges = [low, *points, high]
        for a, b in itertools.pairwise(edges):
            if b - a > 40:  # the tail: where there is something
                a, b = max(a, -limit - 25), min(b, limit + 25)
            exact += quad(lambda x, k=k: (x - k * step) ** 2 * DENSITY[distribution](x), a, b, limit=100)[0]
    assert analysis.predicted(distribution, limit, steps).total == pytest.approx(exact, rel=tolerance)


@pytest.mark.parametrize("distribution", ["gaussian", "laplace"])
@pytest.mark.parametrize("bits", [4, 6, 8])
def test_prediction_beside_monte_carlo(distribution: str, bits: int) -> None:
    x, steps = 0.3 * sample(distribution), analysis.half_steps(bits)
    for ratio in (2.0, 3.5):
        q = analysis.to_grid(x, 0.3 * ratio, steps)
        measured = analysis.decompose(x, q, 0.3 * ratio)
        expected = analysis.predicted(distribution, 0.3 * ratio, steps, sigma=0.3)
        beyond = (x.abs() - 0.3 * ratio).clamp_min(0).square()
        sampling = 4 * float(beyond.std()) / len(x) ** 0.5
        assert measured.clipping == pytest.approx(expected.clipping, abs=sampling)
        assert measured.rounding == pytest.approx(expected.rounding, rel=0.03)
        assert analysis.sqnr(x, q) == pytest.approx(analysis.predicted_sqnr(distribution, ratio, steps), abs=0.1)


@pytest.mark.parametrize(("rounding", "noise"), [("stochastic", 1 / 6), ("floor", 1 / 3)])
def test_noise_of_other_roundings(rounding: str, noise: float) -> None:
    x = sample("gaussian", 400_000) * 10
    low = x.floor()
    q = low
    if rounding == "stochastic":
        draw = torch.rand(len(x), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        q = low + (draw < x - low)
    assert float((q - x).square().mean()) == pytest.approx(noise, rel=0.01)
    assert analysis.predicted("gaussian", 100, 100, sigma=10, rounding=rounding).rounding == pytest.approx(noise)


@pytest.mark.parametrize(("bits", "published"), [(2, 2.83), (3, 3.89), (4, 5.03)])
def test_best_clip_of_laplace_is_the_published_one(bits: int, published: float) -> None:
    # Banner et al. 2018 (arXiv 1810.05723): 2.83 b, 3.89 b, 5.03 b with 2^bits intervals; here α in σ = √2·b. At two
    # bits the share within the limit, which they leave out, still matters.
    ratio = analysis.optimal_clip("laplace", 2 ** (bits - 1)) * math.sqrt(2)
    assert ratio == pytest.approx(published, rel={2: 0.06, 3: 0.03, 4: 0.02}[bits])


@pytest.mark.parametrize("distribution", ["gaussian", "laplace"])
def test_best_clip_is_a_minimum_of_the_measured_error(distribution: str) -> None:
    x, steps = sample(distribution, 500_000), 7
    best = analysis.optimal_clip(distribution, steps)
    errors = [analysis.decompose(x, analysis.to_grid(x, f * best, steps), f * best).total for f in (0.8, 1, 1.25)]
    assert errors[1] < errors[0]
    assert errors[1] < errors[2]


def test_more_range_trades_clipping_for_rounding() -> None:
    rows = analysis.sweep(sample("laplace", 100_000), [4, 8], [1.0, 2.0, 4.0, 8.0])
    four, eight = rows[:4], rows[4:]
    assert [r["clipping"] for r in four] == sorted((r["clipping"] for r in four), reverse=True)
    assert [r["rounding"] for r in four] == sorted(r["rounding"] for r in four)
    assert all(
        a["clipping"] == b["clipping"] and a["rounding"] > b["rounding"] for a, b in zip(four, eight, strict=True)
    )


@pytest.mark.parametrize("distribution", ["gaussian", "laplace"])
def test_bits_that_a_budget_needs(distribution: str) -> None:
    x = sample(distribution, 200_000)
    for budget in (10.0, 20.0, 30.0, 40.0):
        bits = analysis.bits_needed(distribution, budget)
        assert bits is not None
        limit = analysis.optimal_clip(distribution, analysis.half_steps(bits))
        assert analysis.bits_needed_by(x, budget - 0.3, limit) <= bits
        fewer = analysis.half_steps(bits - 1)
        best = analysis.optimal_clip(distribution, fewer)
        assert bits <= 3 or analysis.sqnr(x, analysis.to_grid(x, best, fewer)) < budget + 0.3
    assert analysis.bits_needed(distribution, 200.0) is None
    assert analysis.bits_needed_by(x, 60.0, 0.5) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.floats(0.1, 120), st.integers(2, 8))
def test_the_parts_add_up(values: list[float], limit: float, bits: int) -> None:
    x = torch.tensor(values, dtype=torch.float64)
    q = analysis.to_grid(x, limit, analysis.half_steps(bits))
    parts = analysis.decompose(x, q, limit)
    assert parts.total == pytest.approx(float((q - x).square().mean()))
    assert 0 <= parts.rounding_share <= 1
    assert analysis.clipped_share(x, limit) == sum(abs(v) > limit for v in values) / len(values)
    assert analysis.levels_used(q) <= 2 * analysis.half_steps(bits) + 1


def test_degenerate_tensors() -> None:
    zero, one = torch.zeros(3), torch.ones(3)
    assert analysis.sqnr(one, one) == math.inf
    assert analysis.sqnr(zero, one) == -math.inf
    assert analysis.cosine_distance(zero, zero) == 0
    assert analysis.cosine_distance(one, zero) == 1
    assert analysis.cosine_distance(one, -one) == pytest.approx(2)
    assert analysis.decompose(zero, zero, 1.0).rounding_share == 0
    assert analysis.decompose(torch.zeros(0), torch.zeros(0), 1.0).total == 0


def test_mistakes_are_one_line() -> None:
    with pytest.raises(LbtError, match="did you mean 'gaussian'"):
        analysis.predicted("gausian", 1, 7)
    with pytest.raises(LbtError, match="limit"):
        analysis.to_grid(torch.ones(2), 0.0, 7)
    with pytest.raises(LbtError, match="accepted: equal"):
        analysis.decompose(torch.ones(2), torch.ones(3), 1.0)
