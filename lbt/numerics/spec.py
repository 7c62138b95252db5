"""The quantization of the tensors of one role: format, granularity, range rule, rounding."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from lbt.config import Section
from lbt.numerics.formats import AnyFormat, parse_format
from lbt.numerics.granularity import Granularity, block_size
from lbt.numerics.ranges import AnyRule, parse_rule
from lbt.numerics.rotation import Rotation


class RoleSpec(Section):
    """One line of a recipe. In YAML the format's word alone (``int8``) is enough."""

    format: AnyFormat
    """The number format: a word (``int8``, ``uint4``, ``e4m3``, ``mxe4m3``, …) or a mapping with ``kind``."""
    granularity: Granularity = "tensor"
    """The elements that share a scale: ``tensor``, ``channel``, ``sample``, ``sample*channel``, ``block(n)``,
    ``block(rxc)``, ``run(n)``."""
    along: Literal["channels", "reduction"] = "channels"
    """The dimension along which blocks run: the channels, or the one that the product sums over."""
    range: AnyRule = parse_rule("max")
    """The range rule that finds the scale: its name, or a mapping with ``rule`` and its options."""
    rounding: Literal["nearest", "stochastic", "floor"] = "nearest"
    """``nearest`` (ties to even), ``stochastic``, ``floor``."""
    rotate: Rotation | None = None
    """``hadamard(n)``: quantize after a random rotation along the dimension that the product sums over; both operands
    of the product need the same. null: none."""
    samples: int = Field(1, ge=1, le=16)
    """Of EG: independent draws of the error whose products are averaged."""

    @model_validator(mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"format": value}
        if isinstance(value, dict) and "format" in value:
            form = parse_format(value["format"])
            if form.granularity is not None:
                if value.get("granularity", form.granularity) != form.granularity:
                    raise ValueError(
                        f"granularity {value['granularity']!r} does not fit the format, whose blocks are "
                        f"{form.granularity}; leave granularity out"
                    )
                value = {**value, "granularity": form.granularity}
            if form.rounding is not None:
                value = {"rounding": form.rounding, **value}
        return value

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.range.memory and self.granularity != "tensor":
            raise ValueError(
                f"range: {self.range.rule} keeps one {'step size' if self.range.learned else 'running limit'}, so "
                f"granularity must be tensor, found {self.granularity}"
            )
        if self.range.learned and not self.format.scaled:
            raise ValueError(f"range: {self.range.rule} needs a format with a scale, found {self.format}")
        if self.range.learned and self.rotate is not None:
            raise ValueError(f"rotate: the range rule {self.range.rule} fits unrotated tensors only")
        if self.along == "reduction" and block_size(self.granularity) is None:
            raise ValueError(f"along: reduction is for block(n), found granularity {self.granularity}")
        if self.samples > 1 and self.rounding != "stochastic":
            raise ValueError(f"samples: {self.samples} draws need rounding stochastic, found {self.rounding}")
        return self

    @property
    def bound(self) -> bool:
        """True if the quantized tensor serves one product only, whose reduction it depends on."""
        return self.rotate is not None or self.along == "reduction"

    @property
    def unbound(self) -> RoleSpec:
        """The same for a tensor that is no operand of a layer's product, where nothing is learnt."""
        return self.stateless.model_copy(update={"along": "channels", "rotate": None, "samples": 1})

    @property
    def stateless(self) -> RoleSpec:
        """The same where no layer has a parameter for the rule ``learned``: the range is the largest magnitude."""
        return self.model_copy(update={"range": parse_rule("max")}) if self.range.learned else self

    @property
    def bits(self) -> float:
        """Storage bits for each element."""
        return self.format.storage_bits

    def __str__(self) -> str:
        rule = ", ".join(f"{k} {v}" for k, v in self.range.model_dump().items() if k != "rule")
        form = f"{self.format}, per {self.granularity}{' along the reduction' if self.along == 'reduction' else ''}"
        extra = f", {self.rotate}" if self.rotate else ""
        extra += f", mean of {self.samples} draws" if self.samples > 1 else ""
        return f"{form}, {self.range.rule}{f' ({rule})' if rule else ''}, {self.rounding}{extra}"
