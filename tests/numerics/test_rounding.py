"""Rounding: unbiased, keyed by the counter alone, and the documented hash."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lbt.numerics.rounding import Key, arguments, hash32, round_to_integer, uniform


def reference_hash(index: np.ndarray, key: Key) -> np.ndarray:
    """The hash in uint64 arithmetic, cut back to 32 bits at each step."""
    first, second = key.words()
    mask = np.uint64(0xFFFFFFFF)
    h = (index.astype(np.uint64) + np.uint64(first)) & mask
    h ^= h >> np.uint64(16)
    h = (h * np.uint64(0x7FEB352D)) & mask
    h ^= np.uint64(second)
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(0x846CA68B)) & mask
    return h ^ (h >> np.uint64(16))


@given(st.integers(0, 2**31), st.integers(0, 10**6), st.text(max_size=8))
@settings(max_examples=50, deadline=None)
def test_hash_is_the_documented_one(seed: int, step: int, layer: str) -> None:
    key = Key(seed, step, layer, "E")
    index = np.array([0, 1, 2, 12345, 2**31 - 1])
    found = hash32(torch.tensor(index, dtype=torch.int32), key).numpy().astype(np.int64) & 0xFFFFFFFF
    assert (found == reference_hash(index, key).astype(np.int64)).all()


@pytest.mark.parametrize("value", [-2.75, -0.5, 0.1, 0.5, 3.999])
def test_stochastic_rounding_is_unbiased(value: float) -> None:
    n = 200_000
    rounded = round_to_integer(torch.full((n,), value), "stochastic", Key(7, 1, "layer", "E"))
    low = np.floor(value)
    assert set(rounded.tolist()) <= {low, low + 1.0}
    fraction = value - low
    sigma = np.sqrt(fraction * (1 - fraction) / n)
    assert abs(rounded.double().mean().item() - value) < 4.5 * sigma + 1e-7


def test_uniforms_are_uniform_and_keys_independent() -> None:
    n = 1 << 18
    like = torch.empty(n)
    a, b = (uniform(like, *arguments(Key(0, step, "conv1", "E"))).double().numpy() for step in (1, 2))
    for draws in (a, b):
        counts = np.histogram(draws, bins=64, range=(0, 1))[0]
        assert ((counts - n / 64) ** 2 / (n / 64)).sum() < 63 + 5 * np.sqrt(2 * 63)  # chi square, five sigma
        assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 5 / np.sqrt(n)
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(n)


def test_the_stated_limit_of_the_hash() -> None:
    """docs/numerics.md: pairs inside one tensor are uncorrelated within 0.005, yet not independent by χ²."""
    n, bins, worst = 1 << 20, 64, 0.0
    for seed in (1, 2):
        draws = uniform(torch.empty(n + 1024), *arguments(Key(seed, 1, "conv1", "E"))).double().numpy()
        for lag in (1, 16, 64, 1024):
            a, b = draws[:n], draws[lag : lag + n]
            assert abs(np.corrcoef(a, b)[0, 1]) < 0.005
            cells = np.bincount((a * bins).astype(int) * bins + (b * bins).astype(int), minlength=bins**2)
            chi = ((cells - n / bins**2) ** 2).sum() / (n / bins**2)
            worst = max(worst, (chi - bins**2 + 1) / np.sqrt(2 * bins**2 - 2))
    assert worst > 5, "the hash passes: take the limit out of docs/numerics.md"


@given(st.integers(0, 400), st.integers(1, 200))
@settings(max_examples=30, deadline=None)
def test_a_part_draws_the_numbers_of_the_whole(start: int, size: int) -> None:
    v = torch.linspace(-3, 3, 600)
    key = Key(1, 2, "a", "A")
    whole = round_to_integer(v, "stochastic", key)
    part = round_to_integer(v[start : start + size], "stochastic", key, offset=start)
    assert torch.equal(part, whole[start : start + size])


def test_nearest_ties_to_even_and_floor() -> None:
    v = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4])
    assert round_to_integer(v, "nearest", Key()).tolist() == [-2, -2, 0, 0, 2, 2, 2]
    assert round_to_integer(v, "floor", Key()).tolist() == [-3, -2, -1, 0, 1, 2, 2]


def test_every_part_of_the_key_matters() -> None:
    base = Key(1, 2, "a", "A", 0)
    others = [
        Key(2, 2, "a", "A"),
        Key(1, 3, "a", "A"),
        Key(1, 2, "b", "A"),
        Key(1, 2, "a", "E"),
        Key(1, 2, "a", "A", 1),
        Key(1, 2, "a", "A", 0, "1"),
    ]
    assert len({k.words() for k in [base, *others]}) == 7
