"""Every unit does what it says: exhaustively for small widths, against NumPy for floats and wide numbers."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
import torch

pytest.importorskip("amaranth")

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lbt.errors import LbtError
from lbt.fixed import arithmetic as fixed
from lbt.hardware.rtl import divide, floating, norm, requantize, rounding, update
from lbt.hardware.rtl.mac import Mac
from lbt.hardware.rtl.multiplier import Multiplier
from lbt.hardware.widths import norm_sum
from lbt.numerics.rounding import Key, hash32, round_to_integer

from ._simulate import run

RANDOM = np.random.default_rng(7)


def signed_range(bits: int) -> np.ndarray:
    return np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1))


def every_pair(a: int, b: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(signed_range(a), signed_range(b), indexing="ij")
    return x.ravel(), y.ravel()


def draw(bits: int, count: int) -> np.ndarray:
    return RANDOM.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), count)


def clamp(x: np.ndarray, bits: int) -> np.ndarray:
    return np.clip(x, -(2 ** (bits - 1) - 1), 2 ** (bits - 1) - 1)


@pytest.mark.parametrize("style", ["plain", "booth"])
@pytest.mark.parametrize(("a", "b"), [(4, 4), (5, 3), (3, 6), (2, 2)])
def test_multipliers_exhaustively(a: int, b: int, style: str) -> None:
    x, y = every_pair(a, b)
    assert np.array_equal(run(Multiplier(a, b, style), {"a": x, "b": y}, ["p"])["p"], x * y)


def test_a_wide_booth_multiplier() -> None:
    x, y = np.append(draw(16, 300), -(2**15)), np.append(draw(13, 300), -(2**12))
    assert np.array_equal(run(Multiplier(16, 13, "booth"), {"a": x, "b": y}, ["p"])["p"], x * y)


@pytest.mark.parametrize("style", ["plain", "booth"])
def test_mac_accumulates_and_clears(style: str) -> None:
    x, y, clear = draw(8, 200), draw(8, 200), np.arange(200) % 50 == 0
    got = run(Mac(8, 8, 24, style), {"a": x, "b": y, "clear": clear}, ["total"], latency=2)["total"]
    total, expected = 0, []
    for a, b, c in zip(x, y, clear, strict=True):
        total = 0 if c else total + a * b
        expected.append(total)
    assert np.array_equal(got, expected)


def half_even(x: np.ndarray, shift: np.ndarray) -> np.ndarray:
    low = x >> shift
    twice = 2 * (x - (low << shift))
    return low + ((twice > (1 << shift)) | ((twice == (1 << shift)) & (low % 2 == 1)))


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_requantizer_by_shift_exhaustively(bits: int) -> None:
    x = np.tile(signed_range(8), 8)
    shift = np.repeat(np.arange(8), 256)
    got = run(requantize.Requantizer(8, bits, "shift"), {"x": x, "shift": shift}, ["y"])["y"]
    largest = max(1, 2 ** (bits - 1) - 1)
    assert np.array_equal(got, np.clip(half_even(x, shift), -largest, largest))


def test_requantizer_by_multiplier() -> None:
    x, shift = draw(32, 400), RANDOM.integers(0, 48, 400)
    multiplier = RANDOM.integers(0, 2**16, 400)
    unit = requantize.Requantizer(32, 8, "multiplier")
    got = run(unit, {"x": x, "shift": shift, "multiplier": multiplier}, ["y"], latency=2)["y"]
    assert np.array_equal(got, clamp(half_even(x * multiplier, shift), 8))
    assert len(np.unique(got)) > 20


@pytest.mark.parametrize("style", ["shift_stochastic", "multiplier_stochastic"])
def test_requantizer_rounds_either_way(style: str) -> None:
    """Against unbounded integers: ties to even, or the carry of 32 bits of fraction and random number."""
    n, multiplies = 400, style.startswith("multiplier")
    x, shift = draw(32, n), RANDOM.integers(30 if multiplies else 16, 48 if multiplies else 32, n)
    shift[::8] = RANDOM.integers(0, 16, len(shift[::8]))
    multiplier = RANDOM.integers(0, 2**16, n) if multiplies else np.ones(n, int)
    random, nearest = RANDOM.integers(0, 2**32, n), RANDOM.integers(0, 2, n)
    inputs = {"x": x, "shift": shift, "random": random, "nearest": nearest}
    inputs |= {"multiplier": multiplier} if multiplies else {}
    unit = requantize.Requantizer(32, 8, style)
    got = run(unit, inputs, ["y"], latency=2 if multiplies else 1)["y"]
    exact = [int(a) * int(m) for a, m in zip(x, multiplier, strict=True)]
    drawn = [((a << 32) + (int(r) << int(s))) >> (32 + int(s)) for a, r, s in zip(exact, random, shift, strict=True)]
    expected = np.where(nearest, half_even(x * multiplier, shift), np.array(drawn))
    assert np.array_equal(got, clamp(expected, 8))
    assert (clamp(expected, 8) != clamp(half_even(x * multiplier, shift), 8)).sum() > 5


def test_nearest_rounding_exhaustively() -> None:
    x = signed_range(10)
    got = run(rounding.Nearest(10, 5), {"x": x}, ["y"])["y"]
    assert np.array_equal(got, clamp(half_even(x, np.full_like(x, 5)), 5))


def test_lfsr_rounding_is_unbiased_and_never_off_by_more_than_one() -> None:
    x = np.full(3000, 1234)
    got = run(rounding.Lfsr(16, 8), {"x": x}, ["y"])["y"]
    assert set(got) == {4, 5}
    assert got.mean() == pytest.approx(1234 / 256, abs=0.03)


def shifted(state: int, steps: int) -> int:
    """The register of the longest period's polynomial in Python's integers."""
    for _ in range(steps):
        bit = (state ^ (state >> 10) ^ (state >> 30) ^ (state >> 31)) & 1
        state = (state >> 1) | (bit << 31)
    return state


def test_the_shift_register_steps_32_times_a_draw() -> None:
    states = run(rounding.ShiftRegister(), {}, ["bits"], latency=0, length=200)["bits"]
    expected = [1]
    while len(expected) < 200:
        expected.append(shifted(expected[-1], 32))
    assert list(states) == expected


def test_each_column_s_register_starts_elsewhere_in_the_same_sequence() -> None:
    few = run(rounding.ShiftRegister(3), {}, ["bits"], latency=0, length=2)["bits"]
    assert few[1] == shifted(int(few[0]), 32)
    assert len({rounding.start(column) for column in range(256)}) == 256
    with pytest.raises(LbtError, match="found column 4096; accepted: 0 to 4095"):
        rounding.start(4096)
    back = rounding.repeated(rounding.one_step(), 2**32 - 1 - 5 * 32 * rounding.COLUMN)
    assert rounding.applied(back, rounding.start(5)) == 1  # the whole period: no state comes twice before


def test_draws_of_the_shift_register_are_independent() -> None:
    """Neighbours in time and neighbouring columns; a mean of many has the variance of independent ones."""
    few, many = 400, 400
    state = np.array([rounding.start(column) for column in range(many)])
    masks = np.array(rounding.DRAW)[:, None]
    draws = np.empty((few, many))
    for index in range(few):
        draws[index] = (state & 0xFFFFFF) / 2**24 - 0.5
        state = ((np.bitwise_count(state & masks) & 1) << np.arange(32)[:, None]).sum(0)
    for lag in (1, 2, 3):
        assert abs(np.corrcoef(draws[:-lag].ravel(), draws[lag:].ravel())[0, 1]) < 0.02
    pairs = np.corrcoef(draws.T)[np.triu_indices(many, 1)]  # of all columns; 5 standard errors at most
    assert np.abs(pairs).max() < 5.5 / few**0.5
    assert pairs.std() == pytest.approx(1 / few**0.5, rel=0.05)
    windows = draws.reshape(-1, 20, many).mean(1)
    assert windows.var() * 20 / draws.var() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("constant", [1, 3, 0x7FEB352D, 0x846CA68B, 0xFFFFFFFF, 0x55555555])
def test_multiplying_by_a_constant(constant: int) -> None:
    """The digit additions of the hash, as a registered unit."""

    class Times(wiring.Component):
        def __init__(self) -> None:
            super().__init__({"x": In(32), "y": Out(32)})

        def elaborate(self, platform: object) -> Module:
            m = Module()
            m.d.sync += self.y.eq(rounding.times(m, self.x, constant))
            return m

    x = np.append(RANDOM.integers(0, 2**32, 40), [0, 1, 2**32 - 1])
    assert [int(v) for v in run(Times(), {"x": x}, ["y"])["y"]] == [int(v) * constant % 2**32 for v in x]


def test_the_hash_is_the_trainer_s() -> None:
    key = Key(3, 14, "conv1", "E")
    first, second = key.words()
    index = RANDOM.integers(0, 2**32, 300)
    inputs = {"index": index, "first": np.full(300, first), "second": np.full(300, second)}
    got = run(rounding.CounterHash(), inputs, ["hash"], latency=3)["hash"]
    signed = torch.from_numpy(np.where(index >= 2**31, index - 2**32, index)).int()
    assert np.array_equal(got, hash32(signed, key).numpy().view(np.uint32).astype(np.int64))


def test_stochastic_rounding_is_the_trainer_s_bit_for_bit() -> None:
    """Accumulators rounded by the RTL and by the trainer's own function on the same key and element indices."""
    key = Key(5, 2, "conv2", "G")
    first, second = key.words()
    x = draw(20, 500)
    inputs = {"x": x, "index": np.arange(500), "first": np.full(500, first), "second": np.full(500, second)}
    got = run(rounding.Hash(20, 8), inputs, ["y"], latency=4)["y"]
    values = torch.from_numpy(x).double() / 2**12
    expected = round_to_integer(values, "stochastic", key).clamp(-127, 127)
    assert np.array_equal(got, expected.numpy().astype(np.int64))
    assert not torch.equal(expected, values.round().clamp(-127, 127))


