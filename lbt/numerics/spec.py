"""The quantization of the tensors of one role: format, granularity, range rule, rounding."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator

from lbt.config import Section
from lbt.numerics.formats import AnyFormat, parse_format
from lbt.numerics.granularity import Granularity
from lbt.numerics.ranges import AnyRule, parse_rule


class RoleSpec(Section):
    """One line of a recipe. In YAML the format's word alone (``int8``) is enough."""

    format: AnyFormat
    """The number format: a word (``int8``, ``uint4``, ``e4m3``, ``mxe4m3``, …) or a mapping with ``kind``."""
    granularity: Granularity = "tensor"
    """The elements that share a scale: ``tensor``, ``channel``, ``sample``, ``block(n)``."""
    range: AnyRule = parse_rule("max")
    """The range rule that finds the scale: its name, or a mapping with ``rule`` and its options."""
    rounding: Literal["nearest", "stochastic", "floor"] = "nearest"
    """``nearest`` (ties to even), ``stochastic``, ``floor``."""

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
        return value

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.range.memory and self.granularity != "tensor":
            raise ValueError(
                f"range: {self.range.rule} keeps one running limit, so granularity must be tensor, "
                f"found {self.granularity}"
            )
        return self

    @property
    def bits(self) -> float:
        """Storage bits for each element."""
        return self.format.storage_bits

    def __str__(self) -> str:
        rule = ", ".join(f"{k} {v}" for k, v in self.range.model_dump().items() if k != "rule")
        form = f"{self.format}, per {self.granularity}"
        return f"{form}, {self.range.rule}{f' ({rule})' if rule else ''}, {self.rounding}"
