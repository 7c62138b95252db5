"""Both ends of float32: finite inputs give finite outputs, MX reaches 2^-127, and every backend agrees on e8m0."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

from lbt.kernels import loops, plain
from lbt.kernels.quantize import fake_quantize, quantize
from lbt.numerics.formats import parse_format, words
from lbt.numerics.formats.float import Float
from lbt.numerics.formats.int import Int
from lbt.numerics.ranges import RANGES
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec

KEY = Key(3, 5, "layer", "A")
TOP = torch.finfo(torch.float32).max
TINY = 2.0**-149
ENDS = [0.0, TINY, 2.0**-127, 1.5 * 2.0**-126, 2.0**-101, 2.0**-100, 1.0, 2.0**126, 2.0**127, 1.5 * 2.0**127, TOP]
TENSORS = [torch.tensor([[a, b, -b, a if b < 1 else -a] * 3]).view(2, 6) for a in (TINY, 1.0, TOP) for b in ENDS]
MORE = ["int1", "uint1", "int2-pow2", "int3-pow2", "int16-pow2", "e8m0", "e8m0-pow2", "e8m10", "e1m0", "e7m0", "bfp16"]
SHIFTED = [
    {"kind": "int", "bits": bits, "scale": "pow2", "symmetric": symmetric, "shift": shift}
    for bits in (2, 8)
    for symmetric in (True, False)
    for shift in ("up", "nearest")
]
ALL = [*words(), *MORE, *SHIFTED]


@pytest.mark.parametrize("form", ALL, ids=str)
def test_finite_inputs_give_finite_outputs(form: str | dict) -> None:
    parsed = parse_format(form)
    granularities = [parsed.granularity] if parsed.granularity else ["tensor", "channel", "block(4)"]
    fast = parsed.element_format.grid != "other"
    for granularity in granularities:
        for rounding in ("nearest", "stochastic", "floor"):
            spec = RoleSpec(format=parsed, granularity=granularity, rounding=rounding)
            for x in TENSORS:
                y = fake_quantize(x, spec, KEY, backend=plain)
                assert torch.isfinite(y).all(), (spec, x)
                if fast:
                    assert torch.equal(fake_quantize(x, spec, KEY, backend=loops), y), (spec, x)


@pytest.mark.parametrize("rule", RANGES.names())
@pytest.mark.parametrize("form", ["int8", "int2-pow2", "uint4", "e4m3", "sign"])
def test_finite_outputs_under_every_rule(rule: str, form: str) -> None:
    spec = RoleSpec.model_validate({"format": form, "range": rule, "rounding": "stochastic"})
    for x in TENSORS[::2]:
        for backend in (plain, loops) if form != "sign" else (plain,):
            y = fake_quantize(x, spec, KEY, running=torch.full((1,), -1.0), backend=backend)
            assert torch.isfinite(y).all(), (rule, x)


@pytest.mark.parametrize("word", ["int8", "int4", "e4m3", "uint8", "mxe4m3", "int8-pow2"])
def test_the_largest_number_is_kept(word: str) -> None:
    """Not only finite: within a step of what went in."""
    x = torch.tensor([TOP, 0.0, -TOP if word != "uint8" else 0.0])
    y = fake_quantize(x, RoleSpec(format=word), KEY)
    assert (y[0] / TOP).item() == pytest.approx(1, abs=0.13)


def test_two_ends_whose_distance_is_beyond_float32() -> None:
    x = torch.tensor([-TOP, -TOP / 2, 0.0, TOP / 2, TOP])
    y = fake_quantize(x, RoleSpec(format="uint8"), KEY)
    assert torch.allclose(y / TOP, x / TOP, atol=0.01)
    assert y[2] == 0


# ------------------------------------------------------------------------------------------------------------------ mx


@pytest.mark.parametrize("element", ["e4m3", "e5m2", "e2m1", "int8"])
def test_mx_reaches_down_to_the_smallest_scale(element: str) -> None:
    """OCP MX 1.0: E8M0 scales from 2^-127; the definition of section 6.3 in float64."""
    spec = RoleSpec(format=f"mx{element}")
    form = parse_format(f"mx{element}").element_format
    emax = int(np.floor(np.log2(form.largest)))
    shape = torch.randn(64, generator=torch.Generator().manual_seed(0))
    shape[0] = 1.9
    shape = shape.clamp(-1.9, 1.9)
    for power in (-99, -101, -110, -119, -124, -127, -135):
        x = shape * 2.0**power
        found = quantize(x, spec, KEY)
        for backend in (plain, loops):
            assert torch.equal(fake_quantize(x, spec, KEY, backend=backend), found.dequantize())
        for block, scale in zip(x.view(2, 32), found.scale.flatten().tolist(), strict=True):
            expected = max(2.0**-127, 2.0 ** (np.floor(np.log2(float(block.abs().max()))) - emax))
            assert scale == expected
        wide = x.double().view(2, 32) / found.scale.double()
        grid = form.decode(form.encode(wide.float(), torch.round)).double() * found.scale.double()
        assert torch.equal(found.dequantize().double().view(2, 32), grid)
    assert (fake_quantize(torch.full((32,), 2.0**-120), spec, KEY) == 2.0**-120).all()


@pytest.mark.parametrize("element", ["e2m1", "e3m2", "e4m3", "int8", "int4"])
def test_a_scale_rounded_up_never_saturates_and_is_unbiased(element: str) -> None:
    g = torch.Generator().manual_seed(0)
    form = parse_format(f"mx{element}")
    top = form.largest / 2.0 ** np.floor(np.log2(form.largest))  # the largest significand, as 1.5 for e2m1
    x = torch.rand(32, generator=g) * 2 - 1
    x[0], x[1] = (top + 2) / 2, top  # above the largest element, and at it
    for power in (-20, 0, 30):
        y = x * 2.0**power
        scale = quantize(y, RoleSpec(format=f"mx{element}-up"), KEY).scale.item()
        smallest = 2.0 ** np.ceil(np.log2(float(y.abs().max()) / form.largest))
        assert scale == smallest

    draws = 4000

    def bias(word: str) -> torch.Tensor:
        """Mean of many roundings minus the value, in standard deviations of that mean."""
        y = fake_quantize(x.repeat(draws, 1), RoleSpec(format=word, rounding="stochastic"), KEY).double()
        return (y.mean(0) - x) / (y.std(0) / draws**0.5 + 1e-6)

    assert bias(f"mx{element}-up").abs().max() < 5
    down = bias(f"mx{element}")
    assert down[0] < -1000  # it saturates, always to the same value
    assert down[1:].abs().max() < 5


def test_a_scale_rounded_up_at_the_end_of_float32() -> None:
    x = torch.full((32,), TOP)
    assert (fake_quantize(x, RoleSpec(format="mxe2m1-up"), KEY) == 6 * 2.0**125).all()


def test_the_word_of_a_scale_rounded_up() -> None:
    assert parse_format("mxe4m3-up").shift == "up"
    assert str(parse_format("mxe2m1-up")) == "mxe2m1-up"
    with pytest.raises(ValueError, match="words such as"):
        parse_format("mxe4m3-down")


# ---------------------------------------------------------------------------------------------------------------- e8m0


def interesting() -> torch.Tensor:
    """Every exponent of float32 with significands at, and next to, powers, ties, and the top."""
    exponents = torch.arange(0, 255, dtype=torch.int32)[:, None] << 23
    fractions = torch.tensor([0, 1, 0x3FFFFF, 0x400000, 0x400001, 0x7FFFFF, 0x200000, 0x600000], dtype=torch.int32)
    positive = (exponents | fractions).view(torch.float32).flatten()
    return torch.cat([positive, -positive])


def test_e8m0_is_torchs() -> None:
    """Where both are defined: positive, from the smallest normal number to 2^127 (ours saturates, theirs is NaN)."""
    x = interesting()
    x = x[(x >= 2.0**-126) & (x <= 2.0**127)]
    form = Float(exponent=8, mantissa=0, specials="ieee", scale="one")
    expected = x.to(torch.float8_e8m0fnu).float()
    for backend in (plain, loops):
        assert torch.equal(fake_quantize(x, RoleSpec(format=form), KEY, backend=backend), expected)
    three = fake_quantize(torch.tensor([1.5, 3.0, 6.0]), RoleSpec(format=form), KEY)
    assert three.tolist() == [2, 4, 8]


@pytest.mark.parametrize("exponent", range(1, 9))
@pytest.mark.parametrize("mantissa", [0, 1, 10])
@pytest.mark.parametrize("rounding", ["nearest", "stochastic", "floor"])
def test_minifloats_agree_in_every_backend(exponent: int, mantissa: int, rounding: str) -> None:
    form = Float(exponent=exponent, mantissa=mantissa, specials="ieee" if exponent == 8 else "none", scale="one")
    x, spec = interesting(), RoleSpec(format=form, rounding=rounding)
    slow = quantize(x, spec, KEY, backend=plain)
    fast = quantize(x, spec, KEY, backend=loops)
    assert torch.equal(fast.codes, slow.codes)
    assert torch.equal(fast.values, slow.values)


@pytest.mark.parametrize("exponent", range(1, 9))
def test_ties_without_a_mantissa_go_up(exponent: int) -> None:
    """Both neighbours' significands are 1: the even one is 2, that of the next power."""
    form = Float(exponent=exponent, mantissa=0, specials="ieee" if exponent == 8 else "none", scale="one")
    powers = torch.arange(form.lowest_exponent, int(np.log2(form.largest))).double()
    x = (1.5 * 2.0**powers).float()
    assert torch.equal(fake_quantize(x, RoleSpec(format=form), KEY), (2.0 ** (powers + 1)).float())


# -------------------------------------------------------------------------------------------------------------- sweeps


@pytest.mark.parametrize("rule", ["mse", "cosine", "magnitude_aware"])
@pytest.mark.parametrize("backend", [plain, loops])
def test_a_sweep_finds_the_same_at_any_size(rule: str, backend: ModuleType) -> None:
    """Losses of small and of large tensors stay within float32, so that a power of two changes nothing."""
    x = torch.distributions.Laplace(0.0, 1.0).sample((4000,))
    spec = RoleSpec.model_validate({"format": Int(bits=4), "range": rule})
    ordinary = quantize(x, spec, KEY, backend=backend)
    for power in (-90, -40, 40, 110):
        found = quantize(x * 2.0**power, spec, KEY, backend=backend)
        assert torch.equal(found.codes, ordinary.codes)
        assert found.scale.item() == ordinary.scale.item() * 2.0**power
