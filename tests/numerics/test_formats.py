"""Formats: bit-exact where torch has the same one, as many levels as the bits allow, and never beyond the range."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lbt.errors import LbtError
from lbt.kernels.quantize import fake_quantize, quantize
from lbt.numerics.formats import parse_format, words
from lbt.numerics.formats.float import Float
from lbt.numerics.formats.int import Int
from lbt.numerics.formats.mx import MX
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec

KEY = Key(3, 5, "layer", "A")
WORDS = words()


def sample(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator) * torch.randn(*shape, generator=generator).exp()


def unscaled(exponent: int, mantissa: int, specials: str) -> RoleSpec:
    form = Float.model_validate({"exponent": exponent, "mantissa": mantissa, "specials": specials, "scale": "one"})
    return RoleSpec(format=form)


@pytest.mark.parametrize(
    ("exponent", "mantissa", "specials", "dtype", "largest"),
    [
        (4, 3, "fn", torch.float8_e4m3fn, 448.0),
        (5, 2, "ieee", torch.float8_e5m2, 57344.0),
        (5, 10, "ieee", torch.float16, 65504.0),
        (8, 7, "ieee", torch.bfloat16, 3.3895313892515355e38),
    ],
)
def test_minifloats_equal_torch(
    exponent: int, mantissa: int, specials: str, dtype: torch.dtype, largest: float
) -> None:
    spec = unscaled(exponent, mantissa, specials)
    assert spec.format.largest == largest
    wide = sample(0, 200_000) * torch.logspace(-9, 4, 200_000)
    ties = torch.arange(-4096, 4096).float() / 64
    x = torch.cat([wide, ties]).clamp(-largest, largest)
    assert torch.equal(fake_quantize(x, spec, KEY), x.to(dtype).float())


def test_what_float32_cannot_hold_is_refused() -> None:
    assert parse_format("e8m3").specials == "ieee"
    x = sample(1, 1000)
    assert torch.equal(fake_quantize(x, RoleSpec(format="e8m10"), KEY), fake_quantize(x, RoleSpec(format="e8m10"), KEY))
    with pytest.raises(ValueError, match="beyond float32"):
        Float(exponent=8, mantissa=3, specials="none")


@pytest.mark.parametrize(("exponent", "mantissa"), [(1, 0), (1, 2), (2, 1), (3, 4), (5, 10), (8, 10), (8, 0)])
def test_minifloats_against_the_list_of_their_numbers(exponent: int, mantissa: int) -> None:
    """Nearest and floor, against all numbers of the format written out."""
    specials = "ieee" if exponent == 8 else "none"
    form = Float(exponent=exponent, mantissa=mantissa, specials=specials, scale="one")
    numbers = np.unique(form.decode(torch.arange(-form.top_code, form.top_code + 1)).double().numpy())
    assert len(numbers) == 2 * form.top_code + 1
    spread = np.geomspace(max(form.decode(torch.tensor([1])).item() / 8, 1e-37), min(form.largest, 1e38), 3000)
    x = torch.from_numpy(np.concatenate([spread, -spread, numbers])).float()
    found = form.decode(form.encode(x, torch.round).int()).double().numpy()
    least = np.abs(numbers[np.searchsorted(numbers, x.double().numpy()).clip(1, len(numbers) - 1)] - x.double().numpy())
    below = np.abs(
        numbers[np.searchsorted(numbers, x.double().numpy()).clip(1, len(numbers) - 1) - 1] - x.double().numpy()
    )
    assert np.isin(found, numbers).all()
    np.testing.assert_array_equal(np.abs(found - x.double().numpy()), np.minimum(least, below))


def test_minifloat_codes_are_the_bit_patterns() -> None:
    codes = quantize(torch.tensor([448.0, -1.0, 2.0**-9, 0.0]), unscaled(4, 3, "fn"), KEY).codes.flatten()
    assert codes.tolist() == [0x7E, -0x38, 1, 0]
    assert codes.dtype == torch.int8


@pytest.mark.parametrize("bits", range(1, 17))
@pytest.mark.parametrize("symmetric", [True, False])
def test_integers_use_their_levels_and_no_more(bits: int, symmetric: bool) -> None:
    x = torch.rand(100_000, generator=torch.Generator().manual_seed(1)) * 2 - 1
    form = Int(bits=bits, symmetric=symmetric or bits == 1)
    levels = fake_quantize(x, RoleSpec(format=form), KEY).unique().numel()
    most = 2 if bits == 1 else 2**bits - 1 if symmetric else 2**bits
    assert levels <= most
    assert levels > 0.7 * most


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_dequantized_values_quantize_to_themselves(word: str, rounding: str) -> None:
    spec = RoleSpec(format=word, rounding=rounding)
    first = quantize(sample(2, 4, 48, 3, 3), spec, KEY)
    once = first.dequantize()
    second = quantize(once, RoleSpec(format=word), KEY)
    again = second.dequantize()
    if torch.allclose(first.scale, second.scale):
        torch.testing.assert_close(again, once, rtol=1e-6, atol=0)
    else:  # a scale that is rounded itself, and found anew from rounded values
        assert (again - once).abs().max() <= 0.1 * once.abs().max()


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 3, 7), (2, 5, 3, 3), (1, 1, 1, 1)])
@pytest.mark.parametrize("value", [0.0, 1.5, -2e-30, 3e-38, 1e30])
def test_zeros_constants_and_single_elements(word: str, shape: tuple[int, ...], value: float) -> None:
    x = torch.full(shape, value)
    y = fake_quantize(x, RoleSpec(format=word), KEY)
    assert y.shape == x.shape
    assert torch.isfinite(y).all()
    if value == 1.5:
        torch.testing.assert_close(y, x, rtol=0.34, atol=0)  # coarsest: a rounded scale, and one mantissa bit
    if value == 0.0 and parse_format(word).element_format.grid != "other":  # a sign has no zero
        assert (y == 0).all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("word", ["int8", "uint8", "e4m3", "bf16", "mxe4m3"])
@pytest.mark.parametrize("rule", ["max", "percentile", "sigma", "mse", "fixed"])
def test_not_a_number_is_an_error_that_names_layer_and_role(bad: float, word: str, rule: str) -> None:
    x = torch.ones(8, 8)
    x[3, 3] = bad
    with pytest.raises(LbtError, match="'layer', role A"):
        fake_quantize(x, RoleSpec(format=word, range=rule), KEY)


@given(st.integers(2, 16), st.integers(0, 1000), st.floats(1e-12, 1e12))
@settings(max_examples=60, deadline=None)
def test_integer_error_is_at_most_half_a_step(bits: int, seed: int, size: float) -> None:
    x = sample(seed, 257) * size
    q = quantize(x, RoleSpec(format=Int(bits=bits)), KEY)
    step = q.scale.item()
    assert ((q.dequantize() - x).abs() <= step * (0.5 + 1e-3)).all()
    assert q.codes.abs().max() == 2 ** (bits - 1) - 1


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_pow2_scales_are_powers_of_two(seed: int) -> None:
    spec = RoleSpec(format="int8-pow2", granularity="channel")
    scale = quantize(sample(seed, 4, 6, 3, 3), spec, KEY).scale
    assert ((scale.log2() % 1) == 0).all()


def test_mx_follows_the_specification() -> None:
    """Section 6.3 for one block, written out: shared exponent, then elements by torch's own float8."""
    x = sample(4, 16, 32) * 100
    ours = fake_quantize(x, RoleSpec(format=MX(element="e4m3")), KEY)
    for row, found in zip(x.numpy(), ours.numpy(), strict=True):
        shared = 2.0 ** (np.floor(np.log2(np.abs(row).max())) - 8)
        element = torch.tensor(row / shared).clamp(-448, 448).to(torch.float8_e4m3fn).float().numpy()
        assert (found == element * shared).all()


def test_storage_bits() -> None:
    assert parse_format("int8").storage_bits == 8
    assert parse_format("mxe2m1").storage_bits == 4.25
    assert parse_format("bfp8").storage_bits == 8.5
    assert parse_format("nvfp4").storage_bits == 4.5


def test_nvfp4_follows_the_paper() -> None:
    """arXiv 2509.25149, section 2, written out: torch's float8 for the block scales, the eight magnitudes by hand."""
    x = sample(5, 6, 32) * 1e-3
    tensor = x.abs().max() / (6 * 448)
    grid = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])
    ours = fake_quantize(x, RoleSpec(format="nvfp4"), KEY)
    for row, found in zip(x.reshape(-1, 16), ours.reshape(-1, 16), strict=True):
        scale = (row.abs().max() / 6 / tensor).to(torch.float8_e4m3fn).float() * tensor
        element = (row * scale.reciprocal()).clamp(-6, 6)
        nearest = grid[(element.abs()[:, None] - grid).abs().argmin(1)] * element.sign()
        torch.testing.assert_close(found, nearest * scale, rtol=1e-6, atol=0)