def flushed(x: np.ndarray, exponent: int, mantissa: int) -> np.ndarray:
    """Subnormals to zero, NaN payloads to infinity, as the units treat them."""
    power = (x >> mantissa) & (2**exponent - 1)
    x = np.where(power == 2**exponent - 1, x & ~(2**mantissa - 1), x)
    return np.where(power == 0, x & (1 << (exponent + mantissa)), x)


FLOATS = [(5, 10, "float16"), (8, 7, "bfloat16"), (8, 23, "float32")]


@pytest.mark.parametrize(("exponent", "mantissa", "name"), FLOATS)
@pytest.mark.parametrize("operation", ["plain", "booth", "add"])
def test_floats_against_numpy(exponent: int, mantissa: int, name: str, operation: str) -> None:
    """Multipliers by their style, and the adder."""
    kind = np.dtype(getattr(pytest.importorskip("ml_dtypes"), name) if name == "bfloat16" else name)
    bits, count = 1 + exponent + mantissa, 1000
    integer = {16: np.uint16, 32: np.uint32}[bits]
    a, b = RANDOM.integers(0, 2**bits, (2, count))
    # half of the pairs nearly cancel
    b[::2] = (a[::2] & ~(2**mantissa - 1)) ^ (1 << (bits - 1)) | (b[::2] & (2**mantissa - 1))
    a, b = flushed(a, exponent, mantissa), flushed(b, exponent, mantissa)
    x, y = a.astype(integer).view(kind), b.astype(integer).view(kind)
    unit, output = floating.FloatAdder(exponent, mantissa), "s"
    if operation != "add":
        unit, output = floating.FloatMultiplier(exponent, mantissa, operation), "p"
    got = run(unit, {"a": a, "b": b}, [output])[output]
    with np.errstate(all="ignore"):
        result = x + y if operation == "add" else x * y
    known = ~np.isnan(result)
    expected = flushed(result.view(integer).astype(np.int64), exponent, mantissa)
    assert known.sum() > 0.9 * count
    assert np.array_equal(got[known], expected[known])


