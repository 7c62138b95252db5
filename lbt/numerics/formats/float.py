"""Minifloats ⟨E,M⟩: a sign, E exponent bits, M mantissa bits, with subnormals.

``specials`` says what the top of the range means: ``ieee`` (the highest exponent is infinity and NaN: E5M2, fp16,
bf16), ``fn`` (only the all-ones code is NaN: E4M3, largest 448) or ``none`` (every code is a number, as in MX and MLS
elements). Values beyond the largest saturate. A code is the sign times the magnitude's bit pattern (exponent then
mantissa), which is monotonic in the value and fits int8 for up to eight bits.

Nearest rounding takes ties to the neighbour whose significand is even. Without mantissa bits every significand is 1,
and a tie goes up: 1.5 becomes 2, 3 becomes 4, as in ``torch.float8_e8m0fnu`` (which has no sign and no zero, and
reaches one power further down).

E4M3 and E5M2 agree bit for bit with ``torch.float8_e4m3fn`` and ``torch.float8_e5m2`` (within range), 5-10 with
``torch.float16`` and 8-7 with ``torch.bfloat16``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from lbt.numerics.formats._base import SMALLEST_RANGE, FormatBase, Multiplier, largest_scale
from lbt.numerics.formats.int import power_of_two

if TYPE_CHECKING:
    from torch import Tensor


class Float(FormatBase):
    """``Float(exponent=4, mantissa=3, specials="fn", scale="float")``."""

    kind: Literal["float"] = "float"
    exponent: int = Field(4, ge=1, le=8)
    """Exponent bits, 1 … 8."""
    mantissa: int = Field(3, ge=0, le=10)
    """Mantissa bits without the leading one, 0 … 10."""
    specials: Literal["ieee", "fn", "none"] = "none"
    """The codes that are not numbers."""
    scale: Literal["float", "pow2", "one"] = "float"
    """``one``: no scale, the format's own range must do (fp16, bf16)."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.specials == "ieee" and self.exponent < 2:
            raise ValueError("specials: ieee needs at least 2 exponent bits")
        if self.specials == "fn" and self.exponent == 1 and self.mantissa == 0:
            raise ValueError("specials: fn leaves no number in a format of 2 bits")
        if self.exponent == 8 and self.specials != "ieee":
            raise ValueError("exponent: 8 bits reach beyond float32 unless specials is ieee")
        return self

    @property
    def storage_bits(self) -> float:
        return float(1 + self.exponent + self.mantissa)

    @property
    def multiplier(self) -> Multiplier:
        return Multiplier(self.exponent, self.mantissa, "float")

    @property
    def grid(self) -> Literal["minifloats"]:
        return "minifloats"

    @property
    def bias(self) -> int:
        """Exponent bias 2^(E-1) - 1."""
        return 2 ** (self.exponent - 1) - 1

    @property
    def lowest_exponent(self) -> int:
        """Exponent of the smallest normal number, which subnormals share."""
        return 1 - self.bias

    @property
    def top_code(self) -> int:
        """The largest magnitude's bit pattern."""
        top = 2 ** (self.exponent + self.mantissa) - 1
        return {"none": top, "fn": top - 1, "ieee": top - 2**self.mantissa}[self.specials]

    @property
    def largest(self) -> float:
        biased, fraction = divmod(self.top_code, 2**self.mantissa)
        if biased == 0:
            return fraction * 2.0 ** (self.lowest_exponent - self.mantissa)
        return (1 + fraction / 2**self.mantissa) * 2.0 ** (biased - self.bias)

    @property
    def scaled(self) -> bool:
        return self.scale != "one"

    def scale_for(self, limit: Tensor) -> Tensor:
        import torch

        if self.scale == "one":
            return torch.ones_like(limit)
        scale = torch.where(limit < SMALLEST_RANGE, torch.ones_like(limit), limit / self.largest).clamp_min(2.0**-126)
        rounded = power_of_two(scale, "up") if self.scale == "pow2" else scale
        return rounded.clamp_max(largest_scale(self.largest, pow2=self.scale == "pow2"))

    def encode(self, v: Tensor, to_integer: Callable[[Tensor], Tensor]) -> Tensor:
        import torch

        sign_and_value = v.float().clamp(-self.largest, self.largest)
        exponent = sign_and_value.view(torch.int32).bitwise_right_shift(23).bitwise_and_(0xFF).sub_(127)
        exponent.clamp_min_(self.lowest_exponent)
        # in units of the last place: |units| <= 2^(M+1), exact because it only shifts the exponent
        units = to_integer(_shifted(sign_and_value, self.mantissa - exponent))
        biased = exponent.sub_(self.lowest_exponent).mul_(2**self.mantissa)  # 0 for subnormals and for the first binade
        magnitude = units.abs().to(torch.int32).add_(biased).clamp_max_(self.top_code)
        return magnitude.to(v.dtype).mul_(units.sign())

    def decode(self, codes: Tensor) -> Tensor:
        import torch

        magnitude = codes.abs().to(torch.int32)
        biased = magnitude.bitwise_right_shift(self.mantissa).clamp_min_(1)
        units = magnitude.sub_((biased - 1).mul_(2**self.mantissa)).float().mul_(codes.sign())
        return _shifted(units, biased.sub_(self.bias + self.mantissa))


def _shifted(x: Tensor, exponent: Tensor) -> Tensor:
    """float32 x · 2^exponent for exponents of -252 … 254, in two exact factors (one could leave float32's range)."""
    import torch

    half = exponent.bitwise_right_shift(1)
    powers = [part.add(127).bitwise_left_shift_(23).view(torch.float32) for part in (half, exponent - half)]
    return x.mul(powers[0]).mul_(powers[1])


Format = Float
WORDS = ("e4m3", "e5m2", "e2m1", "e1m3", "e7m3", "e5m2-pow2", "fp16", "bf16")

_NAMED = {
    "fp16": {"exponent": 5, "mantissa": 10, "specials": "ieee", "scale": "one"},
    "bf16": {"exponent": 8, "mantissa": 7, "specials": "ieee", "scale": "one"},
    "e4m3": {"exponent": 4, "mantissa": 3, "specials": "fn"},
    "e5m2": {"exponent": 5, "mantissa": 2, "specials": "ieee"},
}


def shorthand(text: str) -> Float | None:
    """``e4m3``, ``e5m2``, ``fp16``, ``bf16``, any ``e<E>m<M>``; with ``-pow2`` for a power-of-two scale."""
    name, _, suffix = text.partition("-")
    if suffix not in ("", "pow2"):
        return None
    match = re.fullmatch(r"e([1-8])m(\d|10)", name)
    fields = _NAMED.get(name) or ({"exponent": int(match[1]), "mantissa": int(match[2])} if match else None)
    if fields is None:
        return None
    if fields["exponent"] == 8:
        fields = {**fields, "specials": "ieee"}
    return Float.model_validate({**fields, **({"scale": "pow2"} if suffix else {})})