def test_fp8_exhaustively() -> None:
    """All products and sums of ⟨4,3⟩ numbers against exact arithmetic, on a sample of one operand."""
    numbers = flushed(np.arange(256), 4, 3)
    a, b = (v.ravel() for v in np.meshgrid(np.unique(numbers), np.unique(numbers)[::5], indexing="ij"))
    for unit, output, exact in (
        (floating.FloatMultiplier(4, 3, "plain"), "p", value(a) * value(b)),
        (floating.FloatAdder(4, 3), "s", value(a) + value(b)),
    ):
        got = value(run(unit, {"a": a, "b": b}, [output])[output])
        finite = np.isfinite(value(a)) & np.isfinite(value(b))
        assert np.array_equal(got[finite], nearest_e4m3(exact[finite]))


def value(bits: np.ndarray) -> np.ndarray:
    power, fraction = (bits >> 3) & 15, bits & 7
    magnitude = np.where(power == 0, 0.0, np.where(power == 15, np.inf, (8 + fraction) / 8 * 2.0 ** (power - 7)))
    return np.where(bits >> 7, -magnitude, magnitude)


def nearest_e4m3(x: np.ndarray) -> np.ndarray:
    """Round half to even on the grid of ⟨4,3⟩ without subnormals; 2^8 and above is infinite."""
    power = np.floor(np.log2(np.maximum(np.abs(x), 1e-30)))
    rounded = np.round(x / 2.0 ** (power - 3)) * 2.0 ** (power - 3)
    rounded = np.where(np.abs(rounded) < 2.0**-6, 0.0, rounded)
    return np.where(np.abs(rounded) >= 2.0**8, np.sign(x) * np.inf, rounded)


@pytest.mark.parametrize("style", norm.STYLES)
def test_norm_lane(style: str) -> None:
    x, dy = draw(8, 60), draw(8, 60)
    clear, back = np.arange(60) == 0, np.arange(60) >= 30
    a, b, k = draw(16, 60), draw(30, 60), draw(16, 60)
    inputs = {"x": x, "dy": dy, "a": a, "b": b, "back": back, "clear": clear}
    outputs = ["y", "total", "product"]
    if style != "affine_bn":
        inputs["k"] = k
    if style == "range_bn":
        outputs += ["largest", "smallest"]
    got = run(norm.NormLane(8, style, 24), inputs, outputs)
    moving = np.where(back, dy, x)
    step = np.where(back, dy * x, 0 if style == "range_bn" else x * x)
    assert np.array_equal(got["total"], np.cumsum(np.where(clear, 0, moving)))
    assert np.array_equal(got["product"], np.cumsum(np.where(clear, 0, step)))
    extra = np.where(back, x * k, 0) if style != "affine_bn" else 0
    assert np.array_equal(got["y"], (moving * a + b + extra) >> 16)
    if style == "range_bn":
        assert got["largest"][-1] == x[1:].max()
        assert got["smallest"][-1] == x[1:].min()


@pytest.mark.parametrize("bits", [2, 5, 8, 16, 24])
def test_sums_of_a_norm_lane_hold_the_extremes(bits: int) -> None:
    """Σx² and Σdy·x of the most negative codes, and a·x + b at its limits, in Python's integers."""
    n, low = 16, -(2 ** (bits - 1))
    unit = norm.NormLane(bits, "full_bn", norm_sum(bits, n))
    offset = 2 ** (len(unit.b) - 1) - 1
    back, clear = np.arange(n + 1) > n, np.arange(n + 1) == 0
    inputs = {"x": [low] * (n + 1), "dy": [low] * (n + 1), "back": back, "clear": clear}
    inputs |= {"a": [-(2**15)] * (n + 1), "b": [offset] * (n + 1), "k": [0] * (n + 1)}
    got = run(unit, inputs, ["y", "total", "product"])
    assert got["total"].tolist() == [i * low for i in range(n + 1)]
    assert got["product"].tolist() == [i * low * low for i in range(n + 1)]
    assert got["y"].tolist() == [(low * -(2**15) + offset) >> 16] * (n + 1)


def test_update() -> None:
    """Against the formula in unbounded integers, with gradients of units far above and far below the weight's."""
    n = 300
    w, v, g = draw(16, n), draw(16, n), draw(8, n)
    mu, eta, drop = RANDOM.integers(0, 2**15 + 1, n), RANDOM.integers(0, 2**15 + 1, n), RANDOM.integers(0, 79, n)
    random = RANDOM.integers(0, 2**32, n)
    inputs = {"w": w, "v": v, "g": g, "mu": mu, "eta": eta, "drop": drop, "random": random}
    got = run(update.Update(16, 8, 16), inputs, ["w_next", "v_next"], latency=2)
    kept = half_even(v * mu, np.full(n, 15))
    lifted = np.array([round(Fraction(int(x) << 16, 1 << int(d))) for x, d in zip(g, drop, strict=True)])
    v_next = clamp(kept + lifted, 16)
    assert np.array_equal(got["v_next"], v_next)
    assert np.array_equal(got["w_next"], clamp(w - ((v_next * eta + (random >> 17)) >> 15), 16))
    assert 20 < (np.abs(v_next) == 32767).sum() < 200


def test_rounding_to_one_bit_keeps_the_sign() -> None:
    x = signed_range(8)
    got = run(rounding.Nearest(8, 1), {"x": x}, ["y"])["y"]
    assert np.array_equal(got, np.clip(half_even(x, np.full_like(x, 7)), -1, 1))


def divided(unit: divide.Divider, x: list[int], divisor: list[int], root: bool) -> list[int]:
    """Quotients by ``divisor``, or roots, one after another; the last digit comes after as many cycles as digits."""
    cycles = unit.bits + 1
    start = [1, *[0] * unit.bits] * len(x)
    inputs = {"start": start, "x": np.repeat(np.array(x, object), cycles)}
    inputs["divisor"] = np.repeat(np.array(divisor, object), cycles)
    inputs |= {"root": [int(root)] * len(start)} if unit.has_root else {}
    return run(unit, inputs, ["y"])["y"][unit.bits // 2 if root else unit.bits :: cycles].tolist()


def test_division_and_root_exhaustively() -> None:
    pairs = [(x, d) for x in range(64) for d in range(1, 64, 3)]
    x, d = (list(one) for one in zip(*pairs, strict=True))
    for style in divide.STYLES:
        assert divided(divide.Divider(6, style), x, d, root=False) == [a // b for a, b in pairs]
    assert divided(divide.Divider(8, "root"), list(range(256)), [0] * 256, root=True) == [isqrt(x) for x in range(256)]


def test_a_norm_s_divider_computes_the_trainer_s_means_and_roots() -> None:
    """The same bits as lbt.fixed: means in offset binary, halves up, and the normalised reciprocal root."""
    n, unit = 1000, divide.Divider(48, "root")
    total = torch.from_numpy(RANDOM.integers(-(2**15) * n, 2**15 * n, 6))
    shifted = (total + n * 2**15) << 8
    means = divided(unit, (2 * shifted + n).tolist(), [2 * n] * 6, root=False)
    assert [mean - 2**23 for mean in means] == fixed.divide_round(total << 8, n).tolist()
    variance = torch.from_numpy(RANDOM.integers(1, 2**51, 6))
    mantissa, h = fixed.inverse_square_root(variance)
    normal = torch.where(h >= 0, variance >> (2 * h).clamp_min(0), variance << (-2 * h).clamp_min(0))
    roots = divided(unit, (normal << 16).tolist(), [0] * 6, root=True)
    assert roots == fixed.square_root(normal << 16).tolist()
    assert divided(unit, [2**37 + root // 2 for root in roots], roots, root=False) == mantissa.tolist()
